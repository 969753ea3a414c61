"""Experiment files: what is read of good ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from isthmus.errors import ConfigError
from isthmus.experiment import experiment_files

ROOT = Path(__file__).parents[2]


def read(folder: Path, *texts: str | bytes):
    paths = [folder / f"{place}.yaml" for place, _ in enumerate(texts)]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return experiment_files.read(paths)


@pytest.mark.parametrize(
    "path", [ROOT / "config.yaml", *sorted((ROOT / "experiments").glob("*.yaml"))], ids=lambda path: path.name
)
def test_the_shipped_ones_are_read_as_yaml_reads_them(path):
    assert experiment_files.read([path]) == yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("a: 1\nb: {a: 1}\nc: [{a: 1}, {a: 2}]\n", {"a": 1, "b": {"a": 1}, "c": [{"a": 1}, {"a": 2}]}),
        ("a: &x {k: 1, l: 2}\nb: {<<: *x, k: 3}\n", {"a": {"k": 1, "l": 2}, "b": {"k": 3, "l": 2}}),
        ("a: &x {k: 1}\nb: &y {<<: *x, k: 2}\nc: {<<: *y}\n", {"a": {"k": 1}, "b": {"k": 2}, "c": {"k": 2}}),
        ("a: &x [1]\nb: [*x, *x]\n", {"a": [1], "b": [[1], [1]]}),
        (
            'a: "010"\nb: 0\nc: 0x10\nd: 1_000\ne: 0.5\nf: "1:30"\n',
            {"a": "010", "b": 0, "c": 16, "d": 1000, "e": 0.5, "f": "1:30"},
        ),
        (b"\xef\xbb\xbfa: caf\xc3\xa9\n", {"a": "café"}),
        ('{\n\t"a": {"b": 1}\n}\n', {"a": {"b": 1}}),
    ],
)
def test_what_is_meant_is_let_through(tmp_path, text, held):
    assert read(tmp_path, text) == held


def test_of_several_files_groups_are_joined_and_the_last_wins(tmp_path):
    held = read(tmp_path, "a: {b: 1, c: {d: 1}}\ne: [1]\n", "a: {c: {f: 2}}\ne: [2]\n", "a: {b: 3}\n")
    assert held == {"a": {"b": 3, "c": {"d": 1, "f": 2}}, "e": [2]}


def test_results_may_stand_where_a_folder_is_or_nothing(tmp_path):
    experiment_files.check_place(tmp_path / "results" / "mini")
    (tmp_path / "results" / "mini").mkdir(parents=True)
    experiment_files.check_place(tmp_path / "results" / "mini")


@pytest.mark.parametrize(
    ("words", "files"),
    [
        (["snakemake"], []),
        (["snakemake", "--configfile", "a.yaml"], ["a.yaml"]),
        (
            ["snakemake", "-n", "--configfile", "a.yaml", "b.yaml", "--cores", "2", "report"],
            ["a.yaml", "b.yaml"],
        ),
        (["snakemake", "--configfiles=a.yaml", "--", "report"], ["a.yaml"]),
        (["snakemake", "--configfile", "a.yaml", "--", "report"], ["a.yaml"]),
        (["snakemake", "report", "--configfile", "a.yaml", "--config", "x=1"], ["a.yaml"]),
    ],
)
def test_the_files_that_a_call_of_snakemake_names(words, files):
    assert experiment_files.in_call(words) == files


def test_a_target_that_configfile_has_swallowed_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.yaml").write_text("experiment: x")
    words = ["snakemake", "--cores", "2", "--configfile", "x.yaml", "report", "tables"]
    with pytest.raises(ConfigError) as error:
        experiment_files.check_call(words)
    assert str(error.value) == (
        "--configfile: found report, which is no file; allowed: files. What is to be made goes before it: "
        "snakemake report tables --configfile x.yaml"
    )
    with pytest.raises(ConfigError, match=r"y\.yaml: found no such file; allowed: .*there are: x\.yaml"):
        experiment_files.check_call(["snakemake", "--configfile", "y.yaml"])
    experiment_files.check_call(["snakemake", "report", "--configfile", "x.yaml"])
    experiment_files.check_call(["snakemake"])


def test_snakemake_itself_says_it_in_one_line(tmp_path):
    """Its own message would be a traceback."""
    (tmp_path / "Snakefile").write_text("rule all:\n    output: 'a'\n    shell: 'touch a'\n")
    (tmp_path / "x.yaml").write_text("experiment: x")
    call = [sys.executable, "-m", "snakemake", "--cores", "1", "--configfile", "x.yaml", "all"]
    environment = os.environ | {"PYTHONPATH": str(Path(experiment_files.__file__).parents[2])}
    done = subprocess.run(call, cwd=tmp_path, env=environment, text=True, capture_output=True)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("Error: --configfile: found all, which is no file; ")
    assert line.endswith(": snakemake all --configfile x.yaml")
    assert not (tmp_path / "a").exists()
