"""What becomes of a barrier on other paths: means over their pairs, and verdicts, on planted curves."""

import numpy as np
import pandas as pd
import pytest
from isthmus import stored
from isthmus.statistics import barriers, connectivity
from isthmus.statistics.barriers import Barrier
from isthmus.statistics.findings import Gaps, standing
from isthmus.statistics.seeds import Estimate

ALPHAS = np.linspace(0, 1, 5)
PAIRS = [(1, 2), (1, 3), (2, 3)]
REPLICATES = 40


def path(name, height, pair, step=100, noise=0.01, **extra):
    """The files of a path whose loss is a triangle of a known height on a slope from 1 to 1.2."""
    seed_a, seed_b = pair
    curve = 1 + 0.2 * ALPHAS + height * (1 - 2 * np.abs(ALPHAS - 0.5))
    random = np.random.default_rng(seed_a * 10 + seed_b)
    keys = {"model": "m", "dataset": "d", "step": step, "seed_a": seed_a, "seed_b": seed_b, "set": "test"}
    shifts = random.normal(0, noise, (REPLICATES, 1)) * (1 - 2 * np.abs(ALPHAS - 0.5))
    points = [
        {
            **keys,
            "alpha": alpha,
            "loss": value,
            "error": value / 2,
            "loss_replicates": (value + shifts[:, i]).astype(np.float32),
            "error_replicates": (value / 2 + shifts[:, i]).astype(np.float32),
            "n": 50,
        }
        for i, (alpha, value) in enumerate(zip(ALPHAS, curve, strict=True))
    ]
    gaps = [
        {**keys, "quantity": quantity, "metric": metric, "value": own, "replicates": own + shifts[:, 2]}
        for quantity, own in (("loss", height), ("error", height / 2))
        for metric in ("BH", "CG")
    ]
    named = {"path": name, **extra} if name != "line" else {}
    return pd.DataFrame(points).assign(**named), pd.DataFrame(gaps).assign(**named)


def write(folder, name, frames):
    files = folder / f"{name}.parquet", folder / f"{name}.gaps.parquet"
    for frame, file in zip(frames, files, strict=True):
        stored.write_frame(file, frame)
    return files


@pytest.fixture
def found(tmp_path):
    """Lines of all three pairs of a height of 0.3, and curves of heights of 0.02, 0.03 and 0.04."""
    lines, curves = {}, []
    for seed_b in (2, 3):
        own = [path("line", 0.3, pair) for pair in PAIRS if pair[1] == seed_b]
        row = tuple(pd.concat(parts) for parts in zip(*own, strict=True))
        lines[100, seed_b] = write(tmp_path, f"row{seed_b}", row)
    for place, pair in enumerate(PAIRS):
        frames = path("bezier", 0.02 + 0.01 * place, pair, relative_length=1.5)
        curves.append(write(tmp_path, f"curve{place}", frames))
    return barriers.cell(curves, lines, 2, dict.fromkeys((1, 2, 3), "m"))


def test_means_are_of_the_pairs_that_have_the_path_and_changes_are_pair_by_pair(found):
    frame = found.frame().set_index(["of", "metric", "quantity"])
    for metric in ("BH", "CG"):
        assert frame.loc[("line", metric, "loss"), "value"] == pytest.approx(0.3)
        assert frame.loc[("path", metric, "loss"), "value"] == pytest.approx(0.03)
        assert frame.loc[("change", metric, "loss"), "value"] == pytest.approx(-0.27)
        assert frame.loc[("change", metric, "error"), "value"] == pytest.approx(-0.135)
    assert set(frame["pairs"]) == {3}
    assert set(frame["seeds"]) == {3}
    # The replicates of line and path are the same noise here, which leaves nothing of it in the change.
    change = frame.loc[("change", "CG", "loss")]
    assert change["high"] - change["low"] == pytest.approx(0, abs=2e-5)
    assert frame.loc[("path", "CG", "loss"), "high"] - frame.loc[("path", "CG", "loss"), "low"] > 0.005
    assert change["low_both"] < -0.27 < change["high_both"]
    assert change["high_both"] - change["low_both"] > 0.01  # three pairs whose changes differ
    assert change["cross_fitted"] == pytest.approx(-0.27)


