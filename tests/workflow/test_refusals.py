"""Bad input through Snakemake: one clear message and nothing else. The table itself is in tests/bad_input."""

import pytest
import yaml
from isthmus.errors import ConfigError
from isthmus.experiment.config import load

from tests.bad_input.settings import files
from tests.bad_input.sources import write
from tests.workflow.lab import NANO, Lab, changed, snakemake

HUB = {"hub": "nobody/nothing", "revision": "0123"}


def test_all_mistakes_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        load(changed(NANO, {"threads": 0, "training.learnig_rate": 1, "experiment": "a/b"}))
    assert len(str(caught.value).splitlines()) == 4


@pytest.mark.parametrize("key", ["experiment", "seeds", "models", "datasets"])
def test_a_missing_key_is_named(key):
    with pytest.raises(ConfigError, match=f"(?m)^  {key}: missing; allowed: "):
        load({name: value for name, value in NANO.items() if name != key})


@pytest.fixture
def lab(repository, tmp_path):
    return Lab(repository, tmp_path, NANO)


def missing_file(folder):
    return {"datasets.own": files(source={"kind": "files", "paths": [str(folder / "none.tsv")]})}


def missing_column(folder):
    path = write(folder / "rows.tsv", ["x\ty"])
    return {"datasets.own": files(source={"kind": "files", "paths": [str(path)]}, label="bb")}


def no_model(folder):
    return {"models.own": {"folder": str(folder)}}


def too_long(folder):
    return {"datasets.toy.max_length": 65}


def misspelt(folder):
    return {"trainin": {}, "seeds": [1]}


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (misspelt, ("trainin: unknown key (did you mean 'training'?)", ".yaml cannot be used")),
        (missing_file, ("datasets.own.source.paths: found ", "none.tsv, which is no file; allowed: ")),
        (missing_column, ("datasets.own.label: found 'bb'", "rows.tsv", "'a', 'b'")),
        pytest.param(
            too_long,
            ("datasets.toy.max_length: found 65; allowed: up to 64, the positions of the model tiny",),
            marks=pytest.mark.long,
        ),
        pytest.param(
            no_model,
            ("models.own.folder: ", "is no model: it has no config.json; allowed: "),
            marks=pytest.mark.long,
        ),
    ],
)
def test_a_plan_stops_with_the_message_alone(lab, mistake, said):
    done = lab.call(mistake(lab.directory), "--dry-run")
    assert done.returncode != 0
    assert all(part in done.stdout for part in said), done.stdout
    assert "Traceback" not in done.stdout
    assert "Building DAG" not in done.stdout
    assert done.stdout.count("Error") == 1


def test_a_key_that_stands_twice_is_said_by_the_workflow(lab):
    path = lab.directory / "twice.yaml"
    path.write_text(yaml.safe_dump(NANO) + "threads: 2\n")
    done = snakemake(lab.repository, lab.directory, "--dry-run", "--configfile", str(path))
    assert done.returncode != 0
    assert f"Error: {path}, line " in done.stdout
    assert "found the key 'threads' twice, first in line " in done.stdout
    assert "Traceback" not in done.stdout
    assert done.stdout.count("Error") == 1


def test_a_default_experiment_that_is_no_text_is_said_by_the_workflow(lab):
    (lab.directory / "config.yaml").write_bytes("experiment: café\n".encode("latin-1"))
    done = snakemake(lab.repository, lab.directory, "--dry-run")
    assert done.returncode != 0
    assert "Error: config.yaml: is no text in UTF-8 (byte 15" in done.stdout
    assert "Traceback" not in done.stdout


def test_groups_on_the_command_line_are_settings(lab):
    change = (
        "--config",
        "training={steps: 90, checkpoints: [30]}",
        "paths={max_alphas: 8}",
        "seeds=[3, 4, 5]",
    )
    jobs = lab.dry_run({"training": {"learning_rate": 1e-2, "warmup_steps": 10}}, *change)
    assert jobs["finetune"] == {f"dataset=toy model=tiny seed={seed} step=30" for seed in (3, 4, 5)}


@pytest.mark.long
def test_a_hub_out_of_reach_names_the_command_that_fetches_beforehand(lab):
    done = lab.call(
        {"models": {"far": HUB}},
        *("--until", "fetch_model", "--cores", "1"),
        HF_ENDPOINT="http://127.0.0.1:9",
        HF_HOME=str(lab.directory / "cache"),
    )
    assert done.returncode != 0
    assert "the model nobody/nothing (revision 0123) could not be fetched" in done.stdout
    assert "`snakemake --until fetch_dataset fetch_model`" in done.stdout
    assert "Traceback" not in done.stdout
