"""What re-runs when: for each change the exact jobs, and that what runs measures nothing that is known."""

import os
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pandas as pd
import pytest
from isthmus.caches.journal import Journal
from isthmus.experiment import outputs

REDUCTIONS = {
    "connectivity": {"dataset=toy model=tiny"},
    "basins": {"dataset=toy model=tiny"},
    "collect": {""},
    "findings": {""},
    "tables": {""},
    "figures": {""},
    "report": {""},
}
COLLECTED = {rule: REDUCTIONS[rule] for rule in ("collect", "findings", "tables", "figures", "report")}
SHOWN = {rule: {""} for rule in ("figures", "report")}
STEPS = (0, 60, 120)
TINY = {"pretraining": "small", "pretraining_steps": 10}
SHIFTED = {"source": {"kind": "toy", "task": "paraphrase", "rows": 40, "seed": 1, "shifted": True}}
ENTAILMENT = {"source": {"kind": "toy", "task": "entailment", "rows": 100}}
# Where code trains and measures.
FOLDERS = ("caches", "data", "machine", "measuring", "models", "space", "tasks", "training")


def cells(seeds=(1, 2), steps=STEPS, model="tiny", dataset="toy"):
    return {
        f"dataset={dataset} model={model} seed={seed} step={step}" for seed, step in product(seeds, steps)
    }


def runs(seeds=(1, 2), model="tiny", dataset="toy"):
    return {f"dataset={dataset} model={model} seed={seed}" for seed in seeds}


def averages(*steps, model="tiny", dataset="toy"):
    return {"average": {f"dataset={dataset} model={model} step={step}" for step in steps or [120]}}


def examples(model="tiny", dataset="toy"):
    return {"examples": {f"dataset={dataset} model={model}"}}


def whole_cell(model="tiny", dataset="toy"):
    """All that a cell of its own needs, once data, model and tokens are there."""
    where = {"model": model, "dataset": dataset}
    return {
        "initialize": runs(**where),
        "finetune": cells(steps=(60, 120), **where),
        "evaluate": cells(**where),
        "interpolate": cells([2], **where),
        **averages(**where),
        **examples(**where),
        "connectivity": {f"dataset={dataset} model={model}"},
        "basins": {f"dataset={dataset} model={model}"},
        **COLLECTED,
    }


