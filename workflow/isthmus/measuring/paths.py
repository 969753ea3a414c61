"""Two sets of weights and the line between them.

`theta(alpha) = (1 - alpha) * theta_a + alpha * theta_b`, `a` the earlier seed. Both ends stay on the device;
the parameters of one live model are overwritten in place, no state dict is rebuilt and no model reloaded.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from isthmus import stored
from isthmus.bootstrap import Bootstrap
from isthmus.caches import attempts, identity
from isthmus.caches.identity import Anchor, Distances, Point, Resampling
from isthmus.caches.journal import Journal
from isthmus.data.tokens import Tokens
from isthmus.errors import MismatchedEnds
from isthmus.machine.numerics import Numerics
from isthmus.measuring.evaluation import Examples, measurement
from isthmus.models import classifiers, hf_folders, weight_files
from isthmus.space import sampling

SAMPLER_SET = "test"  # whose loss chooses the alphas; the other sets are measured at the same ones
DISTANCES = ("distance", "distance_a", "distance_b", "cosine")


@dataclass(frozen=True)
class End:
    """A checkpoint as the end of a path."""

    seed: int
    folder: Path
    anchor: Anchor

    @classmethod
    def read(cls, seed: int, folder: Path) -> "End":
        """Errors are those of `identity.anchor`."""
        return cls(seed, folder, identity.anchor(folder))

    @property
    def sha256(self) -> str:
        """The SHA-256 of the weights."""
        return self.anchor.weights


def check_same_architecture(a: End, b: End, names: tuple[str, str] | None = None) -> None:
    """Raise where the configurations of two checkpoints make two functions of the same weights.

    Args:
        a, b: the two checkpoints.
        names: what the message calls them; by default their folders.

    Raises:
        MismatchedEnds: with the settings that differ, and both values (None: not stated).
    """
    if a.anchor.architecture == b.anchor.architecture:
        return
    # Versions of Transformers may state one architecture differently: the present one decides.
    differing = identity.architecture(a.folder).differences(identity.architecture(b.folder))
    if kind := differing.get("model_type"):  # all else follows from it
        differing = {"model_type": kind}
    if differing:
        first, second = names or (a.folder, b.folder)
        shown = "; ".join(f"{name}: found {old!r} and {new!r}" for name, (old, new) in differing.items())
        raise MismatchedEnds(
            f"no line joins {first} and {second}: their architectures differ in config.json, in {shown}; "
            "allowed: the same values in both"
        )


def check_same_space(a: dict[str, Any], b: dict[str, Any], names: tuple[str, str]) -> None:
    """Raise where keys, shapes or types of two sets of weights differ, with the first three differences."""
    kinds = [{k: (tuple(t.shape), str(t.dtype)) for k, t in state.items()} for state in (a, b)]
    differing = [
        key for key in sorted(kinds[0].keys() | kinds[1].keys()) if kinds[0].get(key) != kinds[1].get(key)
    ]
    if differing:
        shown = "; ".join(
            f"{k}: {kinds[0].get(k, 'absent')} and {kinds[1].get(k, 'absent')}" for k in differing[:3]
        )
        raise MismatchedEnds(
            f"no line joins {names[0]} and {names[1]}: {len(differing)} tensors differ, first {shown}; "
            "allowed: the same names, shapes and types in both"
        )


class Line:
    """The live model on the line between two sets of weights.

    Args:
        model: any model of that architecture; its parameters are overwritten.
        a, b: weights by name, on the model's device. Buffers and integer tensors are taken from `a`.
    """

    def __init__(self, model, a: dict[str, Any], b: dict[str, Any]):
        import torch

        self.model, self.moving = model, []
        live = weight_files.distinct(model)
        parameters = {name for name, _ in model.named_parameters()}
        with torch.inference_mode():
            for name, tensor in live.items():
                if name in parameters and tensor.is_floating_point():
                    self.moving.append((tensor, a[name], b[name]))
                else:
                    tensor.copy_(a[name])

    def move(self, alpha: float):
        """Overwrite the model with theta(alpha) and return it; alpha 0 and 1 give the ends' own bits."""
        import torch

        with torch.inference_mode():
            for tensor, a, b in self.moving:
                if alpha in (0.0, 1.0):
                    tensor.copy_(b if alpha else a)  # adding 0 would turn -0 into 0
                else:
                    torch.lerp(a, b, alpha, out=tensor)
        return self.model


