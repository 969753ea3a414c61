"""Two checkpoints and a file of examples in, their connectivity out: the direct door, without a workflow."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from isthmus import stored
from isthmus.bootstrap import percentile_interval
from isthmus.data import labelled, tokens
from isthmus.data.rows import Rows
from isthmus.errors import ConfigError, MismatchedEnds
from isthmus.experiment import config, data_files, folders, parameters, wording
from isthmus.experiment.labels import check_names
from isthmus.machine import numerics
from isthmus.measuring.ends import End, check_same_architecture
from isthmus.measuring.paths import SAMPLER_SET, MeasuredPath
from isthmus.measuring.rows import Resampling, Row
from isthmus.models import architectures, class_labels, classifiers, hf_folders, origins, tokenizing
from isthmus.showing import path_figures
from isthmus.showing.formatting import NO_SKILL, interval, number
from isthmus.space import sampling
from isthmus.space.sampling import Sampler
from isthmus.statistics import connectivity, pair_means
from isthmus.statistics.thresholds import accuracy_interval, learnt


@dataclass(frozen=True)
class Connection:
    """What was measured between two checkpoints.

    Attributes:
        points: a row an alpha: `alpha, loss, error, n` and, with replicates, `loss_low, loss_high`.
        metrics: rows BH and CG of the loss: `metric, value, low, high, error, alpha, chord_low, chord_high,
            cross_fitted, cross_fitted_low, cross_fitted_high`.
        accuracies: of the two ends.
        majority: the accuracy of always naming the most frequent class.
        notes: what a reader of the numbers must know besides.
    """

    points: pd.DataFrame
    metrics: pd.DataFrame
    accuracies: tuple[float, float]
    majority: float
    notes: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """The numbers that are asked for first."""
        rows = self.metrics.set_index("metric")
        losses = self.points["loss"].iloc[[0, -1]].tolist()
        ends = (
            f"{name}: loss {number(loss)}, accuracy {number(accuracy)}"
            for name, loss, accuracy in zip("AB", losses, self.accuracies, strict=True)
        )
        gaps = (
            f"{name} {number(rows.loc[name, 'value'])} {interval(*rows.loc[name, ['low', 'high']])}".rstrip()
            + f" at alpha {rows.loc[name, 'alpha']:.3f}, estimated error {number(rows.loc[name, 'error'])}"
            + f"; cross-fitted {' '.join(self._cross_fitted(name))}".rstrip()
            for name in ("BH", "CG")
        )
        n = self.points["n"].iloc[0]
        last = f"{len(self.points)} evaluations of {n} examples; nats, [95 % interval over examples]"
        lowest = [accuracy_interval(own, n)[0] for own in self.accuracies]
        failed = [name for name, low in zip("AB", lowest, strict=True) if not learnt(low, self.majority)]
        bar = (
            f"is not clearly above the majority class, which has an accuracy of {number(self.majority)}; "
            f"{NO_SKILL}"
        )
        return "\n".join([*ends, *gaps, *(f"! {name} {bar}" for name in failed), last, *self.notes])

    def _cross_fitted(self, name: str) -> tuple[str, str]:
        value, *ends = self.metrics.set_index("metric").loc[name, pair_means.CROSS_FITTED]
        return number(value), interval(*ends)

    def write(self, out: Path) -> list[Path]:
        """Write the curve as `<out>.csv` and `<out>.png`; returns the two paths."""
        files = curve_files(out)
        self.points.to_csv(files[0], index=False)
        seeds = {"seed_a": 0, "seed_b": 1}
        gaps = self.metrics[self.metrics["metric"] == "CG"].assign(**seeds)
        path_figures.single_path(self.points.assign(**seeds), gaps).savefig(files[1], dpi=150)
        return files


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


def origin(side: str, name: str) -> config.Checkpoint:
    """Where a model comes from: a folder, or an id of the hub, with `@revision` where one is meant.

    Args:
        side: `A` or `B`, for messages.
        name: as the user gave it.

    Raises:
        ConfigError: a folder that is no model, or a name that can be neither.
    """
    folder = Path(name).expanduser()
    if folder.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1:
        folders.check(side, folder)
        return config.Checkpoint(folder=folder)
    hub, _, revision = name.partition("@")
    try:
        return config.Checkpoint(hub=hub, revision=revision or None)
    except ValidationError as error:
        said = "; ".join(wording.messages(error, config.Checkpoint))
        raise ConfigError(f"{side}: found no folder {name}, and no id of the hub can be so: {said}") from None


def connect(
    names: tuple[str, str],
    columns: config.Columns,
    *,
    labels: list[str] | None = None,
    template: str | None = None,
    max_length: int = 128,
    budget: int = 1024,
    sampler: Sampler | None = None,
    resampling: Resampling | None = None,
    settings: dict[str, Any] | None = None,
    seen: Callable[[float], Any] = lambda alpha: None,
) -> Connection:
    """Measure the path between two classifiers.

    Args:
        names: two folders or hub ids, as for `origin`.
        columns: the examples' files and columns.
        labels: the data's names of the models' classes, in their order; by default the models' own.
        template: how two texts are joined, as in `tokens.tokenize`; by default as the architecture does.
        max_length, budget: tokens an example, and tokens a batch, at most.
        sampler, resampling, settings: how to measure; `settings` are those of `numerics.setup`.
        seen: told each alpha once it is measured.

    Raises:
        ConfigError: a model, the data or a label cannot be used.
        errors.MismatchedEnds: the two models do not match.
    """
    resampling = resampling or Resampling(replicates=1000, seed=0)
    computing = numerics.setup(settings or default_numerics())
    data_files.check("--data", columns)
    _check_template(template, columns)
    with tempfile.TemporaryDirectory() as temporary:
        copies = _copies(names, Path(temporary))
        examples, notes = _examples(copies, names, columns, labels, template, max_length)
        ends = [End.read(seed, copy / "checkpoint") for seed, copy in enumerate(copies)]
        check_same_architecture(*ends, names)
        sets, journal = {SAMPLER_SET: examples}, Path(temporary, "journal")
        row = Row(ends[1], None, sets, budget, computing, resampling, journal)
        curve = MeasuredPath(row, ends[0]).curve(sampler or sampling.sampler(config.Paths().sampler()), seen)
        curve = {alpha: at[SAMPLER_SET] for alpha, at in curve.items()}
        points = pd.DataFrame([{"alpha": alpha, **row.means(SAMPLER_SET, at)} for alpha, at in curve.items()])
        gaps = pd.DataFrame(row.cross_fitted(SAMPLER_SET, curve))
    if ends[0].sha256 == ends[1].sha256:
        notes.append("A and B have the same weights: a gap of 0 by construction")
    notes.append("two models: nothing is said of other seeds")
    return _connection(points.assign(n=len(examples)), gaps, examples.labels, notes)


def _copies(names: tuple[str, str], folder: Path) -> list[Path]:
    """Local copies of the two models, adopted as checkpoints."""
    origins = [origin(side, name) for side, name in zip("AB", names, strict=True)]
    return [
        _adopted(name, found, folder / side) for name, found, side in zip(names, origins, "AB", strict=True)
    ]


def _examples(
    copies: list[Path],
    names: tuple[str, str],
    columns: config.Columns,
    labels: list[str] | None,
    template: str | None,
    max_length: int,
) -> tuple[tokens.Tokens, list[str]]:
    """The examples as both models read them, and what a reader of the numbers must know of them."""
    classes = _class_names(copies, names, labels)
    rows, counts = _labelled_rows(columns, classes, named=labels is not None)
    examples = _read_alike(copies, names, rows, template, max_length)
    notes, own = [], class_labels.class_names(copies[0])
    renamed = [(mine, name) for mine, name in zip(own, classes, strict=True) if mine != name]
    if named := ", ".join(f"{mine!r} is the data's {name!r}" for mine, name in renamed):
        notes.append(f"the models' class {named}")
    dropped = counts["unlabelled_dropped"], counts["empty_dropped"]
    if any(dropped):
        notes.append("left out: {} rows without a label, {} without a text".format(*dropped))
    if examples.truncated:
        notes.append(f"{examples.truncated} examples are longer than {max_length} tokens and were truncated")
    return examples, notes


def default_numerics() -> dict[str, Any]:
    """The numerics of an experiment that sets none."""
    return {name: config.Experiment.model_fields[name].default for name in parameters.NUMERICS}


def _check_template(template: str | None, columns: config.Columns) -> None:
    """Raise a ConfigError where a template would be ignored, since there is one text only."""
    if template is not None and len(columns.text or []) == 1:
        raise ConfigError(
            f"--pair-template: found {template!r} for one text, {columns.text[0]!r}; "
            "allowed: with two columns of --text"
        )


def _adopted(name: str, found: config.Checkpoint, folder: Path) -> Path:
    """A folder with a model's local copy, and under `checkpoint` its weights as they are measured."""
    try:
        origins.fetch(found, folder)
    except ConfigError as error:
        if not found.hub or "could not be fetched" not in str(error):
            raise
        raise ConfigError(f"{error}. There is no folder {name} either") from error
    sha256 = classifiers.adopt(folder, name, folder / "checkpoint")
    described = architectures.described(folder / "checkpoint")
    hf_folders.write_record(
        folder / "checkpoint" / architectures.RECORD, {"origin": name, "sha256": sha256, **described}
    )
    return folder


