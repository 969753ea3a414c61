"""The rules that fetch, with the hub's own clients, from a hub on this machine: what they bring and say."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from tests.hub.conftest import CLASSES, COMMIT, OTHER, data_set
from tests.hub.server import Hub, Repository, served, sha256
from tests.workflow.lab import NANO, ROOT, changed, snakemake

FETCHES = ("--until", "fetch_model", "fetch_dataset", "--cores", "4", "--retries", "2")
WEIGHTS = "model.safetensors"


def fetching(repository: Path, directory: Path, hub: Hub, experiment: Path, **env: str) -> str:
    """What Snakemake says that fetches an experiment's models and data sets, with nothing kept before."""
    home = {"HF_HOME": str(directory / "home"), "HF_ENDPOINT": hub.address, "HF_TOKEN": ""}
    done = snakemake(repository, directory, *FETCHES, "--configfile", str(experiment), **home | env)
    assert "Traceback" not in done.stdout
    return done.stdout


def asking_for(directory: Path, models: dict[str, dict], sources: dict[str, dict]) -> Path:
    """An experiment of models and data sets of the hub."""
    datasets = {
        name: {"source": {"kind": "hub"} | source, "text": ["sentence"], "label": "label"}
        for name, source in sources.items()
    }
    config = changed(NANO, {"models": models, "datasets": datasets})
    config.pop("pretraining")
    path = directory / "asking.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def log(directory: Path, rule: str, name: str) -> str:
    (path,) = (directory / "results" / "nano" / "logs" / rule).glob(f"{name}*.log")
    return path.read_text()


# ------------------------------------------------------------------------------------------- what is brought


@pytest.fixture(scope="module")
def paper(repository, model, tmp_path_factory):
    """The source paper's grid, fetched from repositories whose main branch is not what is asked for."""
    asked = yaml.safe_load((ROOT / "experiments" / "paper.yaml").read_text())
    texts = {name: dataset["text"] for name, dataset in asked["datasets"].items()}
    repositories = {}
    for name, origin in asked["models"].items():
        commits = {
            origin["revision"]: model(name.partition("-")[0]),
            OTHER: model("bert") | {WEIGHTS: b"newer"},
        }
        repositories[f"models/{origin['hub']}"] = Repository(commits, {"main": OTHER})
    commits = {
        asked["datasets"]["cola"]["source"]["revision"]: data_set(1, **texts),
        OTHER: data_set(2, **texts),
    }
    repositories["datasets/nyu-mll/glue"] = Repository(commits, {"main": OTHER})
    directory = tmp_path_factory.mktemp("paper")
    with served(repositories) as hub:
        said = fetching(repository, directory, hub, ROOT / "experiments" / "paper.yaml")
    assert "Error" not in said, said
    return asked, directory / "results" / "paper", hub


def test_models_of_the_paper_s_grid_are_those_of_their_revisions(paper):
    asked, results, hub = paper
    for name, origin in asked["models"].items():
        served_files = hub.repositories[f"models/{origin['hub']}"].commits[origin["revision"]]
        record = json.loads((results / "models" / name / "model.json").read_text())
        assert (record["origin"], record["revision"]) == (origin["hub"], origin["revision"])
        assert record["sha256"] == sha256(served_files[WEIGHTS])
        assert (results / "models" / name / WEIGHTS).read_bytes() == served_files[WEIGHTS]


def test_data_of_the_paper_s_grid_are_those_of_their_revision(paper):
    asked, results, _ = paper
    for name, dataset in asked["datasets"].items():
        (path,) = (results / "data" / name).rglob("*.parquet")
        table = pq.read_table(path)
        assert table.schema.metadata[b"revision"].decode() == dataset["source"]["revision"]
        assert CLASSES[0].encode() in table.schema.metadata[b"huggingface"]
        planted = data_set(1, planted=dataset["text"])["planted/train-00000-of-00001.parquet"]
        (directory := path.with_name("planted.parquet")).write_bytes(planted)
        assert table.to_pydict() == pq.read_table(directory).to_pydict()
        directory.unlink()


def test_nothing_is_asked_of_another_revision(paper):
    *_, hub = paper
    assert hub.of("/resolve/")
    assert [one.path for one in hub.asked if "/main" in one.path or OTHER in one.path] == []


# ----------------------------------------------------------------------------------------- what is refused


