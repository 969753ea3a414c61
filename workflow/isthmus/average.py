"""Several fine-tunings of one model and a file of examples in, one model out: the mean of their weights."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from isthmus import cross_fitting, given, hashing, stored
from isthmus.bootstrap import Bootstrap, percentile_interval
from isthmus.errors import ConfigError
from isthmus.experiment import config
from isthmus.machine import numerics
from isthmus.measuring.averaging import Averages
from isthmus.measuring.ends import End
from isthmus.measuring.known import SAMPLER_SET
from isthmus.measuring.rows import Resampling, ratios
from isthmus.models import architectures, hf_folders, weight_files
from isthmus.showing.formatting import NO_SKILL, interval, number
from isthmus.space import geometries, soups
from isthmus.space.soups import Members
from isthmus.statistics import connectivity
from isthmus.statistics.thresholds import learnt
from isthmus.tasks.record import Record

CARD = "README.md"


@dataclass(frozen=True)
class Averaged:
    """What averaging some models brought.

    Attributes:
        names: the models.
        members: the places in `names` of those that are averaged.
        records: what was measured, by name: each model, the average, and what it is compared with.
        gain: how much lower the average's loss is than its members' mean, with its interval over examples.
        over_best: the same over the best of the members.
        unskilled: the models, and the average, that are not clearly above the majority class.
        chosen: whether these examples chose the members.
        notes: what a reader of the numbers must know besides.
    """

    names: Sequence[str]
    members: Members
    records: dict[str, Record]
    gain: tuple[float, float, float]
    over_best: tuple[float, float, float]
    unskilled: list[str] = field(default_factory=list)
    chosen: bool = False
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """A line a record, and the gain."""
        language = any((record.counts != 1).any() for record in self.records.values())
        units = "blocks" if language else "examples"
        scored = [
            f"{name}: loss {number(record.loss)}, {'token ' * language}accuracy {number(1 - record.error)}"
            for name, record in self.records.items()
        ]
        gains = {"the mean of its members": self.gain, "the best of them": self.over_best}
        said = ", ".join(
            f"{number(value)} {interval(low, high)}".rstrip() + f" over {over}"
            for over, (value, low, high) in gains.items()
        )
        gained = f"gain {said}; nats, [95 % interval over {units}]"
        gained += f", on the {units} that chose them" * self.chosen
        if len(self.members) == 1:
            gained = f"no average is better: this is {self.names[self.members[0]]}"
        bar = "the commonest token" if language else "the majority class"
        warnings = [f"! {name} is not clearly above {bar}; {NO_SKILL}" for name in self.unskilled]
        return [*scored, gained, *warnings, *self.notes]

    def card(self, data: Path) -> str:
        """The model card: what it is made of and what it scored."""
        used = "\n".join(f"- {self.names[place]}" for place in self.members)
        scored = "\n".join(f"- {line}" for line in self.lines())
        count = len(self.members)
        title = f"The mean of {count} models" if count > 1 else "One model"
        return (
            f"# {title}\n\nThe mean of the weights of\n\n{used}\n\n"
            f"made by `isthmus average`. On the examples of `{data.name}`:\n\n{scored}\n"
        )


def _check_out(out: Path) -> None:
    """Raise a ConfigError where the average's folder is there already, or cannot be made."""
    allowed = "a folder that is not there yet, such as results/average"
    if out.exists():
        raise ConfigError(f"--out: found {out}, which is there already; allowed: {allowed}")
    tried = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True)
        for folder in tried:
            folder.rmdir()
    except OSError as error:
        raise ConfigError(
            f"--out: found {out}, which cannot be made ({error.strerror}); allowed: {allowed}"
        ) from error


def average(
    names: Sequence[str],
    columns: config.Columns,
    out: Path,
    *,
    greedy: bool = False,
    labels: list[str] | None = None,
    template: str | None = None,
    max_length: int = 128,
    base: str | None = None,
    budget: int = 1024,
    resampling: Resampling | None = None,
    settings: dict[str, Any] | None = None,
) -> Averaged:
    """Write the mean of some models as a checkpoint folder, with a card of what it scored.

    Args:
        names: two or more folders or hub ids, as for `given.origin`.
        columns: the examples' files and columns; a data set's where they are running text.
        out: the folder to make, in Hugging Face's layout.
        greedy: whether to keep only those models that make the average better on the examples. Its card
            then has the score of choices that other examples made, too.
        labels, template, max_length, base, budget, resampling, settings: as of `connect.connect`.

    Raises:
        ConfigError: a model, the data, a label or the folder cannot be used.
        errors.MismatchedEnds: two models do not match.
    """
    resampling = resampling or Resampling(replicates=1000, seed=0)
    computing = numerics.setup(settings or given.default_numerics())
    _check_out(out)
    with tempfile.TemporaryDirectory() as temporary:
        reading = given.Reading(columns, labels, template, max_length, base)
        copies, examples, notes = given.read(names, Path(temporary), reading)
        ends = [End.read(place, copy / "checkpoint") for place, copy in enumerate(copies)]
        sets = {SAMPLER_SET: examples}
        _check(ends, names, len(examples), greedy)
        averages = Averages(ends, sets, budget, computing, Path(temporary, "journal"), names)
        members = _chosen(averages) if greedy else tuple(averages.seeds)
        records = _records(averages, names, members, resampling.seed if greedy else None)
        bootstrap = Bootstrap(len(examples), resampling.replicates, resampling.seed)
        alone = [averages.soup(SAMPLER_SET, (place,)) for place in members]
        best = min(alone, key=lambda record: record.loss)
        gains = (_gain(averages, members, bootstrap, these) for these in (alone, [best]))
        averaged = Averaged(
            names, members, records, *gains, _unskilled(averages, names, members), greedy, notes
        )
        _write(averages, copies[0], averaged, columns.source.paths[0], out)
    return averaged


