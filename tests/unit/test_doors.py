"""What other programs use of the library: light to import, and right about what it reads and measures."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import isthmus
import matplotlib
import numpy as np
import pandas as pd
import pytest
from isthmus import results, sampling, stored
from isthmus.errors import ConfigError, Damaged
from isthmus.experiment import layout

ROOT = Path(__file__).parents[2]
matplotlib.use("Agg")


def modules_after(code: str) -> set[str]:
    """What a fresh Python has imported after some code."""
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'workflow')!r}); {code}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("door", isthmus.DOORS)
def test_a_door_imports_neither_snakemake_nor_torch(door):
    found = modules_after(f"import isthmus; isthmus.{door}")
    assert f"isthmus.{door}" in found
    assert {"snakemake", "torch", "transformers"} & found == set()


def test_the_package_alone_imports_nothing_heavy():
    assert {"numpy", "pandas", "pydantic"} & modules_after("import isthmus") == set()


def test_what_is_no_door_is_said():
    with pytest.raises(AttributeError, match="no attribute 'metric'; allowed: metrics, results, sampling"):
        isthmus.metric  # noqa: B018


def test_rules_and_library_are_of_one_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "isthmus.__version__"}
    rules = (ROOT / "workflow" / "rules" / "library.smk").read_text(encoding="utf-8")
    assert f'\nVERSION = "{isthmus.__version__}"\n' in rules


# ------------------------------------------------------------------------------------------------- sampling


def hill(alpha):
    return 0.2 * np.exp(-(((alpha - 0.37) / 0.2) ** 2)) + 0.1 * alpha


def test_an_own_loss_function_is_measured_where_it_tells_most():
    asked = []
    found = sampling.adaptive(lambda alpha: asked.append(alpha) or hill(alpha), tolerance=1e-4)
    dense = np.linspace(0, 1, 10_001)
    true = np.max(hill(dense) - ((1 - dense) * hill(0) + dense * hill(1)))  # its convexity gap is larger
    assert found.converged
    assert abs(found.barrier_height.value - true) < 1e-4
    assert found.convexity_gap.value > found.barrier_height.value
    assert sorted(asked) == found.alphas.tolist()
    assert found.losses.tolist() == [hill(alpha) for alpha in found.alphas]
    assert 0.5 in found.alphas
    assert len(asked) < 41


def test_a_search_that_was_cut_short_says_so():
    found = sampling.adaptive(hill, intervals=4, tolerance=1e-9, max_alphas=6)
    assert (len(found.alphas), found.converged) == (6, False)
    assert found.errors.convexity_gap > 1e-9


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"intervals": 1}, "intervals: found 1; allowed: a whole number, 2 or more"),
        ({"intervals": 2.5}, "intervals: found 2.5; allowed: a whole number"),
        ({"tolerance": 0.0}, "tolerance: found 0.0; allowed: a number above 0"),
        ({"tolerance": float("nan")}, "tolerance: found nan"),
        ({"intervals": 3, "max_alphas": 4}, "max_alphas: found 4; allowed: 5 or more"),
    ],
)
def test_limits_are_said(asked, said):
    with pytest.raises(ValueError, match=said):
        sampling.adaptive(hill, **asked)


def test_a_loss_that_is_none_ends_it():
    with pytest.raises(ValueError, match=r"the loss at alpha 0\.5 is nan; allowed: finite losses"):
        sampling.adaptive(lambda alpha: float("nan") if alpha == 0.5 else alpha)


# -------------------------------------------------------------------------------------------------- results


@pytest.fixture
def folder(tmp_path):
    """Results with two tidy files and a row of two paths."""
    frame = pd.DataFrame({"experiment": ["mini"], "model": ["001"], "value": [0.1]})
    stored.write_csv(tmp_path / "findings.csv", frame)
    pairs = [{"model": "tiny", "dataset": "toy", "step": 20, "seed_a": a, "seed_b": 3} for a in (1, 2)]
    named = [{"model": "001", "dataset": "toy", "step": 20, "seed_a": 1, "seed_b": 3}]  # its row is not there
    stored.write_csv(tmp_path / "metrics.csv", pd.DataFrame(pairs + named))
    points = pd.DataFrame(
        [
            {"model": "tiny", "dataset": "toy", "step": 20, "seed_a": a, "seed_b": 3, "set": name}
            | {"alpha": alpha, "loss": a + alpha + len(name), "error": 0.5, "n": 7}
            | {f"{q}_replicates": np.linspace(0, a, 101) for q in ("loss", "error")}
            for a in (1, 2)
            for name in ("train", "test")
            for alpha in (1.0, 0.0, 0.5)
        ]
    ).astype({"set": "category"})
    stored.write_frame(tmp_path / "paths/tiny/toy/step20/seed3.parquet", points)
    stored.write_frame(tmp_path / "paths/tiny/toy/step20/seed3.pairs.parquet", points[["model"]])
    return tmp_path


def test_tidy_files_are_frames_by_name(folder):
    found = results.read(str(folder))
    assert list(found.frames) == ["metrics", "findings"]
    assert found["metrics"]["model"].tolist() == ["tiny", "tiny", "001"]  # a name stays one
    with pytest.raises(KeyError, match=r"found no means\.csv; allowed: metrics, findings"):
        found["means"]


def test_a_path_has_its_points_and_intervals(folder):
    found = results.read(folder).path("tiny", "toy", step=20, seeds=(2, 3))
    assert found["alpha"].tolist() == [0, 0.5, 1]
    assert found["loss"].tolist() == [6, 6.5, 7]
    assert found[["loss_low", "loss_high"]].iloc[0].tolist() == pytest.approx([0.05, 1.95])
    train = results.read(folder).path("tiny", "toy", 20, (1, 3), set="train")
    assert train["loss"].tolist() == [6, 6.5, 7]


def test_an_error_rate_that_is_not_known_has_no_interval(folder):
    file = folder / "paths/tiny/toy/step20/seed3.parquet"
    points = stored.read_frame(file).assign(error=np.nan)
    points["error_replicates"] = [np.full(101, np.nan)] * len(points)
    stored.write_frame(file, points)
    found = results.read(folder).path("tiny", "toy", 20, (2, 3))
    assert found[["error", "error_low", "error_high"]].isna().all(axis=None)
    assert found["loss_low"].notna().all()


def test_all_paths_together(folder):
    found = results.read(folder).paths()
    assert len(found) == 12
    assert found["alpha"].tolist() == [0, 0.5, 1] * 4
    assert "loss_replicates" not in found


def test_what_an_earlier_experiment_left_is_none_of_the_paths(folder):
    """A step, or a seed, that the settings had before."""
    row = folder / "paths/tiny/toy/step20/seed3.parquet"
    for name in ("step20/seed4", "step10/seed3"):
        stored.write_frame(folder / f"paths/tiny/toy/{name}.parquet", stored.read_frame(row))
    found = results.read(folder)
    assert len(found.paths()) == 12
    with pytest.raises(
        ConfigError, match=r"found no .*step10/seed3\.parquet; allowed: paths/tiny/toy/step20/"
    ):
        found.path("tiny", "toy", 10, (2, 3))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            ("tiny", "toy", 20, (3, 2)),
            r"found no .*seed2\.parquet; allowed: paths/tiny/toy/step20/seed3\.parquet$",
        ),
        (("tiny", "toy", 10, (2, 3)), r"found no .*step10/seed3\.parquet; allowed: "),
        (("tiny", "toy", 20, (7, 3)), r"seeds: found \(7, 3\); allowed: \(1, 3\), \(2, 3\) of "),
        (("tiny", "toy", 20, (2, 3), "dev"), "set: found 'dev'; allowed: train, test, as in "),
    ],
)
def test_a_path_that_was_not_measured_is_said(folder, asked, said):
    with pytest.raises(ConfigError, match=said):
        results.read(folder).path(*asked)


def test_results_that_were_changed_are_refused(folder):
    path = folder / "findings.csv"
    path.write_text(path.read_text().replace("0.1", "0.2"))
    with pytest.raises(Damaged, match=r"findings\.csv is damaged: found another content than .*SHA256SUMS"):
        results.read(folder)


def test_a_path_that_was_changed_is_refused(folder):
    path = folder / "paths/tiny/toy/step20/seed3.parquet"
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged, match=r"seed3\.parquet is damaged"):
        results.read(folder).path("tiny", "toy", 20, (2, 3))


def test_results_that_cannot_be_checked_are_refused(folder):
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(ConfigError, match=r"SHA256SUMS: found nothing of metrics\.csv, findings\.csv"):
        results.read(folder)


def code(page: str) -> str:
    """The first lines of Python on a page."""
    return re.search(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)[1]


def test_the_readmes_lines_for_a_notebook(tmp_path, monkeypatch, capsys):
    """On results with the names of the embedded experiment: the means are right, and the path is drawn."""
    folder, cell = tmp_path / "results" / "mini", {"model": "tiny-800", "dataset": "entailment", "step": 500}
    keys = {"seed_b": 43, "metric": "CG", "quantity": "loss", "set": "test", "path": "line"}
    rows = [cell | keys | {"value": value} for value in (0.25, 0.75)]
    folder.mkdir(parents=True)
    stored.write_csv(
        folder / "metrics.csv", pd.DataFrame([*rows, cell | keys | {"metric": "BH", "value": 9.0}])
    )
    losses = {0.0: 1.0, 0.5: 1.5, 1.0: 1.25}
    points = [
        cell | {"seed_a": 42, "seed_b": 43, "set": "test", "alpha": alpha, "loss": loss, "error": 0.5, "n": 7}
        | {"loss_replicates": [loss - 1, loss + 1], "error_replicates": [0.5, 0.5]}
        for alpha, loss in losses.items()
    ]  # fmt: skip
    row = layout.filled(layout.ROW, **cell, seed=43)
    stored.write_frame(folder / row, pd.DataFrame(points))
    monkeypatch.chdir(tmp_path)
    lines = code("README.md")
    assert len([line for line in lines.splitlines() if line]) <= 10
    exec(lines, found := {})
    assert "0.5" in capsys.readouterr().out
    (line,) = found["axes"].get_lines()
    assert dict(zip(*line.get_data(), strict=True)) == losses
    (band,) = found["axes"].collections
    assert band.get_datalim(found["axes"].transData).y1 > 2.4


def test_the_lines_on_building_on_the_library(capsys):
    exec(code("docs/building_on.md"), found := {})
    assert found["curve"].converged
    assert "Gap(value=0.14" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "found"), [("none", "no such folder"), (".", r"no metrics\.csv in it")])
def test_a_folder_without_results_is_said(tmp_path, name, found):
    with pytest.raises(ConfigError, match=f"found {found}; allowed: the folder of an experiment"):
        results.read(tmp_path / name)
