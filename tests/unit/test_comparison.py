"""Two experiments with planted units: differences agree with plain resampling; refusals; the page's words."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from isthmus import stored
from isthmus.bootstrap import Bootstrap
from isthmus.errors import ConfigError, Damaged
from isthmus.experiment import layout, outputs
from isthmus.showing import comparison as pages
from isthmus.statistics import barriers, comparison, connectivity, pair_means
from scipy import stats

UNITS, REPLICATES = 40, 60
CELL = {"model": "m", "dataset": "d"}
GAP = comparison.Key("line", None, "whole", None, 100, "test", "loss", "CG", None)
ACCURACY = pages.accuracy_key(100)
EMPTY = pd.DataFrame(columns=barriers.COLUMNS)


class Planted:
    """An experiment whose gaps are means over units, so that their replicates can be had by resampling.

    Args:
        seeds: of the runs; all pairs are measured.
        shift: what is added to each unit's gap at step 100.
        noise: the seed of the units' own part.
        losses: the seed of the units themselves, which both experiments share.
        right: the share of right predictions.
    """

    def __init__(
        self, folder: Path, seeds=(1, 2, 3), shift=0.0, noise=1, losses=0, right=0.8, replicates=REPLICATES,
        resampled=0, ids="same", labels=("no", "yes"), task="classification", cells=(("m", "d"),),
        steps=(0, 100), settings=None, name="planted", detour=False, adapted=(), tokens="same",
    ):  # fmt: skip
        self.folder, self.seeds, self.right = folder, seeds, right
        self.bootstrap = Bootstrap(UNITS, replicates, resampled)
        self.units = np.random.default_rng(losses).normal(0.3, 0.2, UNITS)
        self.noise, self.shift = np.random.default_rng(noise), shift
        folder.mkdir(parents=True)
        self.gaps, self.hits, inputs = {}, {}, {name: [] for name in ("means", "barriers", "evaluations")}
        for model, dataset in cells:
            self.language = task != "classification"
            for step in steps:
                inputs["evaluations"] += [self.evaluation(model, dataset, seed, step) for seed in seeds]
            inputs["means"].append(self.means(model, dataset, steps, model in adapted))
            inputs["barriers"].append(self.barriers(model, dataset, detour))
            self.data(model, dataset, ids, labels, tokens)
        files = {key: str(folder / f"{key}.csv") for key in (*inputs, "differences")}
        inputs = {key: list(map(str, paths)) for key, paths in inputs.items()}
        connectivity.collect(name, {model: 0 for model, _ in cells}, inputs, files, adapted=adapted)
        evaluating = {"evaluation": {"replicates": replicates, "seed": resampled}}
        asked = evaluating | {"datasets": {dataset: {"task": task} for _, dataset in cells}}
        self.write(experiment=name, settings=asked | (settings or {}))

    def write(self, **changes):
        record = {"partial": False, "origins": {"versions": {"torch": ["2.9.0"]}}}
        record |= {"files": stored.listed(self.folder)} | changes
        stored.write_json(self.folder / layout.PROVENANCE, record)
        self.record = record

    def path(self, template, **names):
        path = self.folder / layout.filled(template, **names)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def evaluation(self, model, dataset, seed, step):
        generator = np.random.default_rng([seed, step, round(100 * self.right)])
        losses = np.abs(self.units + generator.normal(0, 0.1, UNITS))
        hit = generator.permutation(np.arange(UNITS) < round(self.right * UNITS))
        counts = np.arange(UNITS) % 5 + 3
        frame = pd.DataFrame({"set": "test", "id": np.arange(UNITS), "loss": losses})
        if self.language:
            self.hits[seed, step] = hit * counts, counts
            frame = frame.assign(errors=counts - hit * counts, count=counts, common=1, loss=losses * counts)
        else:
            self.hits[seed, step] = hit.astype(int), np.ones(UNITS)
            label = np.arange(UNITS) % 2
            frame = frame.assign(prediction=np.where(hit, label, 1 - label), label=label, classes=2)
        path = self.path(layout.EVALUATION, model=model, dataset=dataset, seed=seed, step=step)
        stored.write_frame(path, frame)
        return path

    def pair(self, step, metric="CG"):
        """Each unit's part of the gap of a pair of runs."""
        own = self.noise.normal(0, 0.02, UNITS) + self.noise.normal(0, 0.05)
        return self.units * step / 100 + own + (self.shift if step else 0)

    def means(self, model, dataset, steps, adapted):
        rows = []
        for space in (None, "factors") if adapted else (None,):
            for step in steps:
                over = pair_means.OverPairs()
                for pair in combinations(self.seeds, 2):
                    units = self.pair(step)
                    self.gaps[model, space or "whole", step, pair] = units
                    over.add(pair, units.mean(), self.drawn(units), pair_means.UNKNOWN)
                keys = [None, step, "test", "loss", "CG", None]
                rows.append(
                    dict(zip(pair_means.MEAN_KEYS, keys, strict=True)) | over.row() | {"space": space}
                )
        frame = pair_means.frame_of(rows, [*pair_means.MEAN_COLUMNS, *(["space"] if adapted else [])])
        stored.write_frame(self.path(layout.MEANS, model=model, dataset=dataset), frame)
        return self.path(layout.MEANS, model=model, dataset=dataset)

    def barriers(self, model, dataset, detour):
        rows = []
        for of in (barriers.LINE, barriers.PATH, barriers.CHANGE) if detour else ():
            over = pair_means.OverPairs()
            for pair in combinations(self.seeds, 2):
                units = self.pair(100)
                self.gaps[model, of, 100, pair] = units
                over.add(pair, units.mean(), self.drawn(units), pair_means.UNKNOWN)
            keys = {"path": "bezier", "of": of, "bodies": "same", "step": 100, "set": "test"}
            rows.append(keys | {"quantity": "loss", "metric": "CG"} | over.row())
        path = self.path(layout.CELL_BARRIERS, model=model, dataset=dataset)
        stored.write_frame(path, pair_means.frame_of(rows, barriers.COLUMNS))
        return path

    def data(self, model, dataset, ids, labels, tokens):
        parts = {part: {"ids_sha256": f"{ids} {part}"} for part in ("train", "test")}
        stored.write_json(self.path(layout.SUBSET, dataset=dataset), {"labels": list(labels)} | parts)
        names = {"model": model, "dataset": dataset, "set": "test"}
        self.path(layout.TOKENS, **names).write_text(tokens)

    def drawn(self, units, counts=None):
        """Its mean in each replicate, unit by unit."""
        found = [
            np.repeat(units, own).sum() / np.repeat(np.ones(UNITS) if counts is None else counts, own).sum()
            for own in self.bootstrap.counts
        ]
        return np.array(found)

    def mean(self, place="whole", model="m"):
        """The gap of each pair at step 100, and the replicates of their mean."""
        own = [units for (m, p, step, _), units in self.gaps.items() if (m, p, step) == (model, place, 100)]
        return np.array([units.mean() for units in own]), self.drawn(np.mean(own, axis=0))