def _check(ends: Sequence[End], names: Sequence[str], examples: int, greedy: bool) -> None:
    """Raise a ConfigError where a model is named twice, or there is nothing to choose by."""
    known: dict[str, str] = {}
    for end, name in zip(ends, names, strict=True):
        if (other := known.setdefault(end.sha256, name)) is not name:
            raise ConfigError(
                f"found {other} and {name}, which have the same weights; allowed: different models"
            )
    if greedy and examples < 2:
        raise ConfigError(f"--greedy: found {examples} example; allowed: two or more, which are halved")


def _chosen(averages: Averages) -> Members:
    """The greedy soup of all examples."""
    return soups.greedy(averages.seeds, lambda soup: -averages.soup(SAMPLER_SET, soup).error)


def _records(
    averages: Averages, names: Sequence[str], members: Members, seed: int | None
) -> dict[str, Record]:
    """What is told of: each model, the average, the ensemble, and with a `seed` greedy choices of halves."""
    found = {name: averages.soup(SAMPLER_SET, (place,)) for place, name in enumerate(names)}
    found[f"average of {len(members)}"] = averages.soup(SAMPLER_SET, members)
    if seed is not None:
        halves = cross_fitting.halves(len(averages.sets[SAMPLER_SET]), seed, 1)[0]
        both = averages.chosen(soups.greedy, halves)
        found["greedy averages, chosen by the other half of the examples"] = averages.judged(
            SAMPLER_SET, both, halves
        )
    if len(members) > 1:
        found[f"ensemble of {len(members)} (the mean of probabilities)"] = averages.ensemble(
            SAMPLER_SET, members
        )
    return found


def _unskilled(averages: Averages, names: Sequence[str], members: Members) -> list[str]:
    """The models, and the average, whose accuracy is not clearly above that of the commonest answer."""
    found = {name: (place,) for place, name in enumerate(names)} | {f"average of {len(members)}": members}
    scores = {name: connectivity.scores(averages.scored(SAMPLER_SET, these)) for name, these in found.items()}
    return [name for name, own in scores.items() if not learnt(own["accuracy_low"], own["majority"])]


def _gain(
    averages: Averages, members: Members, bootstrap: Bootstrap, others: Sequence[Record]
) -> tuple[float, float, float]:
    """The gain in loss of an average over the mean of others, and its interval."""
    alone = np.mean([record.losses for record in others], axis=0)
    soup = averages.soup(SAMPLER_SET, members)
    gains = alone - soup.losses
    low, high = percentile_interval(ratios(bootstrap, gains, soup.counts))
    return float(gains.sum() / soup.counts.sum()), float(low), float(high)


def _write(averages: Averages, copy: Path, averaged: Averaged, data: Path, out: Path) -> None:
    """The checkpoint folder: weights, configuration, tokenizer, record and card; whole, or not there."""
    point = geometries.mean([averages.ends[place].anchor for place in averaged.members])
    model = averages.engine.live.move(point, averages.weights)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as temporary:
        folder = Path(temporary, "average")
        shutil.copytree(
            copy,
            folder,
            ignore=shutil.ignore_patterns(
                "checkpoint", "base", "adapter", hf_folders.WEIGHTS, CARD, "model.json"
            ),
        )
        shutil.copy(copy / "checkpoint" / "config.json", folder / "config.json")
        weight_files.save(weight_files.distinct(model), folder / hf_folders.WEIGHTS)
        sha256 = hashing.of_file(folder / hf_folders.WEIGHTS)
        used = [averaged.names[place] for place in averaged.members]
        record = {"average_of": used, "sha256": sha256, **architectures.described(folder)}
        hf_folders.write_record(folder / architectures.RECORD, record)
        stored.write_text(folder / CARD, averaged.card(data))
        folder.rename(out)
