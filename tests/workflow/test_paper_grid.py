"""The experiments that ship can be planned with no network and nothing fetched."""

import shutil

import pytest

from tests.workflow.lab import planned, snakemake


@pytest.fixture
def plan(repository, tmp_path):
    """Plan an experiment in an empty folder; without `--configfile` it is the folder's `config.yaml`."""
    shutil.copy2(repository / "config.yaml", tmp_path)

    def of(*args):
        done = snakemake(repository, tmp_path, *args, "--dry-run", HF_ENDPOINT="http://127.0.0.1:9")
        assert done.returncode == 0, done.stdout
        return planned(done.stdout)

    return of


def counts(plan):
    return {rule: len(jobs) for rule, jobs in plan.items()}


def models_in(plan):
    wildcards = {part for jobs in plan.values() for job in jobs for part in job.split()}
    return {part.removeprefix("model=") for part in wildcards if part.startswith("model=")}


PAPER = ("--configfile", "experiments/paper.yaml")


def test_the_paper_s_grid(plan):
    paper = plan(*PAPER)
    assert counts(paper) == {
        "fetch_dataset": 3,
        "fetch_model": 3,
        "subset": 3,
        "tokenize": 9,
        "initialize": 18,
        "finetune": 144,
        "evaluate": 162,
        "interpolate": 81,
        "average": 9,
        "examples": 9,
        "connectivity": 9,
        "basins": 9,
        "collect": 1,
        "findings": 1,
        "tables": 1,
        "figures": 1,
        "report": 1,
    }
    # The embedded experiment is replaced, not merged with.
    assert models_in(paper) == {"bert-base-uncased", "roberta-base", "roberta-large"}


@pytest.mark.long
def test_the_paper_s_grid_with_one_more_seed(plan):
    paper = counts(plan(*PAPER, "--config", "seeds=[42,43,44]"))
    assert (paper["finetune"], paper["evaluate"], paper["interpolate"]) == (216, 243, 162)


@pytest.mark.long
def test_the_embedded_experiment_with_other_seeds(plan):
    embedded, two = plan(), plan("--config", "seeds=[7,8]")
    assert {"pretrain", "finetune", "interpolate"} < set(embedded)
    assert "fetch_model" not in embedded
    assert {part for job in two["initialize"] for part in job.split() if "seed=" in part} == {
        "seed=7",
        "seed=8",
    }
    assert "plane" not in two  # which takes three
    assert {part for job in two["layers"] for part in job.split() if "other=" in part} == {"other=8"}
    cells = len(two["connectivity"])
    assert cells == len(embedded["connectivity"]) >= 3
    assert len(two["initialize"]) == 2 * cells
    assert len(two["interpolate"]) * 2 == len(two["evaluate"])  # one row a step where there are two seeds