def compared(a, b):
    return comparison.compare(comparison.read(a.folder), comparison.read(b.folder))


def row_of(frame, key, **names):
    for column, value in (names | key._asdict()).items():
        frame = frame[frame[column].isna() if value is None else frame[column] == value]
    (row,) = frame.to_dict("records")
    return row


def one(a, b, key=GAP):
    return row_of(comparison.frame(compared(a, b)), key)


def half(variance, degrees):
    return stats.t.ppf(0.975, degrees) * np.sqrt(variance)


def jackknife(pairs, values):
    """The variance over seeds of a mean over pairs, by leaving out each."""
    seeds = sorted({seed for pair in pairs for seed in pair})
    left = [np.mean([v for p, v in zip(pairs, values, strict=True) if seed not in p]) for seed in seeds]
    return (len(seeds) - 1) / len(seeds) * sum((x - np.mean(left)) ** 2 for x in left)


def test_differences_are_paired_by_examples_and_by_seeds(tmp_path):
    a, b = Planted(tmp_path / "a"), Planted(tmp_path / "b", shift=-0.1, noise=2)
    (first, drawn_a), (second, drawn_b) = a.mean(), b.mean()
    found, samples = one(a, b), drawn_b - drawn_a
    assert (found["value_a"], found["value_b"]) == pytest.approx((first.mean(), second.mean()))
    assert found["value"] == pytest.approx(second.mean() - first.mean())
    assert found["value"] < -0.05
    low, high = np.quantile(samples, [0.025, 0.975])
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=1e-6)
    over_seeds = jackknife([(1, 2), (1, 3), (2, 3)], second - first)
    assert found["high_seeds"] - found["value"] == pytest.approx(half(over_seeds, 2))
    both = half(over_seeds + samples.var(ddof=1), 2)
    assert found["high_both"] - found["value"] == pytest.approx(both, rel=1e-5)
    assert (found["paired"], found["untested"], found["seeds"]) == ("examples and seeds", "", 3)


