"""Soups and ensembles of real (tiny) models, against plain Transformers; the journal; greedy choices."""

import numpy as np
import pandas as pd
import pytest
import torch
from isthmus import cross_fitting
from isthmus.errors import Damaged, MismatchedEnds
from isthmus.measuring import averaging
from isthmus.measuring.averaging import Averages, average
from isthmus.models import hf_folders, weight_files
from isthmus.space import soups
from isthmus.space.sampling import Uniform
from isthmus.tasks.record import Record
from transformers import AutoModelForSequenceClassification

from tests.unit import tiny

SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    return tiny.Cell(tmp_path_factory.mktemp("averages") / "cell", seeds=SEEDS)


def averages(cell, journal="journal", **changes):
    arguments = {"ends": cell.ends, "sets": cell.sets, "budget": tiny.BUDGET, "numerics": tiny.cpu()}
    return Averages(**arguments | {"journal": cell.folder / journal} | changes)


def job(cell, out="averages", journal="journal", greedy=True):
    made = averages(cell, journal)
    labels = {"model": "tiny", "dataset": "toy", "step": 100}
    path = cell.folder / f"{out}.parquet"
    average(averages=made, greedy=greedy, resampling=tiny.RESAMPLING, labels=labels, out=path)
    return pd.read_parquet(path), made.engine.measured


@pytest.fixture(scope="module")
def measured(cell):
    return job(cell)[0]


def plain(cell, seeds, examples):
    """Log-probabilities of the mean of some checkpoints, one example at a time, by Transformers alone."""
    states = [weight_files.load(end.folder / hf_folders.WEIGHTS) for end in cell.ends if end.seed in seeds]
    model = AutoModelForSequenceClassification.from_pretrained(cell.ends[0].folder).eval()
    mean = {name: sum(state[name] for state in states) / len(states) for name in states[0]}
    model.load_state_dict(mean, strict=False)
    spans = zip(examples.offsets[:-1], examples.offsets[1:], strict=True)
    with torch.no_grad():
        logits = [
            model(
                torch.tensor(examples.ids[a:b].astype(np.int64))[None],
                token_type_ids=torch.tensor(examples.types[a:b].astype(np.int64))[None],
            ).logits[0]
            for a, b in spans
        ]
    return torch.log_softmax(torch.stack(logits).double(), -1).numpy()


def test_soups_and_ensembles_are_those_of_plain_transformers(cell, measured):
    rows = measured.set_index(["kind", "set", "seeds"])
    assert set(rows.loc["uniform"].index.get_level_values("seeds")) == {"1+2", "1+3", "2+3", "1+2+3"}
    assert set(rows.loc["member"].index.get_level_values("seeds")) == {"1", "2", "3"}
    for name, examples in cell.sets.items():
        at = np.arange(len(examples)), examples.labels
        alone = {seed: plain(cell, [seed], examples) for seed in SEEDS}
        for seeds in ([1], [1, 2], [2, 3], [1, 2, 3]):
            joined, kind = "+".join(map(str, seeds)), "member" if len(seeds) == 1 else "uniform"
            scores = plain(cell, seeds, examples)
            assert rows.loc[(kind, name, joined), "loss"] == pytest.approx(-scores[at].mean(), abs=1e-5)
            wrong = (scores.argmax(1) != examples.labels).mean()
            assert rows.loc[(kind, name, joined), "error"] == pytest.approx(wrong)
            if len(seeds) > 1:
                together = np.log(np.mean([np.exp(alone[seed]) for seed in seeds], axis=0))
                row = rows.loc[("ensemble", name, joined)]
                assert row["loss"] == pytest.approx(-together[at].mean(), abs=1e-5)
                assert row["error"] == pytest.approx((together.argmax(1) != examples.labels).mean())


def test_replicates_are_those_of_paths(cell, measured):
    """So that a gain's interval is paired."""
    row = cell.interpolate("row", Uniform(3)).points
    path = row[(row["seed_a"] == 1) & (row["alpha"] == 0) & (row["set"] == "test")].iloc[0]
    one = measured.query("kind == 'member' and seeds == '1' and set == 'test'").iloc[0]
    for name in ("loss_replicates", "error_replicates"):
        np.testing.assert_array_equal(one[name], path[name])


