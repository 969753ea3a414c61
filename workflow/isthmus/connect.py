"""Two checkpoints and a file of examples in, their connectivity out: the direct door, without a workflow."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isthmus import given
from isthmus.bootstrap import Bootstrap, percentile_interval
from isthmus.caches.identity import FACTORS, MERGED, Adapter
from isthmus.data import tokens
from isthmus.data.tokens import Tokens
from isthmus.errors import ConfigError
from isthmus.experiment import config
from isthmus.experiment.layout import ALIGNED
from isthmus.machine import numerics
from isthmus.machine.numerics import Numerics
from isthmus.machine.progress import Progress
from isthmus.measuring.aligning import align, write_orders
from isthmus.measuring.detours import Detour
from isthmus.measuring.ends import End, check_same_architecture
from isthmus.measuring.paths import SAMPLER_SET, MeasuredPath
from isthmus.measuring.rows import Resampling, Row, cross_fitted, means
from isthmus.showing import path_figures
from isthmus.showing.formatting import NO_SKILL, interval, number
from isthmus.space import sampling
from isthmus.space.sampling import Sampler
from isthmus.statistics import connectivity, pair_means
from isthmus.statistics.thresholds import learnt
from isthmus.tasks.record import Record
from isthmus.training.bending import bend
from isthmus.training.saving import Cache
from isthmus.training.schedule import Recipe


@dataclass(frozen=True)
class Connection:
    """What was measured between two checkpoints.

    Attributes:
        points: a row an alpha: `alpha, loss, error, n` and, with replicates, `loss_low, loss_high`.
        metrics: rows BH and CG of the loss: `metric, value, low, high, error, alpha, chord_low, chord_high,
            cross_fitted, cross_fitted_low, cross_fitted_high`.
        scores: of the two ends, as of `connectivity.scores`.
        averaging: what the mean of the two is worth, a line.
        notes: what a reader of the numbers must know besides.
        others: what was measured on other paths between the two.
    """

    points: pd.DataFrame
    metrics: pd.DataFrame
    scores: tuple[dict[str, float], dict[str, float]]
    averaging: str
    notes: list[str] = field(default_factory=list)
    others: "list[Other]" = field(default_factory=list)

    def summary(self) -> str:
        """The numbers that are asked for first."""
        losses = self.points["loss"].iloc[[0, -1]].tolist()
        language = "perplexity" in self.scores[0]
        ends = (
            f"{name}: loss {number(loss)}, {'token ' * language}accuracy {number(own['accuracy'])}"
            + (f", perplexity {own['perplexity']:.2f}" if language else "")
            for name, loss, own in zip("AB", losses, self.scores, strict=True)
        )
        gaps = gaps_in_words(self.metrics)
        n = self.points["n"].iloc[0]
        units, nats = ("blocks", "nats a token") if language else ("examples", "nats")
        counted = f", {int(self.scores[0]['tokens']):,} tokens counted" if language else ""
        last = f"{len(self.points)} evaluations of {n} {units}{counted}; {nats}, [95 % interval over {units}]"
        majority = self.scores[0]["majority"]
        failed = [
            name
            for name, own in zip("AB", self.scores, strict=True)
            if not learnt(own["accuracy_low"], majority)
        ]
        bar = (
            f"is not clearly above the {'commonest token' if language else 'majority class'}, which has an "
            f"accuracy of {number(majority)}; {NO_SKILL}"
        )
        warnings = (f"! {name} {bar}" for name in failed)
        others = (line for other in self.others for line in other.lines())
        return "\n".join([*ends, *gaps, self.averaging, *others, *warnings, last, *self.notes])

    def write(self, out: Path) -> list[Path]:
        """Write the line as `<out>.csv`, another path as `<out>-<name>.csv`, all of them as `<out>.png`."""
        files = curve_files(out)
        self.points.to_csv(files[0], index=False)
        seeds, others = {"seed_a": 0, "seed_b": 1}, {other.name: other.points for other in self.others}
        for name, points in others.items():
            files.append(out.with_name(f"{out.name}-{name}.csv"))
            points.to_csv(files[-1], index=False)
        gaps = self.metrics[self.metrics["metric"] == "CG"].assign(**seeds)
        path_figures.single_path(self.points.assign(**seeds), gaps, others).savefig(files[1], dpi=150)
        return files


@dataclass(frozen=True)
class Other:
    """What was measured on another path than the line: `points` and `metrics` as of the line.

    Attributes:
        name: of the path.
        heading: what it is, in words.
    """

    name: str
    heading: str
    points: pd.DataFrame
    metrics: pd.DataFrame

    def lines(self) -> list[str]:
        position = "alpha" if self.name == ALIGNED else "t"
        return [f"{self.heading}:", *(f"  {line}" for line in gaps_in_words(self.metrics, position))]


def gaps_in_words(metrics: pd.DataFrame, position: str = "alpha") -> list[str]:
    """BH and CG, a line each."""
    said = []
    for name in ("BH", "CG"):
        row = metrics.set_index("metric").loc[name]
        value, *ends = row[pair_means.CROSS_FITTED]
        said.append(
            f"{name} {number(row['value'])} {interval(row['low'], row['high'])}".rstrip()
            + f" at {position} {row['alpha']:.3f}, estimated error {number(row['error'])}"
            + f"; cross-fitted {number(value)} {interval(*ends)}".rstrip()
        )
    return said


def curve_files(out: Path) -> list[Path]:
    """The files of a curve that is to be called `out`; its folder is there and can be written.

    Raises:
        ConfigError: it cannot.
    """
    allowed = "a place that can be written, such as results/curve"
    if not out.name:
        raise ConfigError(f"--out: found {str(out)!r}, which names no file; allowed: {allowed}")
    files = [out.with_name(f"{out.name}.{ending}") for ending in ("csv", "png")]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):
            pass
        for file in files:
            if file.exists():
                file.open("ab").close()
    except OSError as error:
        raise ConfigError(
            f"--out: found {out}, where nothing can be written ({error.strerror}); allowed: {allowed}"
        ) from error
    return files


def connect(
    names: tuple[str, str],
    columns: config.Columns,
    *,
    labels: list[str] | None = None,
    template: str | None = None,
    max_length: int = 128,
    base: str | None = None,
    space: str = MERGED,
    budget: int = 1024,
    alphas: dict[str, Any] | None = None,
    resampling: Resampling | None = None,
    settings: dict[str, Any] | None = None,
    curve: config.Curve | None = None,
    training: config.Training | None = None,
    train: config.Columns | None = None,
    alignment: tuple[str, int] | None = None,
    progress: Progress | None = None,
) -> Connection:
    """Measure the path between two classifiers, or two language models.

    Args:
        names: two folders or hub ids, as for `given.origin`.
        columns: the examples' files and columns; a data set's where they are running text.
        labels: the data's names of the models' classes, in their order; by default the models' own.
        template: how two texts are joined, as in `tokens.tokenize`; by default as the architecture does.
        max_length, budget: tokens an example, and tokens a batch, at most.
        base: of adapters, the model that they adapt; by default the one that they name.
        space: of adapters, whether the line joins the weights with them `merged`, or their own `factors`.
        alphas, resampling, settings: how to measure; those of `sampling.sampler` and `numerics.setup`.
        curve: a curve between the two that is trained and measured too; with it:
        training: how its bends are trained.
        train: the files and columns of the examples to train on.
        alignment: `activations` or `weights`, and how many examples: the line to B aligned to A too.
        progress: told what is being done, and each alpha once it is measured.

    Raises:
        ConfigError: a model, the data or a label cannot be used.
        errors.MismatchedEnds: the two models do not match.
    """
    progress = progress or Progress("connect")
    resampling = resampling or Resampling(replicates=1000, seed=0)
    computing = numerics.setup(settings or given.default_numerics())
    with tempfile.TemporaryDirectory() as temporary:
        reading = given.Reading(columns, labels, template, max_length, base)
        copies, examples, notes = given.read(names, Path(temporary), reading)
        ends = [End.read(seed, copy / "checkpoint", space) for seed, copy in enumerate(copies)]
        if space == FACTORS and not all(isinstance(end.anchor, Adapter) for end in ends):
            raise ConfigError(f"--space: found {space} for whole models; allowed: {MERGED}, or two adapters")
        check_same_architecture(*ends, names)
        for option, asked in (("--curve", curve), ("--align", alignment)):
            if asked and any(isinstance(end.anchor, Adapter) for end in ends):
                raise ConfigError(f"{option}: found adapters; allowed: whole models")
        # Said before anything is measured, where these cannot be used.
        shown = given.examples(copies, names, replace(reading, columns=train))[0] if curve else None
        sets, journal = {SAMPLER_SET: examples}, Path(temporary, "journal")
        row = Row(ends[1], None, sets, budget, computing, resampling, journal)
        sampler = sampling.sampler(alphas or config.Paths().sampler())
        progress.at("measuring the line")
        path = MeasuredPath(row, ends[0])
        points, gaps = _measured(
            path.curve(sampler, progress.seen), row.bootstraps[SAMPLER_SET], resampling.seed
        )
        scores = tuple(
            connectivity.scores(pd.DataFrame(path.scored(SAMPLER_SET, alpha))) for alpha in (0.0, 1.0)
        )
        beside = Beside(
            ends, sets, budget, computing, resampling, journal, sampler, Path(temporary), progress
        )
        others = []
        if curve:
            others.append(beside.curved(curve, Recipe(**curve.recipe(training)), shown))
        if alignment:
            others.append(beside.aligned(*alignment))
            notes.append("B's units were matched on these examples, without their labels")
    if ends[0].sha256 == ends[1].sha256:
        notes.append("A and B have the same weights: a gap of 0 by construction")
    if FACTORS in (getattr(end.anchor, "space", MERGED) for end in ends):
        notes.append("on the line between the adapters' own factors A and B, not between the merged weights")
    notes.append("two models: nothing is said of other seeds")
    kept, loss = _reduced(points, gaps)
    skilled = all(learnt(own["accuracy_low"], own["majority"]) for own in scores)
    return Connection(kept, loss, scores, averaging_in_words(points, skilled), notes, others)


@dataclass(frozen=True)
class Beside:
    """Other paths between two models, measured as their line is; what they need is kept in a folder."""

    ends: list[End]
    sets: dict[str, Tokens]
    budget: int
    computing: Numerics
    resampling: Resampling
    journal: Path
    sampler: Sampler
    folder: Path
    progress: Progress

    def curved(self, settings: config.Curve, recipe: Recipe, train: Tokens) -> Other:
        """A curve, whose bends are trained first."""
        self.progress.at(f"training the {settings.name} curve, {recipe.steps} updates")
        tokens.write(train, self.folder / "train.safetensors")
        outs = [self.folder / f"bend{number}" for number in range(1, settings.bends + 1)]
        bend(
            ends=[end.folder for end in self.ends], seeds=(0, 1), examples=self.folder / "train.safetensors",
            recipe=recipe, kind=settings.kind, numerics=self.computing,
            cache=Cache(self.folder / "state", frozenset(), save_minutes=10**6), outs=outs,
        )  # fmt: skip
        first, last = self.ends
        bends = [End.read(0, out) for out in outs]
        trained = f"{recipe.steps} updates of batches of {recipe.batch_size} at {recipe.learning_rate:g}"
        heading = "on a {} curve, {:.2f} times as long as the line ({})"
        path = [first, *bends, last]
        return self._measured(
            settings.name, settings.kind, path, lambda length: heading.format(settings.name, length, trained)
        )

    def aligned(self, method: str, count: int) -> Other:
        """The line from A to B with its units in the order of A's."""
        self.progress.at(f"aligning B by its {method}")
        first, last = self.ends
        examples = self.sets[SAMPLER_SET]
        found = align(first, last, examples, count, method, 0, self.computing, self.budget)
        orders = self.folder / "orders.safetensors"
        write_orders(found.orders, orders)
        moved = ", ".join(f"{kind} {share:.0%}" for kind, share in found.moved.items())
        heading = "on the line to B aligned by its {}, {:.2f} times as long (moved: {})"
        path = [first, last.aligned(orders)]
        return self._measured(
            ALIGNED, "polychain", path, lambda length: heading.format(method, length, moved)
        )

    def _measured(self, name: str, kind: str, path: list[End], heading: Callable[[float], str]) -> Other:
        self.progress.at(f"measuring the path {name}")
        detour = Detour(kind, path, self.sets, self.budget, self.computing, self.resampling, self.journal)
        bootstrap = self.resampling.bootstraps(self.sets)[SAMPLER_SET]
        points, gaps = _measured(
            detour.curve(self.sampler, self.progress.seen), bootstrap, self.resampling.seed
        )
        return Other(name, heading(detour.relative_length()), *_reduced(points, gaps))


