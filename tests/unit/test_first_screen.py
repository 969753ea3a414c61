"""The first screen: chips, pictures of the paths, words that are explained, colours that can be read."""

import re
from math import nan
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isthmus.showing import colours, drawing, multiples, report
from isthmus.showing.glossary import MEANINGS, Glossary
from isthmus.showing.report import Cell, Gap
from markupsafe import Markup

NEGLIGIBLE = SimpleNamespace(loss=0.02, error=0.02)


def cell(model, mean, low, high, values=(0.1, 0.2, 0.3), accuracy=0.8, **more):
    """A cell whose gap over seeds and units is known."""
    gap = Gap(mean, low, high, "seeds and units", values, cross_fitted_low=low, seeds=3, **more)
    none = Gap(nan)
    return Cell("toy", model, 10, 20, none, none, gap, None, none, accuracy, 0.5, 0.7)


@pytest.mark.parametrize(
    ("gap", "text", "kind"),
    [
        ((0.2, 0.1, 0.3), "Not connected · 3 of 3 pairs · 3 seeds", "apart"),
        ((0.01, 0.0, 0.015, (0.01, 0.01, 0.03)), "Connected · 2 of 3 pairs · 3 seeds", "connected"),
        ((0.2, -0.1, 0.5), "Cannot be told · 3 of 3 pairs above 0.02 · 3 seeds", "open"),
    ],
)
def test_a_chip_says_verdict_pairs_and_seeds(gap, text, kind):
    (chip,) = report.chips([cell("a", *gap), cell("a", *gap)][:1], NEGLIGIBLE)
    assert (chip.text, chip.kind) == (text, kind)
    assert "0.02 nats" in chip.meaning


def test_models_with_one_answer_share_a_chip_and_others_do_not():
    apart, near = cell("a", 0.2, 0.1, 0.3), cell("b", 0.01, 0.0, 0.015, (0.01, 0.01, 0.01))
    (both,) = report.chips([apart, cell("b", 0.3, 0.1, 0.5)], NEGLIGIBLE)
    assert both.text == "Not connected · 6 of 6 pairs · 3 seeds"
    assert [chip.text for chip in report.chips([apart, near], NEGLIGIBLE)] == [
        "a: not connected · 3 of 3 pairs · 3 seeds",
        "b: connected · 3 of 3 pairs · 3 seeds",
    ]


@pytest.mark.parametrize(
    ("changed", "start"),
    [
        ({"accuracy": 0.4}, "Not judged"),
        ({"accuracy": nan}, "Not judged"),
        ({"untested": "two seeds"}, "Not tested over seeds · 3 of 3 pairs above 0.02"),
    ],
)
def test_where_nothing_can_be_said_the_chip_says_so(changed, start):
    (chip,) = report.chips([cell("a", 0.2, 0.1, 0.3, **changed)], NEGLIGIBLE)
    assert chip.text.startswith(start)
    assert chip.kind == "open"
    (none,) = report.chips([cell("a", nan, nan, nan, ())], NEGLIGIBLE)
    assert none.text == "Not measured"


# --------------------------------------------------------------------------------------------- the pictures


def path(losses):
    """A path as the page's curves hold it."""
    alphas = np.linspace(0, 1, len(losses))
    return {
        "alpha": np.rint(alphas * 1e6).astype(int).tolist(),
        "sets": {"test": {"loss": np.rint(np.array(losses) * 1e5).astype(int).tolist()}},
    }


def measured(model="m", steps=(0, 5), mean=(0.0, 0.4)):
    stats = {"test": {"loss": {"CG": {"mean": list(mean)}}}}
    return {"model": model, "dataset": "toy", "steps": list(steps), "stats": stats}


def at(points):
    return np.array([[float(v) for v in point.split(",")] for point in points.split()])


def test_panels_hold_the_curves_their_mean_and_its_gap():
    hill, low = [1.0, 1.6, 1.0], [1.0, 1.2, 1.0]
    curves = {0: {0: {0: path([2.0, 2.0, 2.0])}, 5: {0: path(hill), 1: path(low)}}}
    shown = multiples.multiples(None, "toy", [measured()], curves)
    (((model, _, (first, last)),), steps) = shown.rows, [step for step, _ in shown.steps]
    assert (model, steps) == ("m", [0, 5])
    assert (first.label, first.gap) == ("CG 0", None)
    assert last.label == "CG 0.400"
    assert len(last.lines) == 2
    mean = at(last.mean)
    # Heights are losses on one scale for all panels: twice as far down is twice as much less.
    top, ends = mean[:, 1].min(), mean[0, 1]
    flat = at(first.mean)[:, 1]
    assert np.ptp(flat) == 0
    assert (ends - flat[0]) / (top - flat[0]) == pytest.approx((2.0 - 1.0) / (2.0 - 1.4), abs=0.01)
    x, peak, chord = last.gap
    assert (x, peak, chord) == pytest.approx((mean[20, 0], top, ends), abs=0.11)
    each = [at(line)[:, 1].min() for line in last.lines]
    assert sum(each) / 2 == pytest.approx(top, abs=0.11)
    assert "m at step 5: CG 0.400" in shown.words


def test_of_many_pairs_the_range_is_drawn_and_of_many_steps_some():
    steps = tuple(range(0, 90, 10))
    curves = {0: {step: {pair: path([1.0, 1.0 + pair / 50, 1.0]) for pair in range(40)} for step in steps}}
    shown = multiples.multiples(None, "toy", [measured(steps=steps, mean=[0.3] * 9)], curves)
    assert [step for step, _ in shown.steps] == [0, 30, 50, 80]
    panel = shown.rows[0][2][0]
    assert panel.lines == []
    ys = at(panel.band)[:, 1]
    assert ys.min() < at(panel.mean)[:, 1].min() < ys.max()


def test_nothing_measured_is_no_picture():
    assert multiples.multiples(None, "toy", [measured()], {}) is None
    only_train = {"alpha": [0, 1000000], "sets": {"train": {"loss": [1, 2]}}}
    assert multiples.multiples(None, "toy", [measured()], {0: {5: {0: only_train}}}) is None


# ------------------------------------------------------------------------------------------ words and colours


def test_a_term_is_explained_each_time_and_reached_once():
    explained = Glossary()
    text = str(explained("A chord, and again a chord; rechord <b>")) + str(explained(Markup("<i>chord</i>")))
    assert text.count('class="term"') == 3
    assert text.count('tabindex="0"') == 1
    assert "rechord &lt;b&gt;" in text
    assert "<i><span" in text


@given(st.text(alphabet="<>&\"' chordCGBH", max_size=60))
def test_text_stays_what_it_was_and_cannot_become_markup(text):
    shown = str(Glossary()(text))
    bare = re.sub(r'<span class="term"[^>]*>|</span>', "", shown)
    assert Markup(bare).unescape() == text
    assert "<" not in bare


def test_every_meaning_is_a_sentence():
    assert all(meaning[0].isupper() and meaning.endswith(".") for meaning in MEANINGS.values())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_model_colours_can_be_read(scheme):
    ground = colours.channels(colours.GROUNDS[scheme])
    for colour in drawing.MODEL_COLOURS:
        assert colours.contrast(colours.channels(colours.readable(colour, scheme)), ground) >= 4.5
    assert colours.contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert colours.contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)
