"""Two checkpoints and a file of examples in, their connectivity out: the direct door, without a workflow."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isthmus import config, connectivity, data, figures, models, numerics, paths, tokens
from isthmus.bootstrap import percentile_interval
from isthmus.errors import ConfigError, MismatchedEnds
from isthmus.paths import SAMPLER_SET, End, Row


@dataclass(frozen=True)
class Connection:
    """What was measured between two checkpoints.

    Attributes:
        points: a row an alpha: `alpha, loss, error, n` and, with replicates, `loss_low, loss_high`.
        metrics: rows BH and CG of the loss: `metric, value, low, high, error, alpha, chord_low, chord_high`.
        accuracies: of the two ends.
        majority: the accuracy of always naming the most frequent class.
    """

    points: pd.DataFrame
    metrics: pd.DataFrame
    accuracies: tuple[float, float]
    majority: float

    def summary(self) -> str:
        """The numbers that are asked for first."""
        from isthmus.tables import NO_SKILL, interval, learnt, number

        rows = self.metrics.set_index("metric")
        losses = self.points["loss"].iloc[[0, -1]].tolist()
        ends = (
            f"{name}: loss {number(loss)}, accuracy {number(accuracy)}"
            for name, loss, accuracy in zip("AB", losses, self.accuracies, strict=True)
        )
        gaps = (
            f"{name} {number(rows.loc[name, 'value'])} {interval(*rows.loc[name, ['low', 'high']])}".rstrip()
            + f" at alpha {rows.loc[name, 'alpha']:.3f}, estimated error {number(rows.loc[name, 'error'])}"
            for name in ("BH", "CG")
        )
        n = self.points["n"].iloc[0]
        last = f"{len(self.points)} evaluations of {n} examples; nats, [95 % interval over examples]"
        failed = [
            name for name, own in zip("AB", self.accuracies, strict=True) if not learnt(own, self.majority)
        ]
        bar = (
            f"does not beat the majority class, which has an accuracy of {number(self.majority)}; {NO_SKILL}"
        )
        return "\n".join([*ends, *gaps, *(f"! {name} {bar}" for name in failed), last])

    def write(self, out: Path) -> list[Path]:
        """Write the curve as `<out>.csv` and `<out>.png`; returns the two paths."""
        files = [out.with_name(f"{out.name}.{ending}") for ending in ("csv", "png")]
        out.parent.mkdir(parents=True, exist_ok=True)
        self.points.to_csv(files[0], index=False)
        seeds = {"seed_a": 0, "seed_b": 1}
        gaps = self.metrics[self.metrics["metric"] == "CG"].assign(**seeds)
        figures.single_path(self.points.assign(**seeds), gaps).savefig(files[1], dpi=150)
        return files


def origin(name: str) -> config.Model:
    """Where a model comes from: a folder, or an id of the hub, with `@revision` where one is meant.

    Raises:
        ConfigError: a folder that is no model.
    """
    folder = Path(name).expanduser()
    if folder.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1:
        models.check(name, folder)
        return config.Model(folder=folder)
    hub, _, revision = name.partition("@")
    return config.Model(hub=hub, revision=revision or None)


def connect(
    names: tuple[str, str],
    columns: config.Columns,
    *,
    labels: list[str] | None = None,
    template: str | None = None,
    max_length: int = 128,
    budget: int = 1024,
    sampler: dict[str, Any] | None = None,
    bootstrap: dict[str, int] | None = None,
    settings: dict[str, Any] | None = None,
    seen: Callable[[float], Any] = lambda alpha: None,
) -> Connection:
    """Measure the path between two classifiers.

    Args:
        names: two folders or hub ids, as for `origin`.
        columns: the examples' files and columns.
        labels: the data's names of the models' classes, in their order; by default the models' own.
        template: how two texts are joined, as in `tokens.tokenize`; by default as the architecture does.
        max_length: tokens an example at most.
        budget: tokens a batch at most.
        sampler: `Paths.sampler()`.
        bootstrap: `replicates` and `seed`.
        settings: of `numerics.setup`.
        seen: told each alpha once it is measured.

    Raises:
        ConfigError: a model, the data or a label cannot be used.
        errors.MismatchedEnds: the two models do not match.
    """
    bootstrap = bootstrap or {"replicates": 1000, "seed": 0}
    computing = numerics.setup(settings or default_numerics())
    with tempfile.TemporaryDirectory() as temporary:
        copies = [_adopted(name, Path(temporary, side)) for name, side in zip(names, "ab", strict=True)]
        rows = data.labelled_rows("--data", columns, _class_names(copies, names, labels))
        examples = _read_alike(copies, names, rows, template, max_length)
        ends = [End.read(seed, copy / "checkpoint") for seed, copy in enumerate(copies)]
        journal = Path(temporary, "journal")
        row = Row(ends[1], None, {SAMPLER_SET: examples}, budget, computing, bootstrap, journal)
        measured = paths.curve(row, ends[0], sampler or config.Paths().sampler(), seen)
        points = pd.DataFrame([{"alpha": alpha, **at[SAMPLER_SET]} for alpha, at in measured.items()])
    majority = np.bincount(examples.labels).max() / len(examples)
    return _connection(points.assign(n=len(examples)), float(majority))


def default_numerics() -> dict[str, Any]:
    """The numerics of an experiment that sets none."""
    keys = ("device", "precision", "attention", "threads", "deterministic")
    return {key: config.Experiment.model_fields[key].default for key in keys}


def _adopted(name: str, folder: Path) -> Path:
    """A folder with a model's local copy, and under `checkpoint` its weights as they are measured."""
    models.fetch(origin(name), folder)
    sha256 = models.adopt(folder, name, folder / "checkpoint")
    models.write_json(folder / "checkpoint" / "checkpoint.json", {"origin": name, "sha256": sha256})
    return folder


def _class_names(copies: list[Path], names: tuple[str, str], labels: list[str] | None) -> list[str]:
    """The label of each class: as given, else the models' own, which must agree."""
    own = [models.class_names(copy) for copy in copies]
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
    return labels or own[0]


def _read_alike(
    copies: list[Path], names: tuple[str, str], rows: data.Rows, template: str | None, max_length: int
) -> tokens.Tokens:
    """The examples as both models read them."""
    groups = list(range(len(models.class_names(copies[0]))))
    first, second = (
        tokens.tokenize(
            models.open_tokenizer(copy), rows, groups, max_length, template or models.pair_template(copy)
        )
        for copy in copies
    )
    if first.digest != second.digest:
        raise MismatchedEnds(
            f"{names[0]} and {names[1]} turn the same texts into different tokens; allowed: two models with "
            "one tokenizer"
        )
    return first


def _connection(points: pd.DataFrame, majority: float) -> Connection:
    """The metrics of the measured points, their replicates replaced by intervals."""
    points = points.astype({"loss": float, "error": float})
    frame = points.assign(step=0, seed_a=0, seed_b=1, set=SAMPLER_SET)
    metrics = pd.DataFrame(connectivity.curve_metrics(frame, k=config.Paths().intervals))
    loss = metrics[(metrics["quantity"] == "loss") & metrics["metric"].isin(["BH", "CG"])]
    low, high = zip(*map(percentile_interval, points["loss_replicates"]), strict=True)
    kept = points[["alpha", "loss", "error", "n"]].assign(loss_low=low, loss_high=high).dropna(axis="columns")
    accuracies = tuple(1 - kept["error"].iloc[[0, -1]])
    columns = ["metric", "value", "low", "high", "error", "alpha", "chord_low", "chord_high"]
    return Connection(kept, loss[columns].reset_index(drop=True), accuracies, majority)
