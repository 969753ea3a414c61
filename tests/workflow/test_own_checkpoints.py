"""Checkpoints that others trained: nothing is trained, everything is measured."""

import shutil

import numpy as np
import pandas as pd
import pytest
from isthmus.experiment import config
from safetensors.numpy import load_file

from tests.workflow.lab import NANO, Lab

TRAINING = ("seeds", "pretraining", "training", "keep_states")


def listed(*items):
    """The small experiment with a list of checkpoints in the place of its model."""
    own = {key: value for key, value in NANO.items() if key not in TRAINING}
    toy = {**NANO["datasets"]["toy"], "by": "label"}
    own |= {"experiment": "own", "models": {"given": {"checkpoints": list(items)}}, "datasets": {"toy": toy}}
    return own


@pytest.fixture(scope="module")
def given(nano, tmp_path_factory):
    """The small experiment's last checkpoints as folders of another program: with a tokenizer."""
    folder = tmp_path_factory.mktemp("given")
    for seed in (1, 2):
        target = folder / f"run{seed}"
        source = nano.results / f"checkpoints/tiny/toy/seed{seed}/step120"
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("checkpoint.json", "history.parquet"))
        for path in (nano.results / "models" / "tiny").glob("tokenizer*"):
            shutil.copy(path, target)
        (target / "special_tokens_map.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def own(repository, given, tmp_path_factory):
    """An experiment that lists them, run once."""
    items = [{"folder": str(given / f"run{seed}"), "name": f"run{seed}"} for seed in (1, 2)]
    lab = Lab(repository, tmp_path_factory.mktemp("own"), listed(*items))
    lab.run(None)
    return lab


def test_hub_checkpoints_are_planned_without_the_hub(repository, tmp_path):
    runs = [
        {"hub": f"me/run{seed}", "revision": f"step{step}", "seed": seed, "step": step}
        for seed in (5, 7, 9)
        for step in (0, 100, 200)
    ]
    planned = Lab(repository, tmp_path, listed(*runs)).dry_run(HF_ENDPOINT="http://127.0.0.1:9")
    assert {rule: len(jobs) for rule, jobs in planned.items()} == {
        "fetch_model": 1,
        "adopt": 9,
        "subset": 1,
        "breakdown": 1,
        "tokenize": 1,
        "evaluate": 9,
        "interpolate": 6,
        "average": 1,
        "examples": 1,
        "connectivity": 1,
        "basins": 1,
        "findings": 1,
        "collect": 1,
        "tables": 1,
        "figures": 1,
        "report": 1,
    }
    assert "dataset=toy model=given seed=9 step=200" in planned["adopt"]


@pytest.mark.rare
def test_they_are_measured_as_those_that_were_trained_here(own, nano):
    keys = ["set", "quantity", "metric", "alpha", "alphas"]
    values = ["value", "low", "high", "error", "chord_low", "chord_high"]
    found, expected = (pd.read_csv(lab.results / "metrics.csv") for lab in (own, nano))
    expected = expected[expected["step"] == 120].reset_index(drop=True)
    pd.testing.assert_frame_equal(found[keys + values], expected[keys + values])
    found, expected = (pd.read_csv(lab.results / "evaluations.csv") for lab in (own, nano))
    found = found[~found["set"].str.contains("/")].reset_index(drop=True)
    expected = expected[expected["step"] == 120].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        found[["seed", "set", "loss", "f1"]], expected[["seed", "set", "loss", "f1"]]
    )


@pytest.mark.rare
def test_distances_from_an_unknown_start_are_empty(own, nano):
    found, expected = (pd.read_csv(lab.results / "pairs.csv") for lab in (own, nano))
    assert found[["distance_a", "distance_b", "cosine"]].isna().all(axis=None)
    last = expected[expected["step"] == 120].iloc[0]
    assert found["distance"].tolist() == pytest.approx([last["distance"]], rel=1e-6)
    assert found["disagreement_test"].tolist() == [last["disagreement_test"]]


@pytest.fixture(scope="module")
def bodies(repository, nano, tmp_path_factory):
    """Runs that began from two bodies, the later seed listed first; their paths are measured once."""
    folder = tmp_path_factory.mktemp("bodies")
    runs = {(1, 0): "seed1/step0", (1, 9): "seed1/step120", (2, 0): "seed2/step60", (2, 9): "seed2/step120"}
    for (seed, step), source in runs.items():
        target = folder / f"run{seed}" / f"step{step}"
        source = nano.results / "checkpoints/tiny/toy" / source
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("checkpoint.json", "history.parquet"))
        for path in (nano.results / "models" / "tiny").glob("tokenizer*"):
            shutil.copy(path, target)
    items = [
        {"folder": str(folder / f"run{seed}/step{step}"), "seed": seed, "step": step}
        for seed in (2, 1)
        for step in (9, 0)  # the first one listed is where configuration and tokenizer come from
    ]
    config = NANO | {"experiment": "bodies", "models": NANO["models"] | {"given": {"checkpoints": items}}}
    lab = Lab(repository, tmp_path_factory.mktemp("bodies_lab"), config)
    paths = [f"paths/given/toy/step{step}/seed1.parquet" for step in (0, 9)]
    lab.run(None, *paths)
    return lab, folder


