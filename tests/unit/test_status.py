"""Where an experiment stands, and the line of progress, in words."""

import logging
from types import SimpleNamespace

import pytest
import snakemake_logger_plugin_isthmus as progress
import yaml
from isthmus.experiment import experiment_files, jobs, layout
from isthmus.showing import partial, status
from snakemake.utils import update_config
from snakemake_interface_logger_plugins.common import LogEvent

from tests.unit.synthetic import experiment

TOY = {"kind": "toy", "task": "paraphrase", "rows": 90}


def _touch(folder, pattern, seeds, step):
    for seed in seeds:
        path = folder / pattern.format(model="tiny-0", dataset="entailment", seed=seed, step=step)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_status_counts_what_is_there_and_what_is_left(tmp_path):
    chosen = experiment(checkpoints=(100,), cells=[["tiny-0", "entailment"]])
    _touch(tmp_path, layout.WEIGHTS, (42, 43, 44), 0)
    _touch(tmp_path, layout.WEIGHTS, (42,), 100)
    _touch(tmp_path, layout.ROW, (43,), 0)
    lines = status.status(chosen, tmp_path).splitlines()
    assert lines[1] == "tiny-0 on entailment  step 0: 3/3 0/3 1/2  step 100: 1/3 0/3 0/2"
    assert lines[2].startswith("left: 2 checkpoints to train, 6 to evaluate, 3 rows of paths to measure")


def test_status_of_a_whole_experiment(tmp_path):
    chosen = experiment(checkpoints=(100,), cells=[["tiny-0", "entailment"]])
    for template in (layout.WEIGHTS, layout.EVALUATION, layout.ROW):
        for step in (0, 100):
            _touch(tmp_path, template, (43, 44) if template == layout.ROW else (42, 43, 44), step)
    assert status.status(chosen, tmp_path).endswith(
        f"left: nothing but the report, {tmp_path / 'report.html'}"
    )
    (tmp_path / "report.html").touch()
    assert status.status(chosen, tmp_path).endswith(f"all is there: {tmp_path / 'report.html'}")


def _whole_without(tmp_path, chosen, step):
    """All files of an experiment, but the weights of a step."""
    for template in (layout.RECORD, layout.WEIGHTS, layout.EVALUATION, layout.ROW):
        for each in (0, 100, 200):
            if template != layout.WEIGHTS or each != step:
                _touch(tmp_path, template, (43, 44) if template == layout.ROW else (42, 43, 44), each)


def test_weights_that_nothing_needs_any_more_are_not_missed(tmp_path):
    chosen = experiment(checkpoints=(100, 200), cells=[["tiny-0", "entailment"]], keep="last")
    _whole_without(tmp_path, chosen, 100)
    assert "left: nothing but the report" in status.status(chosen, tmp_path)
    assert partial.unfinished(chosen, tmp_path) == []


def test_weights_that_something_needs_are_missed(tmp_path):
    chosen = experiment(checkpoints=(100, 200), cells=[["tiny-0", "entailment"]], keep="last")
    _whole_without(tmp_path, chosen, 100)
    (tmp_path / "paths/tiny-0/entailment/step100/seed44.parquet").unlink()  # ends at 44, begins at 42 and 43
    assert "left: 3 checkpoints to train, 1 rows of paths to measure" in status.status(chosen, tmp_path)
    (tmp_path / "evaluations/tiny-0/entailment/seed42/step100.parquet").unlink()
    _touch(tmp_path, layout.ROW, (44,), 100)
    assert "left: 1 checkpoints to train, 1 to evaluate" in status.status(chosen, tmp_path)
    (line,) = partial.unfinished(chosen, tmp_path)
    assert line.startswith("the run tiny-0 on entailment, seed 42: no checkpoint at step 100")


