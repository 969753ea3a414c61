"""What figures say: pairs, runs, models, intervals and baselines by name, as text that nothing hides."""

import re

import matplotlib
import numpy as np
import pandas as pd
import pytest
from isthmus.experiment import outputs
from isthmus.showing import drawing, figures, fork_figures, layer_figures, lettering, naming, path_figures
from isthmus.statistics import tidy
from PIL import Image

from tests.unit import drawn
from tests.unit.synthetic import Results, experiment

MODEL, DATASET = "a-rather-long-name-of-a-model-with-40-ch{}", "a_rather_long_name_of_a_data_set_in_40_c{}"


def scene(models=1, seeds=3, steps=3, adapter=False, **changes):
    """An experiment with every kind of figure that so many models and seeds may have, and long names."""
    names = [MODEL.format(index) for index in range(models)]
    rungs = {name: {"pretraining": "mlm", "pretraining_steps": 200 * i} for i, name in enumerate(names)}
    toy = {"kind": "toy", "task": "entailment", "rows": 500}
    first = 42 if seeds < 10 else 1000
    chosen = {"map": True, "paths": {"along": True}, "averages": {"at": "last"}}
    if adapter:
        rungs[names[-1]]["adapter"] = {"rank": 2}
    else:
        chosen |= {"layers": {"pairs": "all"}, "curves": [{"pairs": "all" if seeds < 5 else "first"}]}
    if seeds > 2:
        through = [[first, 0], [first, "last"], [first + 1, "last"]]
        chosen["planes"] = [{"seeds": "first", "resolution": 5}, {"through": through, "resolution": 5}]
    return experiment(
        seeds=range(first, first + seeds),
        checkpoints=[100 * (step + 1) for step in range(steps - 1)],
        models=rungs,
        datasets={
            DATASET.format(1): {"source": toy, "sets": {"overlap": {"source": toy | {"shifted": True}}}},
            DATASET.format(2): {"source": toy | {"task": "paraphrase"}},
        },
        cells=[[name, DATASET.format(1)] for name in names] + [[names[-1], DATASET.format(2)]] * (models > 1),
        **chosen | changes,
    )


def drawings(chosen, folder, **kind):
    """(name, figure) of each figure of made-up results, within the look of figures."""
    results = Results(chosen, **kind)
    histories, rows = results.save(folder)
    others = results.planes(folder), results.maps(folder), results.curves(folder) if chosen.curves else []
    measured = figures.read(folder, histories, rows, *others)
    for wanted in outputs.figures(chosen):
        with matplotlib.rc_context(drawing.RC):
            yield wanted, figures.draw(chosen, measured, wanted)


CASES = {
    "a pair": {"seeds": 2, "steps": 2},
    "few": {"models": 2},
    "three models, six seeds": {"models": 3, "seeds": 6, "steps": 9},
    "adapters": {"models": 3, "adapter": True},
    "many seeds": {"models": 3, "seeds": 24, "steps": 5},
}


@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=[] if name in ("a pair",) else pytest.mark.long) for name in CASES]
)
def test_no_text_is_cut_off_or_pale_or_stands_on_another(case, tmp_path):
    kinds, wrong = set(), {}
    for wanted, figure in drawings(scene(**CASES[case]), tmp_path, apart=case != "few"):
        kinds.add(wanted.kind)
        found = drawn.texts(figure)
        assert len(found) > 5, wanted
        wrong[wanted.name] = drawn.cut_off(figure, found) + drawn.overlapping(found)
        on_colours = {
            text.get_text() for axis in figure.axes for text in axis.texts if wanted.kind == "pairs"
        }
        pale = [one.text for one in found if one.text not in on_colours and drawn.contrast(one.colour) < 4.5]
        wrong[wanted.name] += pale
    assert {name: texts for name, texts in wrong.items() if texts} == {}
    assert {"training", "cg-over-finetuning", "pairs", "map", "along", "curves"} <= kinds
    assert ("generalisation" in kinds) == (CASES[case].get("seeds", 3) >= 6)
    assert ("adapters" in kinds) == (case == "adapters") == ("barriers" not in kinds)