@pytest.mark.rare
def test_each_run_s_distance_is_from_its_own_start(bodies):
    lab, folder = bodies

    def body(seed, step):
        state = load_file(folder / f"run{seed}/step{step}/model.safetensors")
        return np.concatenate(
            [state[k].astype(float).ravel() for k in sorted(state) if k.startswith("bert.")]
        )

    for step in (0, 9):
        pair = pd.read_parquet(lab.results / f"paths/given/toy/step{step}/seed1.pairs.parquet").iloc[0]
        assert (pair["seed_a"], pair["seed_b"]) == (2, 1)
        assert pair["distance"] == pytest.approx(np.linalg.norm(body(2, step) - body(1, step)), rel=1e-6)
        assert pair["distance_a"] == pytest.approx(np.linalg.norm(body(2, step) - body(2, 0)), rel=1e-6)
        assert pair["distance_b"] == pytest.approx(np.linalg.norm(body(1, step) - body(1, 0)), rel=1e-6)
        assert np.isnan(pair["cosine"])


@pytest.mark.rare
def test_a_changed_start_of_one_run_measures_the_rows_again(bodies):
    lab, folder = bodies
    path = folder / "run2/step0/config.json"
    path.write_text(path.read_text() + "\n")
    row = "results/bodies/paths/given/toy/step9/seed1.parquet"
    planned = lab.dry_run(None, row)
    assert planned["adopt"] == {"dataset=toy model=given seed=2 step=0"}
    assert planned["interpolate"] == {"dataset=toy model=given seed=1 step=9"}


@pytest.fixture(scope="module")
def apart(repository, nano, tmp_path_factory):
    """Two runs with a gap between them: one that has learnt nothing yet, and one that has."""
    folder = tmp_path_factory.mktemp("apart")
    for seed, step in ((1, 0), (2, 60)):
        source = nano.results / f"checkpoints/tiny/toy/seed{seed}/step{step}"
        ignored = shutil.ignore_patterns("checkpoint.json", "history.parquet")
        shutil.copytree(source, folder / f"run{seed}", ignore=ignored)
        for path in (nano.results / "models" / "tiny").glob("tokenizer*"):
            shutil.copy(path, folder / f"run{seed}")
    lab = Lab(
        repository,
        tmp_path_factory.mktemp("apart_lab"),
        listed(*({"folder": str(folder / f"run{n}"), "seed": n} for n in (1, 2))),
    )
    lab.run(None, "concentration.csv")
    return lab


EXAMPLES, EXAMPLES_LOG = "examples/given/toy.parquet", "logs/examples/given-toy.log"


@pytest.mark.rare
def test_rises_of_examples_add_up_to_the_gap(apart):
    found, metrics = pd.read_parquet(apart.results / EXAMPLES), pd.read_csv(apart.results / "metrics.csv")
    (gap,) = metrics.query("set == 'test' and quantity == 'loss' and metric == 'CG'").to_dict("records")
    assert gap["value"] > 0.005
    assert found["rise"].sum() / found["count"].sum() == pytest.approx(gap["value"], abs=1e-6)
    place = ["alpha", "chord_low", "chord_high"]
    assert (found[place] == [gap[name] for name in place]).all(axis=None)
    rows = pd.read_parquet(apart.results / "data/toy/test.parquet")
    assert found[["id", "label"]].values.tolist() == rows[["id", "label"]].values.tolist()
    ends = [pd.read_parquet(apart.results / f"evaluations/given/toy/seed{n}/step1.parquet") for n in (1, 2)]
    losses = np.mean([end[end["set"] == "test"]["loss"] for end in ends], axis=0)
    assert np.allclose(found["end_loss"], losses, atol=1e-5)
    shares, falling = pd.read_csv(apart.results / "concentration.csv"), np.sort(found["rise"])[::-1]
    assert shares["share_of_units"].tolist() == [0.01, 0.05, 0.1]
    for row in shares.itertuples():
        assert row.units == max(1, round(row.share_of_units * len(found)))
        assert row.share_of_gap == pytest.approx(falling[: row.units].sum() / falling.sum(), rel=1e-4)


