"""Lines in some tensors alone: against plain Transformers, and where the truth is planted."""

import numpy as np
import pandas as pd
import pytest
import torch
from isthmus import errors
from isthmus.measuring import layering
from isthmus.measuring.layering import LayeredPair, layers
from isthmus.models import classifiers, hf_folders, weight_files
from isthmus.statistics import layers as statistics

from tests.unit import tiny

GROUPS = ["embeddings", "block 0", "block 1", "head"]


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    return tiny.Cell(tmp_path_factory.mktemp("layers") / "cell")


def job(cell, out="layers", groups="blocks", alphas=5, cache=2**30, **changes):
    sets = {"test": cell.sets["test"]}
    pair = LayeredPair(*cell.ends, sets, tiny.BUDGET, tiny.cpu(), cell.folder / out, cache)
    labels = {"model": "tiny", "dataset": "toy", "step": 100}
    path = cell.folder / f"{out}.parquet"
    layers(pair=pair, groups=groups, alphas=alphas, resampling=tiny.RESAMPLING, labels=labels, out=path)
    return pd.read_parquet(path), pair.engine.measured


@pytest.fixture(scope="module")
def measured(cell):
    return job(cell)[0]


def in_group(name, group):
    number = name.partition("layer.")[2].partition(".")[0]
    return group == (f"block {number}" if number else "embeddings" if "embeddings" in name else "head")


def plain(cell, moving, start, alpha):
    """The mean loss where some groups are on the line from one end, by one state dict and single examples."""
    own, other = (weight_files.load(cell.ends[i].folder / hf_folders.WEIGHTS) for i in (start, 1 - start))
    model = classifiers.open_classifier(cell.ends[0].folder, attention="eager")
    state = {
        name: (1 - alpha) * tensor + alpha * other[name] if any(in_group(name, g) for g in moving) else tensor
        for name, tensor in own.items()
    }
    model.load_state_dict(state, strict=False)
    examples, losses = cell.sets["test"], []
    with torch.no_grad():
        for (a, b), label in zip(
            zip(examples.offsets[:-1], examples.offsets[1:], strict=True), examples.labels, strict=True
        ):
            ids, types = (torch.tensor(x[a:b].astype(np.int64))[None] for x in (examples.ids, examples.types))
            logits = model(input_ids=ids, token_type_ids=types, attention_mask=torch.ones_like(ids)).logits
            losses.append(torch.nn.functional.cross_entropy(logits[0], torch.tensor(label)).item())
    return np.mean(losses)


@pytest.mark.parametrize(
    ("order", "group", "moving"),
    [
        *(("alone", group, [group]) for group in GROUPS),
        ("shallow", "block 0", GROUPS[:2]),
        ("shallow", "block 1", GROUPS[:3]),
        ("deep", "block 1", GROUPS[2:]),
        ("deep", "block 0", GROUPS[1:]),
    ],
)
def test_lines_are_those_of_plain_transformers(cell, measured, order, group, moving):
    mine = measured[(measured["order"] == order) & (measured["group"] == group)]
    assert len(mine) == 10
    for side, start in (("a", 0), ("b", 1)):
        for alpha in (0.0, 0.25, 1.0):
            row = mine[(mine["from"] == side) & (mine["alpha"] == alpha)].iloc[0]
            assert row["loss"] == pytest.approx(plain(cell, moving, start, alpha), abs=1e-5)


def test_all_lines_are_there(measured):
    found = set(zip(measured["order"], measured["group"], strict=True))
    assert found == {
        *(("alone", group) for group in GROUPS),
        *(("shallow", group) for group in GROUPS[:-1]),
        *(("deep", group) for group in GROUPS[1:]),
    }


def test_nothing_kept_gives_the_same_file(cell, measured):
    assert job(cell, "uncached", cache=0)[0].equals(measured)


def test_a_point_is_measured_once(cell, measured):
    again, count = job(cell)
    assert count == 0
    assert again.equals(measured)