@pytest.mark.parametrize("kind", ["fork", "perturbation"])
def test_no_text_is_cut_off_where_seeds_are_one_run_at_first(kind):
    def own(at, scale):
        push = {"perturb": {"at": at, "scale": scale}, "vary": []}
        return push if kind == "perturbation" else {"fork_at": at}

    rung = {"pretraining": "mlm", "pretraining_steps": 600}
    scales = (0.001, 0.1) if kind == "perturbation" else (1,)
    models = {
        MODEL.format(f"{at}-{scale}"): rung | {"training": own(at, scale)}
        for at in (0, 10, 30)
        for scale in scales
    }
    chosen = experiment(checkpoints=(50,), models=models, cells=[[model, "paraphrase"] for model in models])
    results = Results(chosen)
    gaps = tidy.convexity_gaps(results.metrics)
    with matplotlib.rc_context(drawing.RC):
        if kind == "fork":
            figure = fork_figures.over_fork(chosen, gaps)
        else:
            figure = fork_figures.over_perturbation(chosen, gaps, results.pairs)
        found = drawn.texts(figure)
    assert drawn.cut_off(figure, found) == drawn.overlapping(found) == []
    said = " ".join(one.text for one in found).replace("\n", " ")
    assert "3 pairs" in said
    assert said.count("CG: mean over pairs, 95 % interval over seeds and evaluation units") == 1


def test_overlaps_and_cuts_are_noticed():
    figure, (axis,) = drawing.panels(1)
    axis.text(0.5, 0.5, "one")
    axis.text(0.52, 0.5, "other")
    figure.text(0.8, 0.98, "a long text that leaves the figure")
    found = drawn.texts(figure)
    assert drawn.overlapping(found) == [("one", "other")]
    assert drawn.cut_off(figure, found) == ["a long text that leaves the figure"]
    assert drawn.contrast("black") == pytest.approx(21)
    assert drawn.contrast("#777777") == pytest.approx(4.48, abs=0.01)


def test_an_svg_holds_its_text_and_a_png_its_dots(tmp_path):
    chosen = experiment(seeds=(1, 2), checkpoints=(50,), cells=[["tiny_600", "paraphrase"]])
    histories, rows = Results(chosen).save(tmp_path)
    figures.write(chosen, tmp_path, tmp_path / "figures", histories, rows)
    for wanted in outputs.figures(chosen):
        svg = (tmp_path / "figures" / f"{wanted.name}.svg").read_text()
        assert "DejaVuSans-" not in svg, "glyphs are drawn"
        families = set(re.findall(r"font-family: ([^;\"]+)", svg))
        assert families == {"'DejaVu Sans', 'Verdana', 'Geneva', 'Arial', 'Helvetica', sans-serif"}
        with Image.open(tmp_path / "figures" / f"{wanted.name}.png") as image:
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_few_pairs_have_names_and_many_a_number(tmp_path):
    cells = {"cells": [["tiny_600", "paraphrase"]], "checkpoints": (50,)}
    names = {}
    for seeds, much in ((4, "few"), (5, "many")):
        results = Results(experiment(seeds=range(7, 7 + seeds), **cells))
        points = pd.DataFrame(results.points).query("set == 'test'")
        gaps = tidy.convexity_gaps(results.metrics)
        with matplotlib.rc_context(drawing.RC):
            path_figures.path_curves(results.experiment, gaps, points, "tiny_600", "paraphrase").savefig(
                tmp_path / f"{much}.svg"
            )
        names[much] = drawn.svg_texts(tmp_path / f"{much}.svg")
    pairs = [f"pair ({a}, {b})" for a, b in ((7, 8), (7, 9), (7, 10), (8, 9), (8, 10), (9, 10))]
    assert [name for name in names["few"] if name in pairs] == pairs
    assert names["many"].count("10 pairs") == 1
    assert not set(pairs) & set(names["many"])
    for found in names.values():
        assert any(text.startswith("tiny_600 on paraphrase") for text in found)
        assert found.count("chord") == found.count("convexity gap CG") == 1


