"""The figures that are promised are written, for two seeds and for 24, and the same bytes each time."""

import pandas as pd
import pytest
from isthmus.experiment import outputs
from isthmus.showing import along_figures, drawing, figures, fork_figures, heatmaps
from isthmus.statistics import tidy

from tests.unit.synthetic import Results, experiment


def _draw(results, folder):
    histories, rows = results.save(folder)
    figures.write(results.experiment, folder, folder / "figures", histories, rows)
    return {path.name for path in (folder / "figures").iterdir()}


def _promised(chosen):
    return {
        f"{figure.name}.{ending}" for figure in outputs.figures(chosen) for ending in outputs.FIGURE_FORMATS
    }


def test_one_pair_one_step_no_intervals_no_further_sets(tmp_path):
    chosen = experiment(seeds=(1, 2), checkpoints=(50,), further=False, cells=[["tiny_600", "paraphrase"]])
    assert _draw(Results(chosen, intervals=False), tmp_path) == _promised(chosen)


@pytest.mark.long
def test_many_seeds_make_no_large_files(tmp_path):
    chosen = experiment(seeds=range(1000, 1024), checkpoints=(50, 90), cells=[["tiny_600", "paraphrase"]])
    assert _draw(Results(chosen), tmp_path) == _promised(chosen)
    assert max(path.stat().st_size for path in (tmp_path / "figures").iterdir()) < 400_000


def test_the_same_numbers_make_the_same_bytes(tmp_path):
    chosen = experiment(
        seeds=(1, 2), checkpoints=(50,), cells=[["tiny_600", "paraphrase"]], figures={"dpi": 60}
    )
    histories, rows = Results(chosen).save(tmp_path)
    for folder in ("first", "second"):
        figures.write(chosen, tmp_path, tmp_path / folder, histories, rows)
    for name in _promised(chosen):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes(), name


@pytest.mark.long
def test_basins_and_generalisation_have_figures_where_there_are_runs_enough(tmp_path):
    cell = {"cells": [["tiny_600", "entailment"]]}
    chosen = experiment(seeds=range(8), checkpoints=(50,), **cell)
    assert outputs.Figure("generalisation", "entailment") in outputs.figures(chosen)
    results = Results(chosen, apart=True)
    assert _draw(results, tmp_path) == _promised(chosen)
    groups = heatmaps.in_basin_order(chosen, pd.read_csv(tmp_path / "basins.csv"), "tiny_600", "entailment")
    assert [seed % 2 for seed in groups] in ([0] * 4 + [1] * 4, [1] * 4 + [0] * 4)
    assert sorted(groups.values()) == [1] * 4 + [2] * 4


@pytest.mark.long
def test_models_called_like_numbers_or_missing_values_keep_their_basins(tmp_path, monkeypatch):
    rungs = {name: {"pretraining": "mlm", "pretraining_steps": n} for name, n in (("NA", 0), ("800", 600))}
    cells = [[model, "paraphrase"] for model in rungs]
    chosen = experiment(seeds=range(6), checkpoints=(50,), models=rungs, cells=cells)
    results, given = Results(chosen, apart=True), []
    draw = heatmaps.pair_heatmaps
    monkeypatch.setattr(heatmaps, "pair_heatmaps", lambda *a: given.append(a) or draw(*a))
    _draw(results, tmp_path)
    for model in rungs:
        groups = heatmaps.in_basin_order(chosen, given[0][2], model, "paraphrase")
        assert sorted(groups.values()) == [1] * 3 + [2] * 3


@pytest.mark.long
def test_forks_of_one_origin_make_a_figure(tmp_path):
    def fork(at):
        return {"pretraining": "mlm", "pretraining_steps": 600, "training": {"fork_at": at}}

    forks = {f"fork-{at}": fork(at) for at in (30, 0, 10)}
    forks["other"] = {"pretraining": "mlm", "pretraining_steps": 0, "training": {"fork_at": 10}}
    chosen = experiment(checkpoints=(50,), models=forks, cells=[[model, "paraphrase"] for model in forks])
    assert outputs.fork_panels(chosen) == [("paraphrase", ["fork-0", "fork-10", "fork-30"])]
    assert outputs.Figure("cg-over-fork") in outputs.figures(chosen)
    assert _draw(Results(chosen), tmp_path) == _promised(chosen)
    assert outputs.fork_panels(experiment()) == []


def test_pushes_of_one_origin_make_a_figure(tmp_path):
    def pushed(at, scale):
        own = {"perturb": {"at": at, "scale": scale}, "vary": []}
        return {"pretraining": "mlm", "pretraining_steps": 600, "training": own}

    models = {f"pushed-{at}-{scale}": pushed(at, scale) for at in (10, 0) for scale in (0.1, 0.01)}
    models["other"] = {"pretraining": "mlm", "pretraining_steps": 600}
    cells = [[model, "paraphrase"] for model in models]
    chosen = experiment(checkpoints=(50,), models=models, cells=cells)
    ordered = ["pushed-0-0.01", "pushed-0-0.1", "pushed-10-0.01", "pushed-10-0.1"]
    assert outputs.perturbation_panels(chosen) == [("paraphrase", ordered)]
    assert outputs.fork_panels(chosen) == []
    assert outputs.Figure("cg-over-perturbation") in outputs.figures(chosen)
    results = Results(chosen)
    figure = fork_figures.over_perturbation(chosen, tidy.convexity_gaps(results.metrics), results.pairs)
    gaps, apart = figure.axes
    ends = results.metrics[(results.metrics["step"] == 50) & (results.metrics["quantity"] == "loss")]
    ends = ends[(ends["set"] == "test") & (ends["metric"] == "CG")].groupby("model")["value"].mean()
    for line, at in zip(gaps.containers, (0, 10), strict=True):
        assert line.lines[0].get_xdata().tolist() == [0.01, 0.1]
        assert line.lines[0].get_ydata().tolist() == [ends[f"pushed-{at}-{scale}"] for scale in (0.01, 0.1)]
    assert apart.containers[0].lines[0].get_ydata().tolist() == [0.5, 0.5]
    assert _draw(results, tmp_path) == _promised(chosen)


def test_lines_along_runs_make_a_figure(tmp_path):
    chosen = experiment(checkpoints=(50, 100), cells=[["tiny_600", "paraphrase"]], paths={"along": True})
    assert outputs.Figure("along", "paraphrase") in outputs.figures(chosen)
    results = Results(chosen)
    (axis,) = along_figures.lines_along(chosen, results.along, "paraphrase").axes
    gap, gain = axis.lines[:2]
    assert gap.get_xdata().tolist() == gain.get_xdata().tolist() == [0, 50]
    assert gap.get_ydata() == pytest.approx([0.11, 0.06])  # the second of three runs is their mean
    assert gain.get_ydata() == pytest.approx([-0.011, -0.006])
    assert _draw(results, tmp_path) == _promised(chosen)


def test_a_model_keeps_its_colour():
    colours = [drawing.look(drawing.MODEL_COLOURS, index) for index in range(10)]
    assert len({(look["color"], look["linestyle"]) for look in colours}) == 10