@pytest.mark.rare
def test_examples_come_from_the_journal_or_are_measured_again_to_the_same_bytes(apart):
    before, log = (apart.results / EXAMPLES).read_bytes(), apart.results / EXAMPLES_LOG
    assert "\n0 measurements made" in log.read_text()
    (apart.results / EXAMPLES).unlink()
    shutil.rmtree(apart.results / "journal")
    apart.run(None, EXAMPLES)
    assert "\n0 measurements made" not in log.read_text()
    assert (apart.results / EXAMPLES).read_bytes() == before


@pytest.mark.rare
def test_tables_figures_and_report_are_there(own):
    report = (own.results / "report.html").read_text()
    assert "the only checkpoint" in report
    assert "were trained elsewhere" in report
    assert {path.name for path in (own.results / "figures").glob("*.png")} == {
        "averages-toy.png",
        "cg-over-finetuning.png",
        "curves-toy-given.png",
        "pairs-toy.png",
    }
    assert "given" in (own.results / "tables" / "toy.md").read_text()
    assert not list(own.results.glob("state"))


@pytest.mark.rare
def test_evaluations_are_broken_down_by_a_column(own):
    found = pd.read_csv(own.results / "evaluations.csv").set_index(["seed", "set"])
    labels = ("not_paraphrase", "paraphrase")
    for seed in (1, 2):
        whole, parts = found.loc[(seed, "test")], [found.loc[(seed, f"test/{label}")] for label in labels]
        assert sum(part["n"] for part in parts) == whole["n"]
        right = sum(part["n"] * part["accuracy"] for part in parts)
        assert right == pytest.approx(whole["n"] * whole["accuracy"])
    assert "test/paraphrase" in (own.results / "tables" / "evaluations.md").read_text()


@pytest.mark.rare
def test_another_breakdown_measures_nothing_again(own):
    planned = own.dry_run({"datasets.toy.by": "text_a"})
    assert set(planned) == {"breakdown", "collect", "findings", "tables", "figures", "report"}


@pytest.mark.rare
def test_a_change_of_one_folder_measures_that_run_again_only(own, given):
    path = given / "run2" / "config.json"
    path.write_text(path.read_text() + "\n")
    planned = own.dry_run()
    assert planned["adopt"] == {"dataset=toy model=given seed=2 step=1"}
    assert planned["evaluate"] == {"dataset=toy model=given seed=2 step=1"}
    assert "fetch_model" not in planned


@pytest.mark.rare
def test_so_does_a_change_of_a_tokenizer_s_lesser_file(own, given):
    (given / "run1" / "special_tokens_map.json").write_text("{ }")
    planned = own.dry_run()
    assert "dataset=toy model=given seed=1 step=1" in planned["adopt"]
    assert "fetch_model" in planned  # the first one's tokenizer makes the tokens for all


CHECKPOINTS = [{"hub": "a/b", "seed": 1}, {"hub": "a/c", "seed": 2}]


@pytest.mark.parametrize(
    ("items", "said"),
    [
        (CHECKPOINTS[:1], "checkpoints: found 1 run; allowed: two or more"),
        (
            [*CHECKPOINTS, {"hub": "a/d", "name": "x"}],
            "a seed for each, or a name for each, or neither for any",
        ),
        ([*CHECKPOINTS, CHECKPOINTS[0]], "found a run with one step twice; allowed: each step once"),
        (
            [*CHECKPOINTS, {"hub": "a/d", "seed": 3, "step": 5}],
            r"the run 3 has the steps \[5\]; allowed: .* \[1\]",
        ),
        ([{"seed": 1}, {"seed": 2}], "checkpoints.0: found no origin; allowed: exactly one of hub, folder"),
        ([{"hub": "a/b", "sed": 1}], r"checkpoints.0.sed: unknown key \(did you mean 'seed'\?\)"),
    ],
)
def test_a_mistake_in_the_list_is_named(items, said):
    with pytest.raises(config.ConfigError, match=f"models.given.*{said}"):
        config.load(listed(*items))


def test_a_folder_that_is_missing_is_named(repository, tmp_path):
    lab = Lab(repository, tmp_path, listed({"folder": "absent"}, {"folder": "gone"}))
    said = lab.call(None, "--dry-run").stdout
    assert "models.given.checkpoints.0.folder: found no folder absent" in said
    assert "Traceback" not in said


def test_runs_without_seeds_are_counted():
    names = config.load(listed({"hub": "a/x", "name": "x"}, {"hub": "a/y", "name": "y"})).cell_runs(
        "given", "toy"
    )
    assert names == {1: "x", 2: "y"}
    assert config.load(listed({"hub": "a/x"}, {"hub": "a/y"})).cell_runs("given", "toy") == {1: "1", 2: "2"}