def test_the_bold_line_is_the_mean_and_the_black_one_the_pair_that_is_named(tmp_path):
    chosen = experiment(seeds=range(5), checkpoints=(50,), cells=[["tiny_600", "paraphrase"]])
    results = Results(chosen)
    points = pd.DataFrame(results.points).query("set == 'test'")
    gaps = tidy.convexity_gaps(results.metrics)
    axis = path_figures.path_curves(chosen, gaps, points, "tiny_600", "paraphrase").axes[1]
    bold, black = axis.lines[:2]
    last = points[points["step"] == 50]
    assert bold.get_ydata() == pytest.approx(last.groupby("alpha")["loss"].mean())
    middle = gaps[gaps["step"] == 50].sort_values("value").iloc[5]
    own = last[(last["seed_a"] == middle["seed_a"]) & (last["seed_b"] == middle["seed_b"])]
    assert black.get_ydata() == pytest.approx(own.sort_values("alpha")["loss"])
    assert f"({middle['seed_a']}, {middle['seed_b']})" in axis.get_title().replace("\n", " ")
    assert len(axis.collections[0].get_segments()) == 10


OVER = {
    "seeds and units": ({"seeds": (1, 2, 3)}, True, "seeds and evaluation units"),
    "units": ({"seeds": (1, 2)}, True, "evaluation units"),
    "seeds": ({"seeds": (1, 2, 3)}, False, "seeds"),
    "none": ({"seeds": (1, 2)}, False, None),
}


@pytest.mark.parametrize("case", OVER)
def test_one_entry_says_which_interval(case, tmp_path):
    seeds, intervals, over = OVER[case]
    results = Results(experiment(checkpoints=(50,), **seeds), intervals=intervals)
    gaps = tidy.convexity_gaps(results.metrics)
    with matplotlib.rc_context(drawing.RC):
        figure = figures.over_finetuning(results.experiment, gaps)
        assert len(figure.axes) == 2
        (legend,) = figure.legends
        figure.savefig(tmp_path / "figure.svg")
    said = [text for text in drawn.svg_texts(tmp_path / "figure.svg") if "95 %" in text]
    assert len(said) == (over is not None)
    assert over is None or said[0].endswith(f"95 % interval over {over}")
    assert over is None or ("mean over pairs" in said[0]) == (len(seeds["seeds"]) > 2)
    labels = [text.get_text() for text in legend.get_texts()]
    assert ("least to largest of the pairs" in labels) == (len(seeds["seeds"]) > 2)
    assert {"tiny-0", "tiny_600"} <= set(labels)


def test_intervals_of_two_kinds_are_both_named():
    stats = pd.DataFrame(
        {"mean": [1.0, 1], "both_low": [0.9, np.nan], "low": [0.8, 0.7], "seeds_low": np.nan}
    )
    assert (
        naming.over(stats) == "95 % interval over seeds and evaluation units, elsewhere over evaluation units"
    )


def test_an_interval_below_zero_is_shown_whole():
    results = Results(experiment(checkpoints=(50,), cells=[["tiny_600", "paraphrase"]]))
    gaps = tidy.convexity_gaps(results.metrics).assign(both_low=-0.4)
    (axis,) = figures.over_finetuning(results.experiment, gaps).axes
    assert axis.get_ylim()[0] <= -0.4


def test_a_training_figure_names_its_run_and_what_it_has_to_beat():
    chosen = experiment(seeds=(7, 8), checkpoints=(50,))
    scores = Results(chosen).evaluations
    scores.loc[scores["dataset"] == "paraphrase", "majority"] = 0.41
    figure = figures.training(chosen, scores, [])
    assert figure.get_suptitle() == "One run a data set: tiny_600, seed 7"
    levels = {
        line.get_ydata()[0]: line.get_color() for line in figure.axes[3].lines if line.get_linestyle() == ":"
    }
    assert levels == {0.34: drawing.DATASET_COLOURS[0], 0.41: drawing.DATASET_COLOURS[1]}
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels.count("accuracy: the majority class") == 1
    band = figure.axes[3].collections[0].get_paths()[0].vertices[:, 1]
    own = scores.query("model == 'tiny_600' and dataset == 'entailment' and seed == 7 and set == 'test'")
    assert (band.min(), band.max()) == pytest.approx((own["accuracy_low"].min(), own["accuracy_high"].max()))