@pytest.mark.parametrize(
    "change",
    [{"ids": "other"}, {"resampled": 1}, {"losses": 9, "ids": "other"}],
    ids=["data", "drawn", "units"],
)
def test_other_examples_are_not_paired(tmp_path, change):
    """What is shared by the units of one set would cancel; between two sets it must not."""
    a, b = Planted(tmp_path / "a"), Planted(tmp_path / "b", noise=2, **change)
    (_, drawn_a), (_, drawn_b) = a.mean(), b.mean()
    found = one(a, b)
    low, high = np.quantile(np.roll(drawn_b, 1) - drawn_a, [0.025, 0.975])
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=1e-6)
    assert found["paired"] == "seeds"
    independent = 2 * 1.96 * np.sqrt(drawn_a.var() + drawn_b.var())
    assert found["high"] - found["low"] == pytest.approx(independent, rel=0.35)
    paired = one(Planted(tmp_path / "c"), Planted(tmp_path / "d", noise=2))
    assert found["high"] - found["low"] > 3 * (paired["high"] - paired["low"])


def test_other_seeds_are_independent_groups(tmp_path):
    a, b = Planted(tmp_path / "a"), Planted(tmp_path / "b", seeds=(4, 5, 6, 7), noise=2)
    (first, _), (second, _) = a.mean(), b.mean()
    found = one(a, b)
    parts = [
        (jackknife(list(combinations(own.seeds, 2)), values), len(own.seeds) - 1)
        for own, values in ((a, first), (b, second))
    ]
    total = sum(variance for variance, _ in parts)
    degrees = total**2 / sum(variance**2 / own for variance, own in parts)
    assert found["high_seeds"] - found["value"] == pytest.approx(half(total, degrees))
    assert (found["paired"], found["untested"]) == ("examples", "")


def test_seeds_of_which_some_are_in_both_say_nothing_of_seeds(tmp_path):
    found = one(Planted(tmp_path / "a"), Planted(tmp_path / "b", seeds=(1, 2, 3, 4)))
    assert found["untested"] == "what is compared has some of its seeds in common, and not all"
    assert np.isnan([found["low_seeds"], found["high_both"]]).all()
    assert found["low"] < found["value"] < found["high"]


def test_more_replicates_in_one_are_cut_to_those_of_the_other(tmp_path):
    a, b = Planted(tmp_path / "a"), Planted(tmp_path / "b", noise=2, replicates=90)
    (_, drawn_a), (_, drawn_b) = a.mean(), b.mean()
    low, high = np.quantile(drawn_b[:REPLICATES] - drawn_a, [0.025, 0.975])
    found = one(a, b)
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=1e-6)
    assert found["paired"] == "examples and seeds"
    without = one(a, Planted(tmp_path / "c", replicates=0))
    assert np.isnan(without["low"])
    assert np.isfinite(without["low_seeds"])