def test_several_files_merge_as_snakemake_merges_them(tmp_path):
    texts = [
        "a: {b: 1, c: {d: 2, e: [1, 2]}}\nf: 1\ng: {h: 1}\n",
        "a: {c: {e: [3], i: 4}}\nf: {j: 5}\ng: 7\n",
    ]
    files = [tmp_path / f"{number}.yaml" for number in range(2)]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    merged = {"a": {"b": 1, "c": {"d": 2, "e": [3], "i": 4}}, "f": {"j": 5}, "g": 7}
    assert experiment_files.read([str(file) for file in files]) == merged
    theirs = {}
    for text in texts:
        update_config(theirs, yaml.safe_load(text))
    assert theirs == merged


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "models: {m: {folder: none}}\ndatasets: {d: {source: {kind: toy, task: paraphrase, rows: 9}}}",
            "models.m",
        ),
        (
            "models: {m: {hub: x/y}}\n"
            "datasets: {d: {source: {kind: files, paths: [n.tsv]}, text: [t], label: l, labels: [a, b]}}",
            "n.tsv",
        ),
        ("[1, 2]", "found a list"),
        ("a: [", "no YAML"),
    ],
)
def test_what_a_run_would_refuse_status_refuses(tmp_path, text, said):
    file = tmp_path / "x.yaml"
    file.write_text(text if text[0] in "[a" else f"experiment: x\nseeds: [1, 2]\n{text}\n")
    with pytest.raises(SystemExit, match=said):
        status.main([str(file)])


@pytest.mark.parametrize(
    ("done", "failed", "left", "line"),
    [
        (0, 0, None, "0 of 90 jobs done, 90 left | 2 min 5 s"),
        (0, 0, 250, "0 of 90 jobs done, 90 left | 2 min 5 s | about 4 min to go"),
        (30, 2, 12_000, "30 of 90 jobs done, 60 left | 2 min 5 s | about 3 h 20 min to go | 2 failed"),
        (89, 0, 20, "89 of 90 jobs done, 1 left | 2 min 5 s | less than a minute to go"),
        (90, 0, 0, "90 of 90 jobs done, 0 left | 2 min 5 s"),
    ],
)
def test_the_line_of_progress(done, failed, left, line):
    assert progress.progress(done, 90, failed, 125, [], left) == line
    assert progress.progress(done, 90, failed, 125, ["collect"], left) == f"{line} | now collect"


def emitter(handler):
    """What hands Snakemake's events on, with a time of their own."""

    def emit(event, created=0.0, message=None, **more):
        record = logging.LogRecord("snakemake", logging.INFO, "", 0, message, None, None)
        record.__dict__.update(event=event, created=created, **more)
        handler.emit(record)

    return emit


def test_the_time_left_is_weighed_by_what_earlier_runs_took(tmp_path, monkeypatch, capsys):
    """Of 3 jobs two are done within seconds: the third took an hour when it ran before."""
    monkeypatch.chdir(tmp_path)
    chosen = {"models": {"m": {"hub": "x/y"}}, "datasets": {"d": {"source": TOY}}, "device": "cpu"}
    (tmp_path / "x.yaml").write_text(yaml.safe_dump({"experiment": "x", "seeds": [1, 2], **chosen}))
    monkeypatch.setattr("sys.argv", ["snakemake", "--cores", "2", "--configfile", "x.yaml"])
    for rule, seconds in {"collect": 4, "tables": 3600, "figures": 4}.items():
        benchmark = tmp_path / "results/x" / layout.benchmark(rule)
        benchmark.parent.mkdir(parents=True, exist_ok=True)
        benchmark.write_text(f"s\th:m:s\n{seconds}\t0\n")
        template, _ = jobs.RULES[rule]
        done = tmp_path / "results/x" / template
        done.parent.mkdir(parents=True, exist_ok=True)
        done.touch()
    handler = progress.LogHandler(SimpleNamespace(), None)
    monkeypatch.setattr(progress.time, "time", lambda: 8.0)
    emit = emitter(handler)
    emit(LogEvent.RESOURCES_INFO, cores=2)
    emit(LogEvent.RUN_INFO, stats={"collect": 1, "figures": 1, "tables": 1, "all": 1, "total": 4})
    assert handler.forecast.at_once == 2
    for number, rule in enumerate(["collect", "figures"]):
        emit(LogEvent.JOB_INFO, jobid=number, rule_name=rule, wildcards={})
        emit(LogEvent.JOB_STARTED, 4.0 * number, jobs=[number])
        emit(LogEvent.JOB_FINISHED, 4.0 * number + 4, job_id=number)
    capsys.readouterr()
    emit(LogEvent.PROGRESS, done=2, total=4)
    assert "| about 1 h 0 min to go" in capsys.readouterr().err