def _measured(
    curve: dict[float, dict[str, Record]], bootstrap: Bootstrap, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The points of a path, and its cross-fitted gaps."""
    records = {alpha: at[SAMPLER_SET] for alpha, at in curve.items()}
    points = [{"alpha": alpha, **means(at, bootstrap), "n": len(at.counts)} for alpha, at in records.items()]
    frame = pd.DataFrame(points).astype({"loss": float, "error": float})
    return frame, pd.DataFrame(cross_fitted(records, bootstrap, seed))


def _reduced(points: pd.DataFrame, gaps: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The measured points with intervals in the place of replicates, and BH and CG of the loss."""
    path = {"step": 0, "seed_a": 0, "seed_b": 1, "set": SAMPLER_SET}
    rows = connectivity.curve_metrics(points.assign(**path), config.Paths().intervals, gaps.assign(**path))
    metrics = pd.DataFrame(rows)
    loss = metrics[(metrics["quantity"] == "loss") & metrics["metric"].isin(["BH", "CG"])]
    low, high = zip(*map(percentile_interval, points["loss_replicates"]), strict=True)
    kept = points[["alpha", "loss", "error", "n"]].assign(loss_low=low, loss_high=high).dropna(axis="columns")
    columns = ["metric", "value", "low", "high", "error", "alpha", "chord_low", "chord_high"]
    columns += pair_means.CROSS_FITTED
    return kept, loss[columns].reset_index(drop=True)


def averaging_in_words(points: pd.DataFrame, skilled: bool) -> str:
    """The gains of the middle of a path, with their intervals, and whether to average its ends.

    Args:
        points: those of the path.
        skilled: whether both ends have clearly learnt their task; else there is no advice.
    """
    a, middle, b = (points[points["alpha"] == alpha].iloc[0] for alpha in (0.0, 0.5, 1.0))
    better = min(a, b, key=lambda end: end["loss"])
    said, gains = [], {}
    for over, ends in {"the mean of both": (a, b), "the better end": (better,)}.items():
        gain = np.mean([end["loss"] for end in ends]) - middle["loss"]
        replicates = np.mean([end["loss_replicates"] for end in ends], axis=0) - middle["loss_replicates"]
        gains[over] = tuple(map(float, percentile_interval(replicates)))
        said.append(f"{number(gain)} {interval(*gains[over])}".rstrip() + f" over {over}")
    (low, high), (low_better, high_better) = gains.values()
    advice = "cannot be told"
    if not skilled:
        advice = "not judged, since not both have clearly learnt their task"
    elif low_better > 0:
        advice = "yes, the mean of their weights is better than either"
    elif high < 0:
        advice = "no, the mean of their weights is worse than they are in the mean"
    elif high_better < 0:
        better = ", though better than they are in the mean" if low > 0 else ""
        advice = f"no, the mean of their weights is worse than the better of the two alone{better}"
    wrong = np.mean([a["error"], b["error"]]) - middle["error"]
    replicates = np.mean([end["error_replicates"] for end in (a, b)], axis=0) - middle["error_replicates"]
    wrong_said = f"{number(wrong)} {interval(*map(float, percentile_interval(replicates)))}".rstrip()
    return (
        f"average them? {advice}: at alpha 0.5 loss {number(middle['loss'])}, gain {', '.join(said)}; "
        f"in the error rate {wrong_said} over the mean"
    )