@pytest.mark.parametrize("task", ["classification", "causal_lm"])
def test_the_accuracy_of_the_runs_stands_beside(tmp_path, task):
    a, b = Planted(tmp_path / "a", task=task), Planted(tmp_path / "b", right=0.6, task=task)
    found, values, drawn = one(a, b, ACCURACY), [], []
    for own in (a, b):
        hits = [own.hits[seed, 100] for seed in own.seeds]
        values.append(np.array([hit.sum() / counts.sum() for hit, counts in hits]))
        drawn.append(np.mean([own.drawn(hit, counts) for hit, counts in hits], axis=0))
    assert found["value_a"] == pytest.approx(values[0].mean())
    assert found["value"] == pytest.approx((values[1] - values[0]).mean())
    low, high = np.quantile(drawn[1] - drawn[0], [0.025, 0.975])
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=1e-6)
    apart = values[1] - values[0]
    assert found["high_seeds"] - found["value"] == pytest.approx(half(apart.var(ddof=1) / 3, 2))
    assert found["paired"] == "examples and seeds"


def test_blocks_of_other_tokens_are_other_examples(tmp_path):
    a, b = (
        Planted(tmp_path / "a", task="causal_lm"),
        Planted(tmp_path / "b", task="causal_lm", tokens="other"),
    )
    assert one(a, b)["paired"] == "seeds"


def test_two_models_compare_alike_within_an_experiment_and_between_two(tmp_path):
    """`differences.csv` of one experiment, and the same two cells in experiments of their own."""
    both = Planted(tmp_path / "both", cells=(("m", "d"), ("n", "d")))
    frame = pd.read_csv(both.folder / "differences.csv")
    within = frame[frame["step"] == 100].iloc[0]
    a, b = Planted(tmp_path / "a"), Planted(tmp_path / "b")
    for own, model in ((a, "m"), (b, "n")):  # the same cell under one name
        source = both.folder / layout.filled(layout.MEANS, model=model, dataset="d")
        target = own.folder / layout.filled(layout.MEANS, **CELL)
        stored.write_frame(target, stored.read_frame(source))
        files = {name: str(own.folder / f"{name}.csv") for name in ("means", "differences")}
        connectivity.collect("planted", {"m": 0}, {"means": [str(target)]}, files)
        own.write(**own.record | {"files": stored.listed(own.folder)})
    between = one(a, b)
    columns = ["value", "low", "high", "low_seeds", "high_seeds", "low_both", "high_both"]
    assert [between[c] for c in columns] == pytest.approx(within[columns].tolist())


def test_other_paths_and_spaces_are_kept_apart(tmp_path):
    a = Planted(tmp_path / "a", detour=True, adapted=["m"])
    b = Planted(tmp_path / "b", detour=True, adapted=["m"], noise=2)
    frame = comparison.frame(compared(a, b))
    for place, key in {
        "whole": GAP._replace(space="merged"),
        "factors": GAP._replace(space="factors"),
        barriers.PATH: GAP._replace(space="merged", path="bezier", bodies="same"),
    }.items():
        found = row_of(frame, key)
        assert found["value"] == pytest.approx(b.mean(place)[0].mean() - a.mean(place)[0].mean()), place
    assert not frame.duplicated(["model", "dataset", *comparison.KEYS]).any()
    metrics = [pages._metric(key) for key in compared(a, b)[0].keys]
    assert set(metrics) == {"CG", "CG, factors", "CG, bezier, same", "runs"}


# ---------------------------------------------------------------------------------------------- refusals


def refused(a, b, kind=ConfigError):
    with pytest.raises(kind) as caught:
        compared(a, b)
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.fixture
def two(tmp_path):
    return Planted(tmp_path / "a"), Planted(tmp_path / "b")


def test_a_folder_that_is_no_results_is_refused(two, tmp_path):
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(ConfigError, match=f"^{re.escape(str(folder))}: found no SHA256SUMS; allowed: "):
            comparison.read(folder)