def test_a_language_model_is_shown_against_where_it_began():
    source = {"kind": "toy", "task": "stories", "rows": 60}
    text = {"source": source, "task": "causal_lm", "block_size": 50}
    decoder = {"architecture": "gpt2", "training": {"steps": 600, "warmup_steps": 10}}
    chosen = experiment(
        checkpoints=(50,),
        pretraining={"clm": decoder},
        models={"own": {"pretraining": "clm", "pretraining_steps": 600}},
        datasets={"text": text},
        cells=[["own", "text"]],
    )
    scores = Results(chosen).evaluations
    scores["perplexity"] = np.exp(scores["loss"])
    figure = figures.training(chosen, scores, [])
    _, loss, perplexity, accuracy = figure.axes
    levels = [
        [line.get_ydata()[0] for line in axis.lines if line.get_linestyle() == ":"] for axis in figure.axes
    ]
    assert levels == [[], [1.1], [pytest.approx(np.exp(1.1))], [0.34]]
    assert [axis.get_ylabel() for axis in (loss, perplexity, accuracy)] == [
        "test loss (nats/token)", "perplexity, test set", "token accuracy, test set",
    ]  # fmt: skip
    said = " ".join(text.get_text() for text in figure.legends[0].get_texts()).replace("\n", " ")
    assert "accuracy: the better of step 0 and the commonest token; loss, perplexity: step 0" in said


def test_few_values_are_dots():
    rows = pd.DataFrame(
        [{"group": g, "order": "alone", "value": v} for g in ("block 0", "head") for v in (0.1, 0.2, 0.4)]
    )
    _, (axis,) = drawing.panels(1)
    assert layer_figures.draw(axis, rows) == {"each pair and end"}
    assert sorted(axis.lines[0].get_ydata()) == [0.1, 0.1, 0.2, 0.2, 0.4, 0.4]
    assert [bar.get_height() for bar in axis.patches] == pytest.approx([0.7 / 3] * 2)
    _, (axis,) = drawing.panels(1)
    assert layer_figures.draw(axis, pd.concat([rows, rows])) == {"least to largest"}
    (whiskers,) = (bars for bars in axis.containers if hasattr(bars, "has_yerr"))
    assert np.array(whiskers.lines[2][0].get_segments())[:, :, 1] == pytest.approx(np.array([[0.1, 0.4]] * 2))


def test_pairs_by_cell():
    chosen = experiment(seeds=(1, 2, 3), checkpoints=(50,), pairs="first")
    results = Results(chosen)
    cells = [("tiny-0", "entailment"), ("tiny_600", "entailment")]
    assert naming.pairs(chosen, cells, results.metrics) == "2 pairs"
    one = results.metrics[results.metrics["seed_b"] == 2]
    assert naming.pairs(chosen, cells, one) == "pair (1, 2)"
    odd = pd.concat([one, results.metrics[results.metrics["model"] == "tiny-0"]])
    assert naming.pairs(chosen, cells, odd) == "1 to 2 pairs"
    assert naming.pairs(chosen, [("tiny_600", "paraphrase")], odd[:0]) == ""


@pytest.mark.parametrize("room", [40, 90, 200])
def test_wrapped_lines_fit_and_lose_nothing(room):
    text = (
        "a-rather-long-name-of-a-model on another_name.v2: step 1,000, mean CG 0.123 and a_wordwithoutanymark"
    )
    lines = lettering.wrapped(text, room, 8).split("\n")
    assert max(lettering.width(line, 8) for line in lines) <= room
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert not any(line.endswith("0.") for line in lines), "a number is broken"


def test_names_beside_crowded_points_keep_apart():
    points = [(0.5 + 0.01 * (i % 5), 0.5 + 0.01 * (i // 5), f"run {i}") for i in range(15)]
    figure, (axis,) = drawing.panels(1)
    axis.plot([0, 1], [0, 1])
    figure.draw_without_rendering()
    lettering.beside(axis, points)
    found = [one for one in drawn.texts(figure) if one.text.startswith("run")]
    assert len(found) == 15
    assert drawn.overlapping(found) == []


def test_looks_are_told_apart_without_colours():
    looks = [drawing.look(drawing.MODEL_COLOURS, index) for index in range(14)]
    assert len({(look["marker"], look["linestyle"]) for look in looks}) == 14