def distances(
    a: dict[str, Any], b: dict[str, Any], starts: Iterable[tuple[str, Any | None, Any | None]]
) -> dict[str, np.ndarray]:
    """How far two checkpoints are from each other and each from where it began, over some of their tensors.

    Args:
        a, b: weights by name.
        starts: where `a` and where `b` began: names and two tensors one after the other, those to compare;
            None in the place of tensors that are not known.

    Returns:
        `distance` between the ends, `distance_a` and `distance_b` each from its own start (L2, in weight
        units), and the `cosine` of the two updates, NaN where one of them is 0 or where the two starts
        differ; float64 scalars. Where the starts are not known, all but the first are NaN.
    """
    between, from_a, from_b, inner = 0.0, 0.0, 0.0, 0.0
    for name, start_a, start_b in starts:
        if a[name].is_floating_point():
            one = start_a is not None and (start_a is start_b or bool((start_a == start_b).all()))
            u, v = (
                end[name].double() - (np.nan if start is None else start.double())
                for end, start in ((a, start_a), (b, start_b))
            )
            apart = u - v if one else a[name].double() - b[name].double()
            between += float((apart**2).sum())
            from_a += float((u**2).sum())
            from_b += float((v**2).sum())
            inner += float((u * v).sum()) if one else np.nan  # updates of two bodies have no common origin
    norms = np.sqrt(from_a) * np.sqrt(from_b)
    cosine = inner / norms if norms > 0 else np.nan
    values = (np.sqrt(between), np.sqrt(from_a), np.sqrt(from_b), cosine)
    return {name: np.array(value, np.float64) for name, value in zip(DISTANCES, values, strict=True)}


def replay(at: Callable[[float], float], sampler: dict[str, Any]) -> list[float]:
    """Run the sampler from its start; what `at` answers decides which alpha is asked for next.

    Args:
        at: gives the chosen loss at an alpha, known or measured now.
        sampler: `Paths.sampler()`.

    Returns:
        All alphas, rising.
    """
    if sampler["grid"] == "uniform":
        curve = {alpha: at(alpha) for alpha in sampling.uniform(sampler["points"])}
        return sorted(curve)
    curve = {alpha: at(alpha) for alpha in sampling.start_grid(sampler["intervals"])}
    limits = {"tolerance": sampler["tolerance"], "max_alphas": sampler["max_alphas"]}
    while (
        alpha := sampling.next_alpha(sorted(curve), [curve[x] for x in sorted(curve)], **limits)
    ) is not None:
        curve[alpha] = at(alpha)
    return sorted(curve)