# Each change of the config, and exactly what runs after it.
CHANGES = {
    "nothing": ({}, {}),
    "a seed at the end": (
        {"seeds": [1, 2, 3]},
        {
            "initialize": runs([3]),
            "finetune": cells([3], (60, 120)),
            "evaluate": cells([3]),
            "interpolate": cells([3]),
            **averages(),
            **examples(),
            **REDUCTIONS,
        },
    ),
    "a checkpoint after the last": (
        {"training.checkpoints": [60, 120, 150]},
        {
            "finetune": cells(steps=[150]),
            "evaluate": cells(steps=[150]),
            "interpolate": cells([2], [150]),
            **averages(150),
            **examples(),
            **REDUCTIONS,
        },
    ),
    "a checkpoint between two": (
        {"training.checkpoints": [60, 90, 120]},
        {
            "finetune": cells(steps=[90, 120]),
            "evaluate": cells(steps=[90, 120]),
            "interpolate": cells([2], [90, 120]),
            **averages(),
            **examples(),
            **REDUCTIONS,
        },
    ),
    "a data set": (
        {"datasets.other": ENTAILMENT},
        {
            "subset": {"dataset=other"},
            "tokenize": {"dataset=other model=tiny"},
            **whole_cell(dataset="other"),
        },
    ),
    "a data set of running text": (
        {
            "datasets.notes": {
                "task": "masked_lm",
                "source": {"kind": "toy", "task": "stories", "rows": 100},
                "block_size": 32,
            }
        },
        {
            "subset": {"dataset=notes"},
            "blocks": {"dataset=notes model=tiny"},
            **whole_cell(dataset="notes"),
        },
    ),
    "a model": (
        {"models.raw": {"pretraining": "small", "pretraining_steps": 0}},
        {"pretrain": {"model=raw"}, "tokenize": {"dataset=toy model=raw"}, **whole_cell("raw")},
    ),
    "a further rung": (
        {"models.tiny-20": {"pretraining": "small", "pretraining_steps": 20}},
        {"pretrain": {"model=tiny-20"}, "tokenize": {"dataset=toy model=tiny-20"}, **whole_cell("tiny-20")},
    ),
    "the alphas": (
        {"paths.grid": "uniform", "paths.points": 9},
        {"interpolate": cells([2]), **examples(), **REDUCTIONS},
    ),
    "K": ({"paths.intervals": 5}, {"interpolate": cells([2]), **examples(), **REDUCTIONS}),
    "a choice of pairs that is the same one": ({"pairs": "first"}, SHOWN),
    "a seed at the end that is paired with one": (
        {"seeds": [1, 2, 3], "pairs": [[1, 2], [3, 1]]},
        {
            "initialize": runs([3]),
            "finetune": cells([3], (60, 120)),
            "evaluate": cells([3]),
            "interpolate": cells([3]),
            **averages(),
            **examples(),
            **REDUCTIONS,
        },
    ),
    "seeds that part late": (
        {"training.fork_at": 60},
        {
            "initialize": runs(),
            "finetune": cells(steps=(60, 120)),
            "evaluate": cells(),
            "interpolate": cells([2]),
            **averages(),
            **examples(),
            **REDUCTIONS,
        },
    ),
    "the start of deltas": ({"delta_from": 0}, {"connectivity": REDUCTIONS["connectivity"], **COLLECTED}),
    "how runs are grouped": (
        {"basins.linkage": "single"},
        {"basins": REDUCTIONS["basins"], "findings": {""}, **SHOWN},
    ),
    "a figure's setting": ({"figures.dpi": 80}, SHOWN),
    "no texts on the page": ({"report.texts": False}, SHOWN),
    "how often states are saved": ({"training.save_minutes": 1.0}, SHOWN),
    "a further set": (
        {"datasets.toy.sets": {"shifted": SHIFTED}},
        {
            "further_set": {"dataset=toy set=shifted"},
            "tokenize_further": {"dataset=toy model=tiny set=shifted"},
            "evaluate": cells(),
            "interpolate": cells([2]),
            **averages(),
            **examples(),
            **REDUCTIONS,
        },
    ),
    "averages at another step": (
        {"averages.at": "all"},
        {**averages(0, 60), "connectivity": REDUCTIONS["connectivity"], **COLLECTED},
    ),
    "no greedy soup": (
        {"averages.greedy": False},
        {**averages(), "connectivity": REDUCTIONS["connectivity"], **COLLECTED},
    ),
    "single layers": (
        {"layers": {}},
        {
            "layers": {"dataset=toy model=tiny other=2 seed=1 step=120"},
            "connectivity": REDUCTIONS["connectivity"],
            **COLLECTED,
        },
    ),
    "a plane": (
        {"planes": [{"through": [[1, 0], [1, 120], [2, 120]], "resolution": 7}]},
        {
            "plane": {f"dataset=toy model=tiny part={part} plane=1.0-1.120-2.120" for part in (0, 5)},
            **SHOWN,
        },
    ),
    "a map": ({"map": True}, {"map": {"dataset=toy model=tiny"}, **SHOWN}),
    "lines along runs": (
        {"paths.along": True},
        {"along": runs(), "connectivity": REDUCTIONS["connectivity"], **COLLECTED},
    ),
    "memory, and which states are kept": (
        {"resources.finetune.mem_mb": 1000, "keep_states": "last"},
        {},
    ),
}


@pytest.fixture(scope="module")
def plans(nano):
    """What Snakemake would run after each change; two dry runs at a time."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(CHANGES, pool.map(lambda c: nano.dry_run(c[0]), CHANGES.values()), strict=True))


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_config_runs_exactly(plans, change):
    assert plans[change] == CHANGES[change][1]


# All that a plan asks of conda, so that the tests need none.
CONDA = """#!/bin/sh
case "$*" in
  --version) echo "conda 99.0.0" ;;
  "info --json") echo '{"conda_prefix": "/nowhere", "platform": "linux-64"}' ;;
  *) echo '{"get": {"channel_priority": "strict"}}' ;;