MODELS = {
    "gated": "found a gated repository and no login; allowed: after its terms are accepted on HUB/o/gated",
    "closed": "found a gated repository and a login that may not read it; allowed: after its terms",
    "missing": "found no such repository (HUB/o/missing); allowed: an id that the hub has",
    "revised": f"found no revision '{OTHER}' of HUB/o/revised; allowed: a commit, branch or tag that it has",
}
SETS = {
    "gated": "found a gated repository and no login; allowed: after its terms are accepted on HUB/datasets",
    "closed": "found a gated repository and a login that may not read it",
    "missing": "found no such repository (HUB/datasets/o/missing); allowed: an id that the hub has",
    "revised": f"found no revision '{OTHER}' of HUB/datasets/o/revised; allowed: a commit, branch or tag",
    "unsplit": "Unknown split \"dev\". Should be one of ['train']",
    "unknown": "BuilderConfig 'other' not found. Available: ['c']",
    "empty": "The directory at hf://datasets/o/empty@" + COMMIT + " doesn't contain any data files",
    "damaged": "could not be fetched from the hub: ",
}


@pytest.fixture(scope="module")
def refused(repository, model, tmp_path_factory):
    """An experiment of which nothing can be had."""
    directory = tmp_path_factory.mktemp("refused")
    files, rows = {COMMIT: model("bert")}, {COMMIT: data_set(1, c=["sentence"])}
    gated = {"gated": 401, "closed": 403}
    repositories = {f"models/o/{name}": Repository(files, gated=gated.get(name)) for name in MODELS}
    repositories |= {f"datasets/o/{name}": Repository(rows, gated=gated.get(name)) for name in SETS}
    broken = {name: bytes(len(own)) for name, own in rows[COMMIT].items() if name.endswith("parquet")}
    repositories["datasets/o/damaged"].commits = {COMMIT: rows[COMMIT] | broken}
    repositories["datasets/o/empty"].commits = {COMMIT: {"README.md": b"# Nothing\n"}}
    for kind in ("models", "datasets"):
        del repositories[f"{kind}/o/missing"]

    def origin(key: str, name: str) -> dict:
        return {key: f"o/{name}", "revision": OTHER if name == "revised" else COMMIT}

    sources = {name: origin("id", name) | {"config": "c", "split": "train"} for name in SETS}
    sources["unsplit"]["split"] = "dev"
    sources["unknown"]["config"] = "other"
    sources["empty"]["config"] = None
    experiment = asking_for(directory, {name: origin("hub", name) for name in MODELS}, sources)
    with served(repositories) as hub:
        return directory, fetching(repository, directory, hub, experiment), hub


@pytest.mark.parametrize(
    ("rule", "name", "says"),
    [("fetch_model", *case) for case in MODELS.items()] + [("fetch_dataset", *case) for case in SETS.items()],
)
def test_a_refusal_names_the_repository_and_what_is_allowed(refused, rule, name, says):
    directory, _, hub = refused
    last = log(directory, rule, name).splitlines()[-1]
    what = f"model o/{name} (revision" if rule == "fetch_model" else f"data set with id 'o/{name}', "
    assert last.startswith(f"Error: the {what}")
    assert says.replace("HUB", hub.address) in last
    assert "internet" not in last


def test_a_refusal_is_final(refused):
    _, said, _ = refused
    assert said.count("Error in rule") == len(MODELS) + len(SETS)
    assert "Trying to restart job" not in said


# -------------------------------------------------------------------------------------- what breaks and waits