def test_results_without_their_settings_are_refused_with_the_way_out(two):
    (two[1].folder / "provenance.json").unlink()
    assert "b/provenance.json: missing" in (said := refused(*two))
    assert "`make report`" in said


def test_cells_that_are_not_shared_are_named(two, tmp_path):
    other = Planted(tmp_path / "c", cells=(("n", "d"), ("m", "e")))
    said = refused(two[0], other)
    assert f"{two[0].folder} has m on d; {other.folder} has n on d, m on e" in said


def test_steps_that_are_not_shared_are_named(two, tmp_path):
    said = refused(two[0], Planted(tmp_path / "c", steps=(50, 150)))
    assert "but steps 0 (whole), 100 (whole) and steps 50 (whole), 150 (whole); allowed: one or more" in said
    said = refused(two[0], Planted(tmp_path / "d", adapted=["m"]))
    assert "and steps 0 (factors), 0 (merged)" in said


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"labels": ["a", "b", "c"]}, "data set d: found number of classes 2 in"),
        ({"task": "causal_lm"}, "data set d: found task classification in"),
    ],
)
def test_tasks_that_cannot_be_compared_are_refused(two, tmp_path, change, found):
    assert found in refused(two[0], Planted(tmp_path / "c", **change))


def test_a_csv_file_that_was_changed_is_refused(two):
    path = two[0].folder / "means.csv"
    path.write_text(path.read_text().replace("planted", "plantad", 1))
    assert "means.csv is damaged" in refused(*two, kind=Damaged)


def test_a_partial_report_and_an_unfinished_run_are_refused(two):
    a, _ = two
    a.write(**a.record | {"partial": True})
    assert "found a partial report" in refused(*two)
    a.write(**a.record | {"partial": False, "files": {}})
    assert "CSV files that are not those of provenance.json" in refused(*two)
    a.write(**a.record | {"files": stored.listed(a.folder)})
    path = a.folder / layout.filled(layout.MEANS, **CELL)
    frame = stored.read_frame(path)
    stored.write_frame(path, frame.assign(value=frame["value"] + 1e-3))
    assert "other values in d.parquet" in refused(*two).replace("d.means.parquet", "d.parquet")
    stored.write_frame(path, frame)
    path = a.folder / layout.filled(layout.EVALUATION, **CELL, seed=2, step=100)
    frame = stored.read_frame(path)
    stored.write_frame(path, frame.assign(loss=frame["loss"] + 1e-3))
    assert "step100.parquet than in evaluations.csv" in refused(*two)


@pytest.mark.parametrize("lacking", ["values", "samples"])
def test_results_of_another_version_lack_columns_by_name(two, lacking):
    path = two[1].folder / layout.filled(layout.MEANS, **CELL)
    stored.write_frame(path, stored.read_frame(path).drop(columns=lacking))
    assert f"d.means.parquet: found no column {lacking}; allowed: results of this version" in refused(*two)


def test_a_csv_file_of_another_version_is_refused(two):
    path = two[1].folder / "evaluations.csv"
    stored.write_csv(path, pd.read_csv(path).drop(columns=["majority", "accuracy_low"]))
    two[1].write(**two[1].record | {"files": stored.listed(two[1].folder)})
    assert "evaluations.csv: found no column accuracy_low, majority; allowed" in refused(*two)


# -------------------------------------------------------------------------------------------- in words


def test_exactly_the_settings_that_differ_are_listed():
    a = {"training": {"rate": 0.1, "steps": 5}, "seeds": [1, 2], "models": {"m": {"x": 1}, "gone": {"y": 2}}}
    b = {"training": {"rate": 0.2, "steps": 5}, "seeds": [1, 3], "models": {"m": {"x": 1}}, "device": "cpu"}
    assert list(pages.differing(a, b)) == [
        ("training.rate", "0.1", "0.2"),
        ("seeds", "[1, 2]", "[1, 3]"),
        ("models.gone", '{"y": 2}', "–"),
        ("device", "–", "cpu"),
    ]
    assert list(pages.differing(a, a)) == []