def _class_names(copies: list[Path], names: tuple[str, str], labels: list[str] | None) -> list[str]:
    """The label of each class: as given, else the models' own, which must agree."""
    own = [class_labels.class_names(copy) for copy in copies]
    if labels is not None and {len(labels)} != {len(classes) for classes in own}:
        raise ConfigError(
            f"--labels: found {len(labels)} names; allowed: one for each class of {names[0]}, "
            f"which are {len(own[0])}, and of {names[1]}, which are {len(own[1])}"
        )
    if labels is None and own[0] != own[1]:
        raise ConfigError(
            f"the classes of {names[0]} are {own[0]}, those of {names[1]} {own[1]}; allowed: the same "
            "names in one order, or --labels, which names the classes of both"
        )
    for name, classes in zip(names, own, strict=True):
        check_names("--labels", name, classes, labels or classes)
    return labels or own[0]


def _labelled_rows(columns: config.Columns, classes: list[str], named: bool) -> tuple[Rows, dict[str, int]]:
    """The examples; numbers are positions only where the caller has not `named` the data's labels."""
    hint = "; or any names, where --labels gives them in the order of the models' classes"
    if named:
        hint = "; or numbers from 0 without --labels, where they are the models' own"
    return labelled.read_known("--data", columns, classes, numbered=not named, hint=hint)


