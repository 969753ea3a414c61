"""One job: put the units of one checkpoint in the order in which they are most like another's.

Their similarity is that of the weights (`permuting.by_weights`), or of the activations: the correlation of
two units over the tokens of training examples, summed over the places where a group of units is read (Li et
al. 2016; Ainsworth et al. 2023, section 3.1). From there orders may be learned (`learning`). Whatever the
order, the function is the same, which each job checks.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from isthmus import stored
from isthmus.caches.identity import Anchor
from isthmus.data import tokens
from isthmus.data.tokens import Tokens
from isthmus.errors import AlignmentFailed, ConfigError
from isthmus.machine.numerics import Numerics
from isthmus.measuring import learning
from isthmus.measuring.ends import End, check_same_architecture
from isthmus.measuring.live import LiveModel
from isthmus.measuring.permuting import Orders, Reordered, by_weights, free, matched
from isthmus.measuring.reading import Reader, units_of
from isthmus.models.first_token import compute_all
from isthmus.models.units import ATTENTION, BY_HEAD, CONTEXT, EMBEDDING, QUERY, RESIDUAL, Units
from isthmus.space.anchors import Weights, check_same_space
from isthmus.space.points import at
from isthmus.tasks.asked import asked
from isthmus.tasks.task import MeasuredTask

TOLERANCE = 1e-5  # of logits, in float64, against the largest of them
CHECKED = 8  # examples whose logits are compared


@dataclass(frozen=True)
class Found:
    """Orders of the second checkpoint's units, and what they do.

    Attributes:
        orders: by group.
        moved: the share of units that have another place, by kind of group.
        difference: the largest of logits between before and after, relative to the largest logit.
    """

    orders: Orders
    moved: dict[str, float]
    difference: float


def align(
    a: End, b: End, examples: Tokens, count: int, method: str, seed: int, numerics: Numerics, budget: int,
    updates: int = 0,
) -> Found:  # fmt: skip
    """Find the orders.

    Args:
        a, b: the two checkpoints; `b`'s units are put in order.
        examples: of the train part, from which `count` are drawn for activations and for learning.
        method: `activations`, `weights` or `learned`, as in `settings.measuring.Alignment`.
        seed: of that draw, and of the order in which weights are matched.
        numerics: how to compute.
        budget: tokens a batch.
        updates: of learning.

    Raises:
        ConfigError: no table says which units of the architecture may be reordered, or nothing is to be
            learnt by.
        MismatchedEnds: the two are no points of one space.
        AlignmentFailed: the reordered model is another function.
    """
    check_same_architecture(a, b)
    if method == "learned" and updates < 1:
        raise ConfigError(f"method: found learned with {updates} updates; allowed: 1 or more")
    reader = Reader(None)
    weights = reader.weights(a), reader.weights(b)
    check_same_space(*weights, (str(a.folder), str(b.folder)))
    units = units_of(b, weights[1])
    task = asked({"train": examples}, a.folder, numerics)
    some = tokens.sample(examples, count, seed)
    if method == "weights":
        orders = by_weights(units, *weights, seed)
    else:
        orders = by_activations(units, *_opened(task, (a, b), weights), _batches(task, some, budget))
    if method == "learned":
        middle = learning.Middle(task, b, *weights, units, some, budget)
        orders = learning.by_learning(middle, orders, updates, seed)
    *_, longest = _batches(task, some, budget)  # they are sorted by length
    difference = check(task, b, weights[1], units, orders, longest)
    reader.check_unchanged()
    return Found(orders, moved(units, orders), difference)


def _opened(task: MeasuredTask, ends: Sequence[End], weights: Sequence[Weights]) -> Iterator[nn.Module]:
    """The two models, which compute all tokens of their last layer."""
    for end, own in zip(ends, weights, strict=True):
        yield compute_all(LiveModel(task.open(end.opens)).move(at(end.anchor), {end.anchor: own}))


def _batches(task: MeasuredTask, examples: Tokens, budget: int) -> Iterator[dict[str, Tensor]]:
    """The inputs of models, batch by batch."""
    for batch in task.micro_batches(examples, np.arange(len(examples)), budget, 0):
        yield batch.inputs


def moved(units: Units, orders: Orders) -> dict[str, float]:
    """The share of units that have another place, by kind: of heads, and of units within their heads."""
    places: dict[str, list[np.ndarray]] = defaultdict(list)
    width = units.heads.width
    for name, order in orders.items():
        kind, same = name.split(" ")[0], np.arange(len(order))
        if kind not in ATTENTION:
            places[kind].append(order != same)
            continue
        if kind in (QUERY, CONTEXT):
            within = "query and key in heads" if kind == QUERY else "value and context in heads"
            places[within].append(order % width != same % width)
        if kind == CONTEXT:
            places["heads"].append((order // width != same // width)[::width])
    return {kind: float(np.concatenate(own).mean()) for kind, own in sorted(places.items())}


# --------------------------------------------------------------------------------------------- by activations


def by_activations(
    units: Units, a: nn.Module, b: nn.Module, batches: Iterable[Mapping[str, Tensor]]
) -> dict[str, np.ndarray]:
    """Orders of `b`'s units that are most correlated with `a`'s on the same tokens."""
    sums = summed(units, a, b, batches)

    def similar(group: str) -> np.ndarray:
        return sum(sums.pop(place).correlation() for place in list(sums) if place[0] == group)

    orders: dict[str, np.ndarray] = {}
    for group in free(units):
        orders |= matched(units, similar, group)
    return orders


def summed(
    units: Units, a: nn.Module, b: nn.Module, batches: Iterable[Mapping[str, Tensor]]
) -> dict[tuple[str, int], "Sums"]:
    """What two models do on the same tokens, by group and place."""
    sums: dict[tuple[str, int], Sums] = defaultdict(Sums)
    for inputs in batches:
        seen = []
        for model in (a, b):
            with _recorded(units, model, inputs.get("attention_mask")) as found, torch.inference_mode():
                model(**inputs)
            seen.append(found)
        for place, first in seen[0].items():
            sums[place].add(first, seen[1][place])
    return sums


class Sums:
    """Sums over tokens from which the correlation of each unit of one model with each of another follows."""

    def __init__(self) -> None:
        self.count, self.origins = 0, None

    def add(self, a: Tensor, b: Tensor) -> None:
        """Add the activations of some tokens, shape (tokens, units); both of the same tokens."""
        if self.origins is None:  # shifted by about their means, so that no digits are lost in the products
            self.origins = a.mean(0), b.mean(0)
            zeros = torch.zeros(a.shape[1], dtype=torch.float64, device=a.device)
            self.means, self.squares = [zeros.clone(), zeros.clone()], [zeros.clone(), zeros.clone()]
            self.products = torch.zeros(a.shape[1], b.shape[1], device=a.device)
        shifted = [own - origin for own, origin in zip((a, b), self.origins, strict=True)]
        self.count += len(a)
        self.products += shifted[0].T @ shifted[1]
        for place, own in enumerate(shifted):
            self.means[place] += own.double().sum(0)
            self.squares[place] += own.double().square().sum(0)

    def correlation(self) -> np.ndarray:
        """Shape (units, units); 0 where a unit is always the same."""
        means = [own / self.count for own in self.means]
        covariance = self.products.double() / self.count - torch.outer(*means)
        spreads = [
            (square / self.count - mean**2).clamp(min=0).sqrt()
            for square, mean in zip(self.squares, means, strict=True)
        ]
        scale = torch.outer(*spreads)
        return torch.where(scale > 1e-12, covariance / scale.clamp(min=1e-12), 0.0).cpu().numpy()


@contextmanager
def _recorded(units: Units, model: nn.Module, mask: Tensor | None) -> Iterator[dict[tuple[str, int], Tensor]]:
    """What linear layers read, and what they write before an activation, by group and time.

    A unit of a ReLU that is off everywhere is told from others by the latter alone.
    """
    found: dict[tuple[str, int], Tensor] = {}
    times: dict[str, int] = defaultdict(int)
    last: list[Tensor] = []  # several layers read one tensor

    def keep(group: str, tensor: Tensor) -> None:
        padded = mask is not None and tensor.dim() == 3 and tensor.shape[:2] == mask.shape
        flat = tensor[mask.bool()] if padded else tensor
        found[group, times[group]] = flat.reshape(-1, tensor.shape[-1]).float()
        times[group] += 1

    def hook(axes, transposed: bool):
        reads, writes = axes if transposed else axes[::-1]

        def record(module, inputs, output) -> None:
            if isinstance(reads, str) and not any(inputs[0] is own for own in last):
                last[:] = [inputs[0]]
                keep(reads, inputs[0])
            for group, part in _written(writes, output, units):
                keep(group, part)

        return record

    handles = []
    for name, module in model.named_modules():
        axes = units.axes.get(f"{name}.weight", ())
        if len(axes) == 2 and not isinstance(module, nn.Embedding):
            transposed = not isinstance(module, nn.Linear)  # GPT-2's layers are written (in, out)
            handles.append(module.register_forward_hook(hook(axes, transposed)))
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _written(axis, output: Tensor, units: Units) -> Iterator[tuple[str, Tensor]]:
    """What a layer writes, by group; the stream is more than what one layer adds to it."""
    if isinstance(axis, str):
        if axis not in (RESIDUAL, EMBEDDING):
            yield axis, output
    elif isinstance(axis, tuple):
        groups = [own for own in axis if own != BY_HEAD]
        parts = output.chunk(len(groups), dim=-1)
        if len(groups) < len(axis):  # by head
            by_head = output.unflatten(-1, (-1, len(groups), units.heads.width))
            parts = [by_head[..., place, :].flatten(-2) for place in range(len(groups))]
        yield from zip(groups, parts, strict=True)


# -------------------------------------------------------------------------------------------------- the check


def check(
    task: MeasuredTask, end: End, weights: Weights, units: Units, orders: Orders, inputs: Mapping[str, Tensor]
) -> float:
    """Raise AlignmentFailed where a checkpoint with its units in another order is another function.

    In float64, so that rounding is no excuse.

    Returns:
        The largest difference of logits, relative to the largest logit.
    """
    live = LiveModel(_exact(task.open(end.opens)))
    inputs = {name: tensor[:CHECKED] for name, tensor in inputs.items()}

    def logits(own: Orders) -> Tensor:
        anchor = Anchor("reordered" if own else "original", "")
        live.position = None
        with torch.inference_mode():
            return live.move(at(anchor), {anchor: Reordered(weights, units, own)})(**inputs).logits

    before = logits({})
    scale = float(before.abs().max()) or 1.0

    def difference(own: Orders) -> float:
        return float((logits(own) - before).abs().max()) / scale

    found = difference(orders)
    if not found <= TOLERANCE:
        groups = [group for group in free(units) if not difference(_only(orders, group)) <= TOLERANCE]
        shown = ", ".join(
            f"the heads of block {group}" if isinstance(group, int) else group for group in groups
        )
        raise AlignmentFailed(
            f"{end.folder}: with its units in another order its logits differ by {found:.2g} of the largest; "
            f"allowed: {TOLERANCE:g}. It is in {shown or 'several groups together'}"
        )
    return found


def _exact(model: nn.Module) -> nn.Module:
    """A model in float64, also where its code asks for float32: the sum of an RMSNorm goes over units."""

    def forward(norm: nn.Module, states: Tensor) -> Tensor:
        return (
            norm.weight * states * torch.rsqrt(states.square().mean(-1, keepdim=True) + norm.variance_epsilon)
        )

    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = partial(forward, module)
    return model.double()


def _only(orders: Orders, group: str | int) -> Orders:
    """The orders of one group, or of the heads of one block."""
    if isinstance(group, str):
        return {name: own for name, own in orders.items() if name == group}
    return {f"{name} {group}": orders[f"{name} {group}"] for name in ATTENTION if f"{name} {group}" in orders}


# ---------------------------------------------------------------------------------------------------- one job


def write_orders(orders: Orders, path: Path) -> None:
    """Write orders as `ends.End.aligned` takes them: kilobytes, with a checksum."""
    stored.write_arrays(path, {name: own.astype(np.int32) for name, own in orders.items()})


def align_pair(
    *, ends: Sequence[End], examples: Path, count: int, method: str, seed: int, numerics: Numerics,
    budget: int, out: Path, record: Path, updates: int = 0,
) -> None:  # fmt: skip
    """One job: find the orders of a pair and write them.

    Args:
        ends: the two checkpoints.
        examples: the tokens of the train part.
        count, method, seed, numerics, budget, updates: as of `align`.
        out: safetensors, an int32 array a group: unit i is the second's unit `order[i]`.
        record: JSON: the share of units that moved by kind, and the largest difference of logits.

    Raises:
        As `align`.
    """
    found = align(*ends, tokens.read(examples), count, method, seed, numerics, budget, updates)
    for kind, share in found.moved.items():
        print(f"{kind}: {share:.1%} of the units moved", flush=True)
    print(f"logits differ by {found.difference:.1g} of the largest", flush=True)
    write_orders(found.orders, out)
    said: dict[str, Any] = {"method": method, "moved": found.moved, "difference": found.difference}
    stored.write_json(record, said | {"seeds": [end.seed for end in ends]})