esac
"""


@pytest.fixture
def conda(tmp_path):
    """A search path with a stand-in for conda on it."""
    path = tmp_path / "bin" / "conda"
    path.parent.mkdir()
    path.write_text(CONDA)
    path.chmod(0o755)
    return f"{path.parent}:{os.environ['PATH']}"


def test_conda_switched_on_runs_nothing(nano, conda):
    assert nano.dry_run(None, "--software-deployment-method", "conda", PATH=conda) == {}


@pytest.mark.long
def test_one_model_s_learning_rate_runs_that_model_from_its_segments_on(nano_copy):
    two = {"models.other": TINY}
    for path in sorted(nano_copy.results.rglob("*tiny*")):
        twin = path.with_name(path.name.replace("tiny", "other"))
        if path.is_dir():
            shutil.copytree(path, twin)
        elif not twin.exists():
            shutil.copy2(path, twin)
    assert nano_copy.call(two, "--touch", "--forceall", "--cores", "1").returncode == 0
    assert nano_copy.dry_run(two) == {}
    plan = nano_copy.dry_run(two | {"models.other": {**TINY, "training": {"learning_rate": 2e-3}}})
    assert plan == {
        "finetune": cells(steps=(60, 120), model="other"),
        "evaluate": cells(steps=(60, 120), model="other"),
        "interpolate": cells([2], (60, 120), model="other"),
        **averages(model="other"),
        **examples(model="other"),
        "connectivity": {"dataset=toy model=other"},
        "basins": {"dataset=toy model=other"},
        **COLLECTED,
    }


def test_deleted_weights_of_a_middle_checkpoint_run_nothing(nano_copy):
    (nano_copy.results / "checkpoints/tiny/toy/seed1/step60/model.safetensors").unlink()
    assert nano_copy.dry_run() == {}


# ------------------------------------------------------------------------------------------ changed code


def rewrite(path, text):
    """Give a file a new text and a time that is later than any result's."""
    path.write_text(text)
    os.utime(path, (time.time() + 10,) * 2)


def with_comments(text):
    """The same code with another docstring, a comment and blank lines."""
    assert text.startswith('"""')
    return text.replace('"""', '"""Reworded. ', 1) + "\n\n# The end.\n"


def test_comments_in_code_that_trains_and_measures_run_nothing(nano, tmp_path):
    lab = nano.elsewhere(tmp_path / "repository")
    for folder in FOLDERS:
        paths = list((lab.repository / "workflow/isthmus" / folder).glob("*.py"))
        assert paths, folder
        for path in paths:
            rewrite(path, with_comments(path.read_text()))
    for path in [*lab.repository.glob("**/Snakefile"), *lab.repository.glob("workflow/*/*.smk")]:
        rewrite(path, f"{path.read_text()}\n\n# The end.\n")
    for path in lab.repository.glob("workflow/scripts/*.py"):
        rewrite(path, f"# A remark.\n{path.read_text()}")
    assert lab.dry_run() == {}


def test_touched_code_and_pins_run_nothing(nano, conda, tmp_path):
    lab = nano.elsewhere(tmp_path / "repository")
    for path in lab.repository.glob("workflow/*/*"):
        if path.is_file():
            rewrite(path, path.read_text())
    pins = [path for path in (lab.repository / "envs").iterdir() if "seaborn" in path.read_text()]
    assert pins, "no file in envs/ pins a plotting package"
    for path in pins:
        rewrite(path, re.sub(r"(seaborn\W+)\d[\d.]*", r"\g<1>0.0.1", path.read_text()))
    assert lab.dry_run(None, "--software-deployment-method", "conda", PATH=conda) == {}


def test_changed_library_code_runs_reductions_at_most(nano, tmp_path):
    lab = nano.elsewhere(tmp_path / "repository")
    for path in lab.repository.glob("workflow/isthmus/**/*.py"):
        rewrite(path, f"{path.read_text()}\n\nCHANGED = True\n")
    assert lab.dry_run() == REDUCTIONS


# -------------------------------------------------------------------------------------- and when it runs


def alphas(lab, step, name="test"):
    frame = pd.read_parquet(lab.results / f"paths/tiny/toy/step{step}/seed2.parquet")
    return set(frame[frame["set"] == name]["alpha"])