def test_groups_of_one_s_own(cell):
    found, _ = job(cell, "own", groups={"queries": ["*.query.*"], "the rest": ["*.key.*", "*.value.*"]})
    assert set(found["group"]) == {"queries", "the rest"}
    assert set(found["order"]) == {"alone"}
    halves, _ = job(cell, "halves", groups="halves", alphas=3)
    assert list(dict.fromkeys(halves["group"])) == [
        "embeddings",
        *(f"block {i} {half}" for i in (0, 1) for half in ("attention", "feed-forward")),
        "head",
    ]


def test_of_an_architecture_that_is_not_tested_nothing_is_kept(cell, monkeypatch, capsys):
    known = job(cell, "known", alphas=3)[0]
    assert "not among the tested" not in capsys.readouterr().out
    monkeypatch.setattr(layering, "TESTED", ())
    monkeypatch.setattr(layering, "Prefix", None)  # calling it would fail
    pd.testing.assert_frame_equal(known, job(cell, "unknown", alphas=3)[0])
    assert "bert is not among the tested architectures" in capsys.readouterr().out


@pytest.mark.parametrize(("patterns", "found"), [(["*.nowhere.*"], "none"), (["*"], "all")])
def test_groups_of_no_tensor_or_all_are_refused(cell, patterns, found):
    with pytest.raises(errors.ConfigError, match=rf"layers\.groups\.mine: found .* which match {found} of"):
        job(cell, "bad", groups={"mine": patterns})


def test_where_one_block_differs_the_barrier_is_there(tmp_path):
    cell = tiny.Cell(tmp_path / "cell")
    a, b = (end.folder / hf_folders.WEIGHTS for end in cell.ends)
    state = weight_files.load(a)
    moved = {name: t for name, t in weight_files.load(b).items() if in_group(name, "block 1")}
    weight_files.save(state | moved, b)
    tiny.stored.write_json(b.parent / "checkpoint.json", {"sha256": tiny.hashing.of_file(b)})
    cell = tiny.Cell(tmp_path / "cell")
    rows = pd.DataFrame(statistics.pair(job(cell)[0]))
    loss = rows[rows["quantity"] == "loss"].set_index(["order", "group", "from", "metric"])["value"]
    for group in ("embeddings", "block 0", "head"):
        assert loss["alone", group, "a", "CG"] == pytest.approx(0, abs=1e-6)
        assert loss["alone", group, "a", "gain"] == pytest.approx(0, abs=1e-6)
    for name in ("shallow", "deep"):
        assert loss[name, "block 1", "a", "CG"] == pytest.approx(
            loss["alone", "block 1", "a", "CG"], abs=1e-6
        )
    assert loss["alone", "block 1", "a", "CG"] > 0.01
    # All of the difference is in it, so its line is the whole line, and the two chords are one.
    assert loss["alone", "block 1", "a", "BH"] > 0.01
    assert loss["alone", "block 1", "a", "BH_models"] == pytest.approx(
        loss["alone", "block 1", "a", "BH"], abs=1e-6
    )


def test_metrics_are_those_of_their_definitions():
    alphas, random = np.linspace(0, 1, 5), np.random.default_rng(0)
    curves, ends = random.random((20, 5)), random.random(20)
    found = statistics.line_metrics(alphas, curves, ends)
    for i, curve in enumerate(curves):
        own = curve - ((1 - alphas) * curve[0] + alphas * curve[-1])
        assert found["BH"][i] == pytest.approx(max(own))
        whole = curve - ((1 - alphas) * curve[0] + alphas * ends[i])
        assert found["BH_models"][i] == pytest.approx(max(whole[1:]))
        assert found["gain"][i] == pytest.approx((curve[0] + curve[-1]) / 2 - curve[2])
        assert found["CG"][i] >= found["BH"][i] - 1e-12


def test_parts_of_groups_that_follow_on_each_other():
    found = layering.parts(["e", "0", "h"])
    assert [(p.order, p.group, p.moving) for p in found] == [
        ("alone", "e", ("e",)),
        ("alone", "0", ("0",)),
        ("alone", "h", ("h",)),
        ("shallow", "e", ("e",)),
        ("shallow", "0", ("e", "0")),
        ("deep", "0", ("0", "h")),
        ("deep", "h", ("h",)),
    ]