def call(module: str, code: str, hub: Hub, directory: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Call the library, in a process of its own, since its clients read their settings once."""
    settings = {"HF_HOME": str(directory / "home"), "HF_ENDPOINT": hub.address, "HF_TOKEN": ""}
    settings |= {"PYTHONPATH": str(ROOT / "workflow")}
    start = f"import sys; from pathlib import Path; from isthmus.errors import UserError\n{module}\n"
    ending = f"try:\n    {code}\nexcept UserError as error:\n    sys.exit(f'refused: {{error}}')\n"
    words = [sys.executable, "-c", start + ending]
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    return subprocess.run(
        words, cwd=directory, env=inherited | settings | env, text=True, capture_output=True, timeout=300
    )


def fetched_model(hub: Hub, directory: Path, revision: str = COMMIT, **env: str):
    module = "from isthmus.models import origins; from isthmus.experiment.config import Model"
    code = f"origins.fetch(Model(hub='o/m', revision={revision!r}), Path('copy'))"
    return call(module, code, hub, directory, **env)


def fetched_rows(hub: Hub, directory: Path, revision: str | None = COMMIT, **env: str):
    module = "from isthmus.data import hub; from isthmus.experiment.config import HubSource"
    code = f"hub.fetch(HubSource(kind='hub', id='o/d', revision={revision!r}), Path('rows.parquet'))"
    return call(module, code, hub, directory, **env)


def test_a_connection_that_breaks_goes_on_from_where_it_was(large, tmp_path):
    with served({"models/o/m": Repository({COMMIT: large})}) as hub:
        hub.breaks = 1
        done = fetched_model(hub, tmp_path)
    assert done.returncode == 0, done.stderr
    assert sha256((tmp_path / "copy" / WEIGHTS).read_bytes()) == sha256(large[WEIGHTS])
    first, second = [(one.range, one.status) for one in hub.of("/far/")]
    assert first == (None, 200)
    assert int(re.fullmatch(r"bytes=(\d+)-", second[0])[1]) >= 2**20
    assert second[1] == 206


@pytest.mark.parametrize(
    ("how", "says"),
    [("breaks", "peer closed connection"), ("stalls", "HUB has stopped in the middle of an answer")],
)
def test_a_connection_that_always_breaks_is_a_failure_of_the_network(how, says, large, tmp_path):
    with served({"models/o/m": Repository({COMMIT: large})}) as hub:
        setattr(hub, how, 1000)
        done = fetched_model(hub, tmp_path, HF_HUB_DOWNLOAD_TIMEOUT="1")
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"refused: the model o/m (revision {COMMIT}) could not be fetched from the hub: ")
    assert says.replace("HUB", hub.address) in last
    assert "on a machine that has it, fetch beforehand" in last
    assert not (tmp_path / "copy" / WEIGHTS).exists()


def test_a_hub_that_never_answers_is_given_up_after_a_minute(repository, tmp_path):
    """As the clients are without any setting of their own."""
    models = {"pinned": {"hub": "o/m", "revision": COMMIT}, "branch": {"hub": "o/m"}}
    sources = {"pinned": {"id": "o/d", "revision": COMMIT}, "branch": {"id": "o/d"}}
    with served({}) as hub:
        hub.silent = ""
        said = fetching(repository, tmp_path, hub, asking_for(tmp_path, models, sources))
    for rule in ("fetch_model", "fetch_dataset"):
        for name in models:
            last = log(tmp_path, rule, name).splitlines()[-1]
            assert re.search(rf"from the hub: {hub.address} has not answered for 6\d s\. ", last)
            assert "fetch beforehand with `snakemake --until" in last
    assert "Trying to restart job" in said  # since it may pass


def test_large_files_that_never_come_are_given_up(model, tmp_path):
    with served({"models/o/m": Repository({COMMIT: model("bert")})}) as hub:
        hub.silent = "/far/"
        done = fetched_model(hub, tmp_path)
    # Counted from the last answer, which is that of a small file.
    assert re.search(rf"{hub.address} has not answered for [3-6]\d s\. ", done.stderr.splitlines()[-1])


def test_large_files_in_parts_that_never_come_are_given_up(model, tmp_path):
    """By a client of its own, which is not of Python and has its own patience."""
    with served({"models/o/m": Repository({COMMIT: model("bert")})}) as hub:
        hub.xet, hub.silent = True, "/xet/"
        done = fetched_model(hub, tmp_path)
    last = done.stderr.splitlines()[-1]
    assert "could not be fetched from the hub: " in last
    assert f"{hub.far}/xet/" in last
    assert "on a machine that has it, fetch beforehand" in last


def test_a_login_that_is_unknown_is_said(model, tmp_path):
    with served({"models/o/m": Repository({COMMIT: model("bert")})}) as hub:
        done = fetched_model(hub, tmp_path, HF_TOKEN="forgotten")
        assert fetched_model(hub, tmp_path, HF_TOKEN="known").returncode == 0
    assert f"found a login that {hub.address} does not know" in done.stderr.splitlines()[-1]


# ------------------------------------------------------------------------------------------ what was kept


@pytest.fixture
def kept(tmp_path):
    """A hub with two commits of a data set, of which the first one was fetched."""
    commits = {COMMIT: data_set(1, default=["sentence"]), OTHER: data_set(2, default=["sentence"])}
    with served({"datasets/o/d": Repository(commits, {"main": COMMIT})}) as hub:
        assert fetched_rows(hub, tmp_path, None).returncode == 0
        yield hub, pq.read_table(tmp_path / "rows.parquet")


def test_a_branch_is_recorded_as_the_commit_that_it_was(kept):
    _, table = kept
    assert table.schema.metadata[b"revision"].decode() == COMMIT


def test_another_commit_that_was_kept_is_not_taken_for_the_one_asked_for(kept, tmp_path):
    """The hub's own client would do that, where the hub fails after its first answer."""
    hub, _ = kept
    hub.broken = "/api/datasets"
    done = fetched_rows(hub, tmp_path, OTHER)
    last = done.stderr.splitlines()[-1]
    assert f"found commit {COMMIT} of it, kept here from before" in last
    assert f"allowed: commit {OTHER}" in last


def test_the_commit_asked_for_is_taken_from_what_was_kept(kept, tmp_path):
    hub, table = kept
    hub.broken = ""
    (tmp_path / "rows.parquet").unlink()
    done = fetched_rows(hub, tmp_path, COMMIT)
    assert done.returncode == 0, done.stderr
    assert pq.read_table(tmp_path / "rows.parquet").equals(table)
