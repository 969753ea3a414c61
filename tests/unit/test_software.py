"""What is said of the software: its citation, the state of its repository, and both as JSON-LD."""

import json
import subprocess

import pytest
from isthmus.showing import software


@pytest.fixture
def repository(tmp_path):
    """A repository with a commit; returns its folder and a call of git in it."""

    def git(*words):
        own = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        call = ["git", "-C", str(tmp_path), *own, *words]
        return subprocess.run(call, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow" / "x.py").write_text("1")
    (tmp_path / "config.yaml").write_text("a: 1")
    git("add", ".")
    git("commit", "-qm", "x")
    return tmp_path, git


def test_a_commit_is_named_and_what_is_not_in_it_is_said(repository):
    folder, git = repository
    commit = f"commit {git('rev-parse', 'HEAD')}"
    assert software.state(folder) == commit
    (folder / "config.yaml").write_text("a: 2")  # settings, which are recorded themselves
    assert software.state(folder) == commit
    (folder / "workflow" / "y.py").write_text("2")
    assert software.state(folder) == f"{commit}, with changes that are not committed"


def test_of_a_copy_in_another_repository_or_in_none_nothing_is_known(repository, tmp_path_factory):
    assert software.state(repository[0] / "workflow") == "not known"
    assert software.state(tmp_path_factory.mktemp("none")) == "not known"


def test_without_git_nothing_is_known(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert software.state(repository[0]) == "not known"


def test_the_facts_are_those_of_the_citation(monkeypatch, tmp_path):
    facts = software.facts()
    assert (facts["name"], facts["licence"]) == ("Isthmus", "MIT")
    assert facts["authors"]
    monkeypatch.setattr(software, "ROOT", tmp_path)  # the library without its repository
    assert set(software.facts()) == {"name", "version"}

    def lacking(name):
        raise software.PackageNotFoundError(name)

    monkeypatch.setattr(software, "version", lacking)
    assert software.facts() == {"name": "Isthmus", "version": "not known"}


def test_results_and_software_are_linked():
    graph = software.linked("mini", software.facts() | {"repository": "commit 1"}, {"metrics.csv": "ab"})
    assert graph["@context"] == "https://schema.org"
    results, made_by, action = graph["@graph"]
    assert (results["name"], made_by["license"]) == ("mini", "https://spdx.org/licenses/MIT")
    assert made_by["identifier"] == "commit 1"
    assert [(part["contentUrl"], part["sha256"]) for part in results["distribution"]] == [
        ("metrics.csv", "ab")
    ]
    assert action["instrument"]["@id"] == made_by["@id"]
    assert action["result"]["@id"] == results["@id"]
    json.dumps(graph)
    assert "license" not in software.linked("mini", {"name": "Isthmus", "version": "1"}, {})["@graph"][1]