def test_each_path_has_its_rows_among_the_metrics(found):
    rows = pd.DataFrame(found.rows)
    assert set(rows["path"]) == {"bezier"}
    assert set(rows["relative_length"]) == {1.5}
    loss = rows[(rows["quantity"] == "loss") & (rows["seed_b"] == 3) & (rows["seed_a"] == 2)]
    values = loss.set_index("metric")["value"]
    assert values["CG"] == pytest.approx(0.04)
    assert values["gain"] == pytest.approx(-0.04)
    whole = connectivity.Reduced(*[pd.DataFrame(columns=connectivity.METRIC_COLUMNS)] * 4)
    assert len(whole.with_paths(found.rows).metrics) == len(rows)


def test_a_path_whose_line_is_not_there_yet_is_left_out(tmp_path):
    files = write(tmp_path, "curve", path("bezier", 0.1, (1, 2), relative_length=1.0))
    nothing = barriers.cell([files], {}, 2, {})
    assert nothing.rows == []
    assert list(nothing.frame().columns) == barriers.COLUMNS


def estimate(value, half):
    """An estimate over seeds and units with an interval of about this half width."""
    samples = value + half / 10 * np.linspace(-1, 1, 50)
    return Estimate(value, samples, 5, (((half / 3) ** 2, 4.0),))


VERDICTS = [
    # line, path, change, (cross-fitted of line and path), path's name, verdict
    (0.3, 0.005, -0.295, (0.25, 0.0), "bezier", "gone on a curve"),
    (0.3, 0.005, -0.295, (0.25, 0.0), "aligned", "gone when aligned"),
    (0.005, 0.005, 0.0, (0.0, 0.0), "bezier", "no barrier on the line"),
    (0.3, 0.3, 0.0, (0.25, 0.25), "bezier", "stays"),
    (0.3, 0.15, -0.15, (0.25, 0.1), "bezier", "smaller on a curve, but stays"),
    (0.3, 0.15, -0.15, (0.25, 0.1), "aligned", "smaller when aligned, but stays"),
    (0.3, 0.025, -0.275, (0.25, 0.015), "bezier", "smaller on a curve"),
    (0.3, 0.4, 0.1, (0.25, 0.3), "aligned", "stays"),
    (0.025, 0.005, -0.02, (0.0, 0.0), "bezier", "cannot be told"),
    (0.3, 0.3, 0.0, (0.0, 0.25), "bezier", "cannot be told"),  # the line's gap may be chance
]


@pytest.mark.parametrize(("line", "path", "change", "above", "name", "verdict"), VERDICTS)
def test_verdicts(line, path, change, above, name, verdict):
    found = Barrier(estimate(line, 0.01), estimate(path, 0.01), estimate(change, 0.01), *above)
    assert found.verdict(0.02, name) == verdict


def test_findings_say_what_becomes_of_a_barrier_and_nothing_of_runs_without_skill(found):
    means = pd.DataFrame(
        {"step": [100], "metric": "CG", "set": "test", "quantity": "loss", "from_step": np.nan}
    )
    own = {("m", "d"): barriers.barriers(found.frame())}
    for accuracy, expected in ((0.8, "smaller on a curve"), (0.4, "not judged")):
        scores = {
            "model": "m",
            "dataset": "d",
            "step": 100,
            "set": "test",
            "majority": 0.5,
            "perplexity": np.nan,
        }
        scores |= {"seed": 1, "accuracy": accuracy, "accuracy_low": accuracy - 0.05}
        gaps = Gaps(pd.DataFrame([scores]), {("m", "d"): means})
        (row,) = standing(gaps, own, 0.02)
        assert (row["hypothesis"], row["subject"], row["to"]) == ("barrier on bezier", "m", 100)
        assert row["verdict"].startswith(expected), row
        assert row["estimate"] == pytest.approx(-0.27)
        assert row["low"] < -0.27 < row["high"] < 0
        assert "CG 0.300" in row["note"]
        assert "CG 0.030" in row["note"]