def test_replicates_lie_around_their_values(measured):
    for row in measured.itertuples():
        for name in ("loss", "error"):
            replicates = getattr(row, f"{name}_replicates")
            assert abs(replicates.mean() - getattr(row, name)) < 1.5 * replicates.std() + 1e-6


def test_what_paths_and_evaluations_measured_is_not_measured_again(tmp_path):
    cell = tiny.Cell(tmp_path / "cell", seeds=SEEDS)
    for end in (1, 2):
        cell.interpolate(f"row{end}", Uniform(3), others=cell.ends[:end], end=cell.ends[end])
    _, count = job(cell, greedy=False)
    assert count == len(cell.sets)  # the mean of all three alone
    again, count = job(cell, "again", greedy=False)
    assert count == 0
    # The middle of a path is the soup of its ends, to the bit.
    row = pd.read_parquet(cell.folder / "row2.parquet")
    middle = row[(row["alpha"] == 0.5) & (row["seed_a"] == 1) & (row["set"] == "test")]["loss"].item()
    assert again.query("kind == 'uniform' and seeds == '1+3' and set == 'test'")["loss"].item() == middle


def test_records_without_outputs_are_measured_once_more(tmp_path, monkeypatch):
    cell = tiny.Cell(tmp_path / "cell", seeds=SEEDS)
    whole = averaging.Engine.measure

    def without(self, *arguments):
        return {name: array for name, array in whole(self, *arguments).items() if name != averaging.OUTPUTS}

    with monkeypatch.context() as patch:
        patch.setattr(averaging.Engine, "measure", without)
        made = averages(cell)
        made.soup("test", (1,))
    found, count = job(cell)
    assert np.isfinite(found["loss"]).all()
    assert count >= len(SEEDS) * len(cell.sets)


class Planted(Averages):
    """Soups whose errors are planted, unit by unit."""

    def __init__(self, cell, errors):
        super().__init__(cell.ends, cell.sets, tiny.BUDGET, tiny.cpu(), cell.folder / "none")
        self.errors = errors

    def soup(self, name, members):
        errors = np.asarray(self.errors(members), np.int64)
        return Record(errors * 0.5, errors, np.ones_like(errors))


def test_greedy_soups_are_judged_by_units_that_did_not_choose_them(cell):
    n = len(cell.sets["test"])
    halves = cross_fitting.halves(n, 0, 1)[0]
    good = {(1,): ~halves, (2,): halves}  # each model is right on one half

    made = Planted(cell, lambda members: ~good.get(members, np.zeros(n, bool)))
    both = made.chosen(soups.greedy, halves)
    assert both == ((1,), (2,))  # the first half chose 1, the second 2
    assert made.judged("test", both, halves).error == 1.0  # where they were not chosen both are wrong
    assert made.judged("train", both, halves).error == 0.5


def test_choosing_is_not_rewarded_where_all_models_are_alike(cell):
    """On nulls a choice judged by its own units looks better than any model is; cross-fitted, it does not."""
    n, own, honest, alone = len(cell.sets["test"]), [], [], []
    for trial in range(400):
        draw = np.random.default_rng(trial)
        known = {}

        def errors(members, known=known, draw=draw):
            return known.setdefault(members, draw.random(n) < 0.3)

        made, halves = Planted(cell, errors), cross_fitting.halves(n, trial, 1)[0]
        both = made.chosen(soups.greedy, halves)
        honest.append(made.judged("test", both, halves).error)
        alone.append(made.judged("test", made.chosen(soups.best, halves), halves).error)
        own.append(made.judged("test", both[::-1], halves).error)
    assert np.mean(honest) == pytest.approx(0.3, abs=4 * np.std(honest) / 20)
    assert np.mean(alone) == pytest.approx(0.3, abs=4 * np.std(alone) / 20)
    assert np.mean(own) < 0.3 - 10 * np.std(own) / 20


def test_a_damaged_checkpoint_is_no_member(tmp_path):
    cell = tiny.Cell(tmp_path / "cell", seeds=SEEDS)
    path = cell.ends[1].folder / hf_folders.WEIGHTS
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged, match="seed2"):
        job(cell)


def test_models_of_another_architecture_are_refused(cell, tmp_path):
    other = tiny.Cell(tmp_path / "cell", seeds=(9, 8), family="roberta")
    with pytest.raises(MismatchedEnds, match="model_type"):
        averages(cell, ends=[*cell.ends, other.ends[0]])