class Row:
    """All paths of one run with the runs before it, at one step of one cell.

    Args:
        end: the later end of every path.
        start: its step-0 checkpoint; None where it is not known. Both ends began from its body, unless
            `interpolate` is told where the earlier ends began.
        sets: the evaluation sets by name.
        budget: tokens a batch.
        numerics: how to compute.
        bootstrap: `replicates` and `seed`.
        journal: the folder of this step in the journal.
    """

    def __init__(
        self, end: End, start: End | None, sets: dict[str, Tokens], budget: int, numerics: Numerics,
        bootstrap: dict[str, int], journal: Path,
    ):  # fmt: skip
        self.end, self.start, self.sets, self.budget, self.numerics = end, start, sets, budget, numerics
        self.resampling, self.journal = Resampling(**bootstrap), journal
        self.records = Journal(journal / f"seed{end.seed}", kind="path")
        self.checkpoints: dict[int, Journal] = {}
        self.resamplings = {name: Bootstrap(len(examples), **bootstrap) for name, examples in sets.items()}
        self.measured = 0
        self.starts_checked: set[Path] = set()

    # What only a measurement needs is made when the first one is due.

    @cached_property
    def live(self):
        return classifiers.open_classifier(self.end.folder, attention=self.numerics.attention).to(
            self.numerics.device
        )

    @cached_property
    def placed(self) -> dict[str, Examples]:
        pad = hf_folders.pad_token(self.end.folder)
        return {
            name: Examples(examples, self.budget, pad, self.numerics) for name, examples in self.sets.items()
        }

    @cached_property
    def weights(self) -> dict[str, Any]:
        return self.load(self.end)

    def load(self, end: End) -> dict[str, Any]:
        """An end's weights on the device, checked against the hash under which they are measured."""
        state = weight_files.load(end.folder / hf_folders.WEIGHTS, end.sha256)
        return {name: tensor.to(self.numerics.device) for name, tensor in state.items()}

    def checked(self, start: End) -> Path:
        """The weights of a step-0 checkpoint, hashed once for all paths."""
        if start.folder not in self.starts_checked:
            hf_folders.check_weights(start.folder, start.sha256)
            self.starts_checked.add(start.folder)
        return start.folder / hf_folders.WEIGHTS

    def bodies_at_start(self, other: End | None) -> Iterator[tuple[str, Any | None, Any | None]]:
        """Where the earlier end and this one began: the bodies' tensors by name; names alone where not known.

        Args:
            other: the step-0 checkpoint of the earlier end.
        """
        from safetensors import safe_open

        if self.start is None or other is None:
            yield from ((name, None, None) for name in self.weights if self._of_body(name))
            return
        same = other.sha256 == self.start.sha256
        # Of equal weights the earlier end's file need not be there: it is not what is read.
        paths = self.checked(self.start if same else other), self.checked(self.start)
        a, b = (safe_open(path, framework="pt") for path in paths)
        with a, b:
            for name in b.keys():  # noqa: SIM118 - the file is no dict
                if self._of_body(name):
                    tensor = b.get_tensor(name).to(self.numerics.device)
                    yield name, tensor if same else a.get_tensor(name).to(self.numerics.device), tensor

    def _of_body(self, name: str) -> bool:
        return name.startswith(f"{self.live.base_model_prefix}.")

    def key(self, point: Anchor | Point, name: str, resampling: Resampling | None = None) -> str:
        """The journal's key of a point on a set."""
        return identity.key(measurement(point, self.sets[name], self.budget, self.numerics, resampling))

    def checkpoint_journal(self, end: End) -> Journal:
        if end.seed not in self.checkpoints:
            self.checkpoints[end.seed] = Journal(self.journal / f"seed{end.seed}", kind="checkpoint")
        return self.checkpoints[end.seed]

    def summary(self, name: str, record: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Mean loss, error rate and their replicates, from one record of each example."""
        wrong = (record["predictions"] != self.sets[name].labels).astype(np.float64)
        loss, error = self.resamplings[name].replicate_means(np.stack([record["losses"], wrong]))
        return {
            "loss": np.array(record["losses"].mean()),
            "error": np.array(wrong.mean()),
            "loss_replicates": loss,
            "error_replicates": error,
        }


def curve(
    row: Row, other: End, sampler: dict[str, Any], seen: Callable[[float], Any] = lambda alpha: None
) -> dict[float, dict[str, dict[str, np.ndarray]]]:
    """One path of a row: loss, error and replicates of each set by alpha, rising.

    Args:
        row: the later end and how to measure.
        other: the earlier end.
        sampler: `Paths.sampler()`.
        seen: told each alpha once it is known.

    Raises:
        MismatchedEnds: the two ends differ in architecture, or in keys, shapes or types.
    """
    return _Path(row, other, lambda: row.load(other)).curve(sampler, seen)


class _Path:
    """One path of a row: answers from the journal, else moves the live model and measures."""

    def __init__(self, row: Row, other: End, load: Callable[[], dict[str, Any]]):
        check_same_architecture(other, row.end)
        self.row, self.other, self._load = row, other, load

    @cached_property
    def weights(self) -> dict[str, Any]:
        weights = self._load()
        names = (str(self.other.folder), str(self.row.end.folder))
        check_same_space(weights, self.row.weights, names)
        return weights

    @cached_property
    def line(self) -> Line:
        weights = self.weights  # first, since reading them says clearly what is damaged
        return Line(self.row.live, weights, self.row.weights)

    def at(self, alpha: float) -> dict[str, dict[str, np.ndarray]]:
        """Loss, error and replicates of each set at an alpha."""
        return {name: self._point(alpha, name) for name in self.row.sets}

    def _point(self, alpha: float, name: str) -> dict[str, np.ndarray]:
        row = self.row
        if alpha in (0.0, 1.0):
            return row.summary(name, self.end_record(self.other if alpha == 0.0 else row.end, alpha, name))
        point = Point(self.other.anchor, row.end.anchor, alpha)
        key = row.key(point, name, row.resampling)
        return row.records.get(key) or row.records.put(key, row.summary(name, self._measure(alpha, name)))

    def end_record(self, end: End, alpha: float, name: str) -> dict[str, np.ndarray]:
        """Each example's loss and prediction at an end, which evaluations and other paths share."""
        records = self.row.checkpoint_journal(end)
        key = self.row.key(end.anchor, name)
        return records.get(key) or records.put(key, self._measure(alpha, name))

    def _measure(self, alpha: float, name: str) -> dict[str, np.ndarray]:
        self.row.measured += 1
        return self.row.placed[name].measure(self.line.move(alpha))

    def curve(self, sampler: dict[str, Any], seen: Callable[[float], Any] = lambda alpha: None):
        """All points that the sampler asks for, by rising alpha."""
        points: dict[float, dict] = {}

        def at(alpha: float) -> float:
            points[alpha] = self.at(alpha)
            seen(alpha)
            return float(points[alpha][SAMPLER_SET]["loss"])

        return {alpha: points[alpha] for alpha in replay(at, sampler)}

    def pair(self, start: End | None) -> dict[str, float]:
        """Distances, cosine, and the share of examples on which the ends' predictions differ, set by set.

        Args:
            start: the step-0 checkpoint whose body the earlier end began from.
        """
        row = self.row
        starts = tuple(None if one is None else one.anchor for one in (start, row.start))
        key = identity.key(Distances(self.other.anchor, row.end.anchor, starts, row.numerics))
        values = row.records.get(key)
        if values is None:
            values = row.records.put(key, distances(self.weights, row.weights, row.bodies_at_start(start)))
        result = {name: float(values[name]) for name in DISTANCES}
        for name in row.sets:
            a, b = (
                self.end_record(e, x, name)["predictions"] for e, x in ((self.other, 0.0), (row.end, 1.0))
            )
            result[f"disagreement_{name}"] = float((a != b).mean())
        return result


def interpolate(
    *, row: Row, others: list[End], sampler: dict[str, Any], labels: dict[str, Any], out: Path, pairs: Path,
    starts: list[End] | None = None,
) -> None:  # fmt: skip
    """One job: the curves of a row.

    Args:
        row: the later end and how to measure.
        others: the earlier ends, in the config's order.
        sampler: `Paths.sampler()`.
        labels: `model`, `dataset` and `step`, written to each row of the files.
        out: Parquet, a row a path, set and alpha: the labels, `seed_a, seed_b, set, alpha, loss, error, n`
            and the replicates of loss and error (lists of float32).
        pairs: Parquet, a row a path: the labels, seeds, distances, cosine, disagreements.
        starts: the step-0 checkpoints of the earlier ends; by default all began from the body of `row.start`.

    Raises:
        MismatchedEnds: two ends (or an end and its start) differ in architecture, keys, shapes or types.
        errors.Damaged: a checkpoint is damaged.
    """
    for end in [*others, *([row.start] if row.start else [])]:  # before anything is measured
        check_same_architecture(end, row.end)
    points, pair_rows = [], []
    folder = row.journal / f"seed{row.end.seed}"
    with attempts.measuring(folder, row.numerics.device), ThreadPoolExecutor(1) as loader:
        ahead: dict[int, Future] = {}

        def load(position: int) -> dict[str, Any]:
            """The weights of one end; the next one is read while this one is measured."""
            future = ahead.pop(position, None) or loader.submit(row.load, others[position])
            ahead.clear()  # an end that was read ahead and not needed would stay in memory
            weights = future.result()
            if position + 1 < len(others):
                ahead[position + 1] = loader.submit(row.load, others[position + 1])
            return weights

        for position, other in enumerate(others):
            path = _Path(row, other, lambda position=position: load(position))
            seeds = {**labels, "seed_a": other.seed, "seed_b": row.end.seed}
            measured = path.curve(sampler)
            points += [
                {**seeds, "set": name, "alpha": alpha, **at[name], "n": len(row.sets[name])}
                for name in row.sets
                for alpha, at in measured.items()
            ]
            pair_rows.append({**seeds, **path.pair(starts[position] if starts else row.start)})
            print(f"seeds {other.seed} and {row.end.seed}: {len(measured)} alphas", flush=True)
    print(f"{row.measured} measurements made, the others were in the journal", flush=True)
    _write(points, out)
    _write(pair_rows, pairs)


def _write(rows: list[dict[str, Any]], path: Path) -> None:
    import pyarrow as pa

    def column(name: str):
        values = [row[name] for row in rows]
        if name.endswith("_replicates"):
            flat = np.concatenate(values) if len(values[0]) else np.empty(0, np.float32)
            offsets = np.arange(len(values) + 1, dtype=np.int32) * len(values[0])
            return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat, pa.float32()))
        return pa.array([value.item() if isinstance(value, np.ndarray) else value for value in values])

    stored.write_table(path, pa.table({name: column(name) for name in rows[0]}))