def measured(lab, step):
    """How many measurements a row says that it made."""
    log = (lab.results / f"logs/interpolate/tiny-toy-step{step}-seed2.log").read_text()
    return int(re.search(r"^(\d+) measurements made", log, re.MULTILINE)[1])


def known(lab):
    """The keys of all measurements that were ever made."""
    keys = set()
    for folder in {path.parent for path in (lab.results / "journal").rglob("*.journal")}:
        for kind in ("path", "checkpoint"):
            keys |= set(Journal(folder, kind=kind)._index)
    return keys


def test_a_fresh_run_measures_each_thing_once(nano):
    points = sum(2 * (len(alphas(nano, step)) - 2) for step in STEPS)  # two sets, inside the path
    pairs, checkpoints = len(STEPS), 2 * 2 * len(STEPS)
    assert len(known(nano)) == points + pairs + checkpoints


@pytest.mark.rare
def test_changed_alphas_measure_the_new_ones_and_changed_back_give_the_same_bytes(nano, nano_copy):
    before = {step: alphas(nano, step) for step in STEPS}
    rows = [f"paths/tiny/toy/step{step}/seed2.parquet" for step in STEPS]
    nano_copy.run({"paths.grid": "uniform", "paths.points": 9}, *rows)
    for step in STEPS:
        assert alphas(nano_copy, step) == {i / 8 for i in range(9)}
        assert measured(nano_copy, step) == 2 * len(alphas(nano_copy, step) - before[step]) > 0
        assert (nano_copy.results / rows[0]).read_bytes() != (nano.results / rows[0]).read_bytes()

    # K changed on top, for one row: this file now has a history that no other has.
    nano_copy.run({"paths.intervals": 5}, rows[-1])
    fifths = alphas(nano_copy, 120)
    assert fifths >= {i / 5 for i in range(6)}
    assert measured(nano_copy, 120) == 2 * len(fifths - before[120] - {i / 8 for i in range(9)}) > 0

    nano_copy.run(None, "metrics.csv", "deltas.csv")
    assert [measured(nano_copy, step) for step in STEPS] == [0, 0, 0]
    for name in (*rows, *(f"{name}.csv" for name in outputs.TIDY)):
        assert (nano_copy.results / name).read_bytes() == (nano.results / name).read_bytes()


@pytest.mark.long
def test_a_further_set_is_all_that_is_measured(nano, nano_copy):
    before, row = known(nano_copy), "paths/tiny/toy/step120/seed2.parquet"
    evaluation = "evaluations/tiny/toy/seed2/step120.parquet"
    nano_copy.run({"datasets.toy.sets": {"shifted": SHIFTED}}, row, evaluation)
    assert len(known(nano_copy) - before) == len(alphas(nano_copy, 120, "shifted"))
    assert alphas(nano_copy, 120, "shifted") == alphas(nano, 120)
    for file, rows in ((row, None), (evaluation, 40)):
        old, new = (pd.read_parquet(lab.results / file) for lab in (nano, nano_copy))
        kept = new[new["set"] != "shifted"].reset_index(drop=True)
        pd.testing.assert_frame_equal(kept, old, check_categorical=False)
        assert rows is None or len(new) == len(old) + rows


@pytest.mark.long
def test_a_checkpoint_between_two_gives_the_same_bits_and_measures_nothing_after_it(nano, nano_copy):
    shutil.rmtree(nano_copy.results / "state/tiny/toy/seed2")  # this run starts over; the other one goes on
    before = known(nano_copy)
    rows = ["paths/tiny/toy/step120/seed2.parquet", "evaluations/tiny/toy/seed2/step120.parquet"]
    nano_copy.run({"training.checkpoints": [60, 90, 120]}, *rows)
    for seed, start in ((1, 60), (2, 0)):
        log = (nano_copy.results / f"logs/finetune/tiny-toy-seed{seed}-step90.log").read_text()
        assert f"from step {start} to 90" in log
        weights = f"checkpoints/tiny/toy/seed{seed}/step120/model.safetensors"
        assert (nano_copy.results / weights).read_bytes() == (nano.results / weights).read_bytes()
    assert known(nano_copy) == before
    assert measured(nano_copy, 120) == 0
    for file in rows:
        assert (nano_copy.results / file).read_bytes() == (nano.results / file).read_bytes()
