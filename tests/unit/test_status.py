"""Where an experiment stands, and the line of progress, in words."""

import logging
from types import SimpleNamespace

import pytest
import snakemake_logger_plugin_isthmus as progress
from isthmus import status
from snakemake_interface_logger_plugins.common import LogEvent

from tests.unit.synthetic import experiment


def _touch(folder, pattern, seeds, step):
    for seed in seeds:
        path = folder / pattern.format(model="tiny-0", dataset="entailment", seed=seed, step=step)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_status_counts_what_is_there_and_what_is_left(tmp_path):
    chosen = experiment(checkpoints=(100,), cells=[["tiny-0", "entailment"]])
    _touch(tmp_path, status.WHAT["trained"], (42, 43, 44), 0)
    _touch(tmp_path, status.WHAT["trained"], (42,), 100)
    _touch(tmp_path, status.WHAT["rows"], (43,), 0)
    lines = status.status(chosen, tmp_path).splitlines()
    assert lines[1] == "tiny-0 on entailment  step 0: 3/3 0/3 1/2  step 100: 1/3 0/3 0/2"
    assert lines[2].startswith("left: 2 checkpoints to train, 6 to evaluate, 3 rows of paths to measure")


def test_status_of_a_whole_experiment(tmp_path):
    chosen = experiment(checkpoints=(100,), cells=[["tiny-0", "entailment"]])
    for what, pattern in status.WHAT.items():
        for step in (0, 100):
            _touch(tmp_path, pattern, (43, 44) if what == "rows" else (42, 43, 44), step)
    assert status.status(chosen, tmp_path).endswith(
        f"left: nothing but the report, {tmp_path / 'report.html'}"
    )
    (tmp_path / "report.html").touch()
    assert status.status(chosen, tmp_path).endswith(f"all is there: {tmp_path / 'report.html'}")


@pytest.mark.parametrize(
    ("done", "failed", "line"),
    [
        (0, 0, "0 of 90 jobs done, 90 left | 2 min 5 s"),
        (30, 0, "30 of 90 jobs done, 60 left | 2 min 5 s | some 4 min 10 s to go"),
        (30, 2, "30 of 90 jobs done, 60 left | 2 min 5 s | some 4 min 10 s to go | 2 failed"),
        (90, 0, "90 of 90 jobs done, 0 left | 2 min 5 s"),
    ],
)
def test_the_line_of_progress(done, failed, line):
    assert progress.progress(done, 90, failed, 125, []) == line
    assert progress.progress(done, 90, failed, 125, ["collect"]) == f"{line} | now collect"


def test_a_failure_names_the_job_its_reason_and_its_log(tmp_path, capsys):
    log = tmp_path / "job.log"
    log.write_text("step 1\nstep 2\nstep 3\nError: the loss is not finite\n")
    handler = progress.LogHandler(SimpleNamespace(), None)

    def emit(event, **more):
        record = logging.LogRecord("snakemake", logging.INFO, "", 0, None, None, None)
        record.__dict__.update(event=event, **more)
        handler.emit(record)

    emit(LogEvent.RUN_INFO, stats={"total": 4})
    about = {"model": "tiny", "dataset": "toy", "seed": "2"}
    emit(LogEvent.JOB_INFO, jobid=7, rule_name="finetune", wildcards=about)
    emit(LogEvent.JOB_STARTED, jobs=[7])
    assert "now finetune tiny toy seed 2" in capsys.readouterr().err
    emit(LogEvent.JOB_ERROR, jobid=7, rule_name="finetune", log=[str(log)])
    said = capsys.readouterr().err
    assert "FAILED: finetune tiny toy seed 2\n" in said
    assert "    Error: the loss is not finite\n" in said
    assert f"the whole log: {log}" in said
    assert "step 1" not in said
    assert "1 failed" in said
    assert "now" not in said
