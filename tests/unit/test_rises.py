"""What each unit adds to a gap: by planted losses, by plain Transformers, and that it adds up."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from isthmus import metrics, stored
from isthmus.errors import Damaged
from isthmus.measuring import rises
from isthmus.models import hf_folders, weight_files
from isthmus.space.sampling import Uniform
from isthmus.statistics import connectivity
from isthmus.tasks.record import Record
from transformers import AutoModelForSequenceClassification

from tests.unit import tiny

LABELS = {"model": "tiny", "dataset": "toy", "step": 100}


def test_planted_units_rise_as_they_were_made():
    """Units 0 to 4 rise by their number over their own chords, 5 falls by 3: 7 in all, of 14 predictions."""
    alphas = np.array([0, 0.25, 0.5, 0.75, 1])
    heights, counts = np.array([0, 1, 2, 3, 4, -3.0]), np.array([1, 2, 3, 1, 5, 2])
    slopes = np.linspace(-2, 3, 6)
    shape = np.array([0.2, 0, 0.4, 1, 0])  # so that the chord begins at 0.25, and the gap is at 0.75
    losses = 5 + np.outer(alphas, slopes) + np.outer(shape, heights)
    records = {alpha: Record(row, row, counts) for alpha, row in zip(alphas.tolist(), losses, strict=True)}
    curve = np.array([record.loss for record in records.values()])
    gap = metrics.convexity_gap(alphas, curve)
    assert (gap.alpha, gap.chord_low, gap.chord_high) == (0.75, 0.25, 1.0)
    columns = rises.rises(records, gap)
    np.testing.assert_allclose(columns["rise"], heights)
    np.testing.assert_allclose(columns["chord"], 5 + 0.75 * slopes)
    np.testing.assert_allclose(columns["loss"], 5 + 0.75 * slopes + heights)
    np.testing.assert_allclose(columns["loss_low"], 5 + 0.25 * slopes)
    np.testing.assert_allclose(columns["loss_high"], 5 + slopes)
    np.testing.assert_allclose(columns["end_loss"], 5 + slopes / 2 + 0.1 * heights)
    assert columns["rise"].sum() / counts.sum() == pytest.approx(gap.value) == 0.5


class Measured:
    """A cell whose rows are measured: three seeds, three pairs."""

    def __init__(self, folder):
        self.cell = tiny.Cell(folder / "cell", seeds=(1, 2, 3), moved=0.3)
        self.rows = [
            self.cell.interpolate(
                f"row{end}", Uniform(9), others=self.cell.ends[:end], end=self.cell.ends[end]
            ).points_file
            for end in (1, 2)
        ]
        self.gaps = list(rises.gaps(self.rows))

    def job(self, out="examples", floor=1e-6, rows=None, journal="journal"):
        lines = rises.Lines(
            self.cell.ends, self.cell.sets["test"], tiny.BUDGET, tiny.cpu(), self.cell.folder / journal
        )
        path = self.cell.folder / f"{out}.parquet"
        rises.write(lines=lines, rows=rows or self.rows, floor=floor, labels=LABELS, out=path)
        return path, lines.engine.measured


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return Measured(tmp_path_factory.mktemp("rises"))


@pytest.fixture(scope="module")
def found(measured):
    path, count = measured.job()
    assert count == 0  # all was measured by the rows
    return pd.read_parquet(path)


def plain(cell, seeds, alpha):
    """The losses of the test examples on a line, one example at a time, by Transformers alone."""
    a, b = (
        weight_files.load(end.folder / hf_folders.WEIGHTS)
        for seed in seeds
        for end in cell.ends
        if end.seed == seed
    )
    model = AutoModelForSequenceClassification.from_pretrained(cell.ends[0].folder).eval()
    model.load_state_dict({name: (1 - alpha) * a[name] + alpha * b[name] for name in a}, strict=False)
    examples, losses = cell.sets["test"], []
    for begin, end, label in zip(examples.offsets[:-1], examples.offsets[1:], examples.labels, strict=True):
        ids, types = (
            torch.tensor(array[begin:end].astype(np.int64))[None] for array in (examples.ids, examples.types)
        )
        with torch.no_grad():
            logits = model(ids, token_type_ids=types).logits.double()
        losses.append(torch.nn.functional.cross_entropy(logits, torch.tensor([label])).item())
    return np.array(losses)


def test_rises_are_those_of_plain_transformers(measured, found):
    examples = measured.cell.sets["test"]
    assert [gap.seeds for gap in measured.gaps] == [(1, 2), (1, 3), (2, 3)]
    for row, seeds, gap in measured.gaps:
        assert row.name == f"row{seeds[1] - 1}.parquet"
        mine = found[(found["seed_a"] == seeds[0]) & (found["seed_b"] == seeds[1])]
        at, low, high, start, end = (
            plain(measured.cell, seeds, alpha)
            for alpha in (gap.alpha, gap.chord_low, gap.chord_high, 0.0, 1.0)
        )
        share = (gap.alpha - gap.chord_low) / (gap.chord_high - gap.chord_low)
        chord = (1 - share) * low + share * high
        expected = {"loss": at, "loss_low": low, "loss_high": high, "chord": chord, "rise": at - chord}
        for name, values in (expected | {"end_loss": (start + end) / 2}).items():
            np.testing.assert_allclose(mine[name], values, atol=2e-5, err_msg=name)
        assert mine["id"].tolist() == examples.rows.tolist()
        assert mine["label"].tolist() == examples.labels.tolist()
        assert set(mine["count"]) == {1}
        assert mine[["alpha", "chord_low", "chord_high"]].drop_duplicates().to_numpy().tolist() == [
            [gap.alpha, gap.chord_low, gap.chord_high]
        ]
    assert set(zip(found["model"], found["dataset"], found["step"], strict=True)) == {("tiny", "toy", 100)}


def test_they_add_up_to_the_gap(measured, found):
    reduced = connectivity.cell(measured.rows, 2, 100).metrics
    gaps = reduced[(reduced["set"] == "test") & (reduced["quantity"] == "loss") & (reduced["metric"] == "CG")]
    assert gaps["value"].min() > 0.01  # paths without a gap would show nothing
    sums = found.groupby(["seed_a", "seed_b"])[["rise", "count"]].sum()
    for gap in gaps.itertuples():
        own = sums.loc[(gap.seed_a, gap.seed_b)]
        assert own["rise"] / own["count"] == pytest.approx(gap.value, abs=1e-6)


def test_what_the_journal_lost_is_measured_again_to_the_same_bytes(measured):
    before, _ = measured.job()
    after, count = measured.job("again", journal="nothing")
    points = sum(len({0.0, 1.0, gap.alpha, gap.chord_low, gap.chord_high}) - 2 for *_, gap in measured.gaps)
    assert count == 3 + points  # each end once
    assert after.read_bytes() == before.read_bytes()
    shutil.rmtree(measured.cell.folder / "nothing")


def test_where_there_is_no_gap_nothing_rises(measured):
    values = sorted(gap.value for *_, gap in measured.gaps)
    path, _ = measured.job("one", floor=values[2])
    one = pd.read_parquet(path)
    assert one[["seed_a", "seed_b"]].drop_duplicates().to_numpy().tolist() == [
        list(next(seeds for _, seeds, gap in measured.gaps if gap.value == values[2]))
    ]
    path, _ = measured.job("none", floor=2 * values[2])
    none = stored.read_table(path)
    assert (len(none), none.schema) == (0, rises.SCHEMA)


def test_rises_that_do_not_add_up_are_refused(measured):
    changed = measured.cell.folder / "changed.parquet"
    points = stored.read_frame(measured.rows[0])
    gap = measured.gaps[0].gap
    points.loc[(points["set"] == "test") & (points["alpha"] == gap.alpha), "loss"] += 5e-6
    stored.write_frame(changed, points)
    message = (
        r"changed.parquet is damaged: found a gap of [\d.]+ nats between the seeds 1 and 2, which rises of "
        r"[\d.]+ in the journal do not add up to; .*`rm .*changed.parquet`"
    )
    with pytest.raises(Damaged, match=message):
        measured.job("refused", rows=[changed])
    assert not (measured.cell.folder / "refused.parquet").exists()
