"""One job: the lines between two checkpoints in one group of tensors at a time, and in more and more."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isthmus.caches.identity import Anchor
from isthmus.data.tokens import Tokens
from isthmus.experiment import layout
from isthmus.machine.numerics import Numerics
from isthmus.measuring.ends import End, check_same_architecture
from isthmus.measuring.engine import Engine
from isthmus.measuring.interpolation import write_rows
from isthmus.measuring.known import Known
from isthmus.measuring.prefix import Prefix
from isthmus.measuring.rows import Resampling, means
from isthmus.models.tokenizing import TESTED
from isthmus.space import groups as tensor_groups
from isthmus.space.anchors import Weights, check_same_space
from isthmus.space.geometries import Layers
from isthmus.space.sampling import MIDDLE, uniform
from isthmus.tasks.scored import scored

ALONE, SHALLOW, DEEP = "alone", "shallow", "deep"
FOLDER = "layers"  # in the journal of a step, beside those of its runs


@dataclass(frozen=True)
class Part:
    """Which tensors move on a line.

    Attributes:
        order: `alone`: one group; `shallow`: all groups up to one, `deep`: all groups from one on.
        group: the group, or the one that the others are up to, or from.
        moving: the groups that move.
    """

    order: str
    group: str
    moving: tuple[str, ...]


def parts(groups: Sequence[str], cumulative: bool = True) -> list[Part]:
    """Each group alone, and where these follow on each other, more and more of them, short of all.

    Args:
        groups: from the model's input to its output.
        cumulative: whether they follow on each other.
    """
    found = [Part(ALONE, group, (group,)) for group in groups]
    if cumulative:
        found += [Part(SHALLOW, groups[i], tuple(groups[: i + 1])) for i in range(len(groups) - 1)]
        found += [Part(DEEP, groups[i], tuple(groups[i:])) for i in range(1, len(groups))]
    return found


class LayeredPair:
    """Two checkpoints, and the lines between them in some of their tensors.

    Args:
        a, b: the checkpoints.
        sets: the evaluation sets by name.
        budget: tokens a batch.
        numerics: how to compute.
        journal: the folder of this step in the journal.
        cache: bytes of activations to keep at most.

    Raises:
        MismatchedEnds: they differ in architecture.
    """

    def __init__(
        self, a: End, b: End, sets: dict[str, Tokens], budget: int, numerics: Numerics, journal: Path,
        cache: int,
    ):  # fmt: skip
        check_same_architecture(a, b)
        self.a, self.b, self.sets, self.cache = a, b, sets, cache
        self.task = scored(sets, a.folder, numerics)
        self.engine = Engine(a, sets, budget, self.task)
        self.known = Known(self.engine, journal, FOLDER, "layers")
        self._weights: dict[Anchor, Weights] = {}
        self._prefix: Prefix | None = None

    @property
    def weights(self) -> dict[Anchor, Weights]:
        """Those of both, read once."""
        if not self._weights:
            a, b = (self.known.reader.weights(end) for end in (self.a, self.b))
            check_same_space(a, b, (str(self.a.folder), str(self.b.folder)))
            self._weights = {self.a.anchor: a, self.b.anchor: b}
        return self._weights

    def curve(self, part: Part, start: End, alphas: Sequence[float], seen: Callable[..., Any]) -> None:
        """Measure a line that begins at one of the two, all alphas of a set before the next set.

        Args:
            part: which tensors move.
            start: where all others stay.
            alphas: rising from 0.
            seen: told a set's name, an alpha and the record there.
        """
        other = self.b if start is self.a else self.a
        line = Layers(start.anchor, other.anchor, part.moving)
        with self._fixed(part.moving):
            for name in self.sets:
                for alpha in sorted({*alphas, MIDDLE}):
                    run = layout.filled(layout.RUN_JOURNAL, seed=start.seed)
                    known = self.known.measured(
                        name,
                        line.at(alpha),
                        lambda: self.weights,
                        elsewhere=[(run, "checkpoint")] if alpha == 0 else [],
                    )
                    seen(name, alpha, self.task.record(known, self.sets[name]))

    def _fixed(self, moving: tuple[str, ...]) -> AbstractContextManager[None]:
        """The context in which what comes before the moving tensors is computed once."""
        live = self.engine.live
        if live.model.config.model_type not in TESTED:
            return nullcontext()  # a tensor may bear on more than its name says
        if self._prefix is None:
            self._prefix = Prefix(live.model, self.cache)
        blocks = live.model.config.num_hidden_layers
        moved = [t for t in live.moving if any(tensor_groups.holds(group, t) for group in moving)]
        first = min((tensor_groups.block_of(tensor, blocks) for tensor in moved), default=0)
        return self._prefix.fixed(first)


def layers(
    *, pair: LayeredPair, groups: str | dict[str, list[str]], alphas: int, resampling: Resampling,
    labels: dict[str, Any], out: Path,
) -> None:  # fmt: skip
    """One job: all lines of a pair.

    Args:
        pair: the two checkpoints.
        groups: `blocks`, `halves` (attention and feed-forward of each), or patterns of names by group.
        alphas: how many equally spaced ones a line.
        resampling: of the evaluation units.
        labels: `model`, `dataset` and `step`, written to each row of the file.
        out: Parquet, a row a line, set and alpha: the labels, `seed_a, seed_b, set, order, group, from,
            alpha, loss, error, n` and the replicates of loss and error. `from` is the end where all others
            stay.

    Raises:
        ConfigError: a group has no tensor, or all.
        MismatchedEnds, errors.Damaged: as of a row.
    """
    live = pair.engine.live
    if live.model.config.model_type not in TESTED:
        print(
            f"{live.model.config.model_type} is not among the tested architectures: groups go by names alone"
        )
    rows, names = [], named_groups(groups, [*live.moving])
    every = parts([*names], cumulative=isinstance(groups, str))
    bootstraps = resampling.bootstraps(pair.sets)
    with pair.known.job():
        for part in every:
            for side, start in (("a", pair.a), ("b", pair.b)):
                keys = {**labels, "seed_a": pair.a.seed, "seed_b": pair.b.seed, "order": part.order}
                keys |= {"group": names[part.group], "from": side}

                def seen(name, alpha, record, keys=keys):
                    row = {**keys, "set": name, "alpha": alpha, **means(record, bootstraps[name])}
                    rows.append(row | {"n": len(pair.sets[name])})

                pair.curve(part, start, uniform(alphas), seen)
            print(f"{part.order} {names[part.group]}: both lines", flush=True)
    write_rows(rows, out)


def named_groups(groups: str | dict[str, list[str]], tensors: Sequence[str]) -> dict[str, str]:
    """The groups of tensors, from input to output, each with what it is called.

    Errors are those of `groups.check`.
    """
    if isinstance(groups, dict):
        tensor_groups.check(groups, tensors)
        return {tensor_groups.matching(patterns): name for name, patterns in groups.items()}
    known = tensor_groups.in_order(tensors, halves=groups == "halves")
    if any(name.startswith("block ") for name in known):
        return {name: name for name in known}
    print("no blocks are known in this architecture: groups are by the first words of tensors' names")
    first = dict.fromkeys(".".join(tensor.split(".")[:2]) for tensor in tensors)
    return {tensor_groups.matching([f"{words}*"]): words for words in first}