def answer(a, b):
    (cell,) = compared(a, b)
    return pages._answers(cell)


def test_a_gap_that_falls_with_the_accuracy_is_warned_of(tmp_path):
    a = Planted(tmp_path / "a", right=0.9)
    worse = Planted(tmp_path / "b", shift=-0.2, right=0.7)
    said = answer(a, worse)
    assert said["answer"].startswith("The gap is smaller in b: at step 100 CG is 0.")
    assert "over seeds and units; paired by examples and seeds." in said["answer"]
    (warning,) = said["warnings"]
    assert "The test accuracy went the same way: 0.900" in warning
    better = answer(worse, Planted(tmp_path / "c", shift=-0.4, right=0.9))
    assert (better["answer"][:26], better["warnings"]) == ("The gap is smaller in b: a", [])


def test_a_run_that_has_not_learnt_is_not_judged(tmp_path):
    said = answer(Planted(tmp_path / "a"), Planted(tmp_path / "b", shift=-0.2, right=0.5))
    assert said["answer"].startswith("Not judged: ")
    assert "seeds 1, 2, 3 of b is not clearly above the majority class" in said["warnings"][0]


def test_a_difference_within_its_interval_or_of_two_seeds_tells_nothing(tmp_path):
    assert (
        answer(Planted(tmp_path / "a"), Planted(tmp_path / "b", noise=2))["answer"][:14] == "Cannot be told"
    )
    assert answer(Planted(tmp_path / "e"), Planted(tmp_path / "f"))["answer"].startswith("The same in both: ")
    two = [Planted(tmp_path / name, seeds=(1, 2), noise=ord(name)) for name in "cd"]
    assert answer(*two)["answer"].startswith("Not tested over seeds (fewer than three seeds)")


def test_the_files_hold_the_same_numbers_and_the_settings(tmp_path):
    a = Planted(tmp_path / "a", name="slow", settings={"training": {"learning_rate": 0.01, "steps": 5}})
    b = Planted(
        tmp_path / "b", noise=2, name="fast", settings={"training": {"learning_rate": 0.02, "steps": 5}},
        cells=(("m", "d"), ("n", "d")), ids="other",
    )  # fmt: skip
    html, table = pages.compare((a.folder, b.folder), tmp_path / "deep" / "both")
    frame, expected = pd.read_csv(table), comparison.frame(compared(a, b))
    assert frame.columns.tolist() == comparison.COLUMNS
    assert frame["value"].to_numpy() == pytest.approx(expected["value"].to_numpy())
    text = html.read_text(encoding="utf-8")
    table = text[text.index('id="settings"') : text.index('id="answer"')]
    names = re.findall(r'<th scope="row">(.*?)</th>', table)
    assert names == ["training.learning_rate"]
    assert "<td>0.01</td><td>0.02</td>" in table
    assert "n on d: only in b" in text
    assert "m on d, set test: the two measured other examples" in text
    assert not re.search(r"""(src|href)=["'](?!#)""", text)
    assert set(outputs.TIDY) >= set(comparison.NEEDED)


def test_steps_that_were_measured_in_different_spaces_are_in_no_contradiction(tmp_path):
    two = (("m", "d"), ("n", "d"))
    whole = Planted(tmp_path / "a", cells=two)
    adapters = Planted(tmp_path / "b", cells=two, adapted=("m",))
    html, _ = pages.compare((whole.folder, adapters.folder), tmp_path / "both")
    text = html.read_text(encoding="utf-8")
    assert "m on d: step 0, 100 in the space whole only in a" in text
    assert "m on d: step 0, 100 in the space merged only in b" in text
    assert "m on d: step 0, 100 only in" not in text


def test_a_place_that_cannot_be_written_is_refused(two, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"^--out: found .*file/x, where nothing can be written"):
        pages.compare((two[0].folder, two[1].folder), tmp_path / "file" / "x")