def test_where_nothing_can_be_forecast_the_run_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["snakemake", "--configfile", "none.yaml"])
    emit = emitter(progress.LogHandler(SimpleNamespace(), None))
    emit(LogEvent.RUN_INFO, stats={"collect": 1, "total": 1})
    assert "0 of 1 jobs done, 1 left | 0 min 0 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("announced", "cores", "gpus"),
    [
        ([{"cores": 8}, {"provided_resources": {"gpu": 2, "_cores": 8}}], 8, 2),
        ([{"nodes": 100}, {"provided_resources": {"mem_mb": 9}}], 100, 100),
        ([{}], 1, 1),
    ],
)
def test_what_a_run_may_use_at_once(announced, cores, gpus):
    handler = progress.LogHandler(SimpleNamespace(), None)
    for each in announced:
        emitter(handler)(LogEvent.RESOURCES_INFO, **each)
    assert (handler.cores, handler.gpus) == (cores, gpus)


def test_the_summary_is_said_as_soon_as_it_is_there(tmp_path, capsys):
    path = tmp_path / layout.SUMMARY
    path.write_text("toy: not connected\n")
    emit = emitter(progress.LogHandler(SimpleNamespace(), None))
    for job, written in enumerate((["figure.png"], ["report.html", str(path)])):
        emit(LogEvent.JOB_INFO, jobid=job, rule_name="any", wildcards={}, output=written)
    emit(LogEvent.JOB_FINISHED, job_id=0)
    assert "toy" not in capsys.readouterr().out
    emit(LogEvent.JOB_FINISHED, job_id=1)
    assert capsys.readouterr().out == "toy: not connected\n\n"


def test_a_failure_names_the_job_its_reason_and_its_log(tmp_path, capsys):
    log = tmp_path / "job.log"
    log.write_text("step 1\nstep 2\nstep 3\nError: the loss is not finite\n")
    emit = emitter(progress.LogHandler(SimpleNamespace(), None))
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


def test_after_ctrl_c_jobs_say_what_they_saved_and_nothing_else(tmp_path, capsys):
    log = tmp_path / "job.log"
    log.write_text(
        "step 1\nSIGINT: saved the state of step 7 in 0.1 s; the next attempt goes on from there\n"
    )
    handler = progress.LogHandler(SimpleNamespace(), None)

    def emit(message, level=logging.INFO, **more):
        record = logging.LogRecord("snakemake", level, "", 0, message, None, None)
        record.__dict__.update(more)
        handler.emit(record)

    about = {"model": "tiny", "dataset": "toy", "seed": "2"}
    emit(None, event=LogEvent.JOB_INFO, jobid=7, rule_name="finetune", wildcards=about)
    emit("Terminating processes on user request, this might take some time.")
    emit("RuleException: CalledProcessError", logging.ERROR)
    emit(None, event=LogEvent.JOB_ERROR, jobid=7, rule_name="finetune", log=[str(log)])
    said = capsys.readouterr().err
    assert "stopped: finetune tiny toy seed 2: SIGINT: saved the state of step 7" in said
    assert "FAILED" not in said
    assert "RuleException" not in said