def _read_alike(
    copies: list[Path], names: tuple[str, str], rows: Rows, template: str | None, max_length: int
) -> tokens.Tokens:
    """The examples as both models read them."""
    groups = list(range(len(class_labels.class_names(copies[0]))))
    first, second = (
        tokens.tokenize(
            tokenizing.open_tokenizer(copy),
            rows,
            groups,
            max_length,
            template or tokenizing.pair_template(copy),
        )
        for copy in copies
    )
    if first.digest != second.digest:
        raise MismatchedEnds(
            f"{names[0]} and {names[1]} turn the same texts into different tokens; allowed: two models with "
            "one tokenizer"
        )
    limit = folders.positions(stored.read_json(copies[0] / "config.json"))
    if limit is not None and first.lengths.max() > limit:
        folders.check_max_length("--max-length", max_length, names[0], limit)
    return first


def _connection(points: pd.DataFrame, gaps: pd.DataFrame, labels: np.ndarray, notes: list[str]) -> Connection:
    """The metrics of the measured points, their replicates replaced by intervals."""
    majority = float(np.bincount(labels).max() / len(labels))
    points = points.astype({"loss": float, "error": float})
    path = {"step": 0, "seed_a": 0, "seed_b": 1, "set": SAMPLER_SET}
    rows = connectivity.curve_metrics(points.assign(**path), config.Paths().intervals, gaps.assign(**path))
    metrics = pd.DataFrame(rows)
    loss = metrics[(metrics["quantity"] == "loss") & metrics["metric"].isin(["BH", "CG"])]
    low, high = zip(*map(percentile_interval, points["loss_replicates"]), strict=True)
    kept = points[["alpha", "loss", "error", "n"]].assign(loss_low=low, loss_high=high).dropna(axis="columns")
    accuracies = tuple(1 - kept["error"].iloc[[0, -1]])
    columns = ["metric", "value", "low", "high", "error", "alpha", "chord_low", "chord_high"]
    columns += pair_means.CROSS_FITTED
    return Connection(kept, loss[columns].reset_index(drop=True), accuracies, majority, notes)
