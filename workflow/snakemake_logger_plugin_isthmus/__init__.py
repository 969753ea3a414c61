"""What `make run` shows on a terminal: one line of progress, and failures in plain words with their logs.

Snakemake finds it by its name: `snakemake --logger isthmus`. Its own full log stays in `.snakemake/log/`.
"""

import shutil
import sys
import time
from logging import WARNING
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

SUMMARY = "summary.txt"  # as in the library's layout, which is not imported here
LAST_LINES = 3  # of a failed job's log: that is where the reason stands

# Snakemake imports its plugins, wanted or not, before it reads the files of `--configfile`, and says of a
# target that this option has swallowed nothing but FileNotFoundError. So it is said here, in words. The
# workflow brings the library that it is read with, maybe another copy: this look into ours leaves no trace.
CALLED = "snakemake" in (Path(sys.argv[0]).name, Path(sys.argv[0]).parent.name)
if CALLED and any(word.startswith("--configfile") for word in sys.argv):
    from isthmus.errors import ConfigError
    from isthmus.experiment import experiment_files

    try:
        experiment_files.check_call(sys.argv)
    except ConfigError as error:
        sys.exit(f"Error: {error}")
    for module in [name for name in sys.modules if name.partition(".")[0] == "isthmus"]:
        del sys.modules[module]


class LogHandler(LogHandlerBase):
    """Keeps one line on the terminal up to date; everything else is printed above it."""

    def __post_init__(self) -> None:
        self.done, self.total, self.failed = 0, 0, 0
        self.jobs: dict[int, str] = {}  # what each job is, by its number
        self.asked: dict[int, tuple[str, dict]] = {}  # their rules and wildcards
        self.summaries: dict[int, str] = {}  # the file of the job that writes it
        self.running: dict[int, None] = {}
        self.cores, self.gpus = 1, 1
        self.forecast = None
        self.start = time.monotonic()
        self.stopping = False  # since Ctrl-C

    def emit(self, record) -> None:
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            stats = getattr(record, "stats", None) or {}
            self.total = stats.get("total", 0)
            self.forecast = self.forecast or begin(stats, self.cores, self.gpus)
        elif event == LogEvent.RESOURCES_INFO:
            self.count(record)
        elif event == LogEvent.JOB_INFO:
            self.jobs[record.jobid] = name(record.rule_name, record.wildcards)
            self.asked[record.jobid] = record.rule_name, dict(record.wildcards or {})
            for path in getattr(record, "output", None) or ():
                if Path(path).name == SUMMARY:
                    self.summaries[record.jobid] = path
        elif event == LogEvent.JOB_STARTED:
            self.running |= dict.fromkeys(record.jobs)
            for job in record.jobs:
                if self.forecast and job in self.asked:
                    self.forecast.start(*self.asked[job], record.created)
        elif event == LogEvent.JOB_FINISHED:
            self.end(record.job_id, record.created)
            self.say_summary(record.job_id)
        elif event == LogEvent.PROGRESS:
            self.done, self.total = record.done, record.total
        elif event is None and "Terminating processes on user request" in str(record.msg):
            self.stopping = True
            self.say("Stopping: jobs that train save their state ...")
        elif event == LogEvent.JOB_ERROR and self.stopping:
            self.end(record.jobid, record.created, well=False)
            said = [line for log in record.log for line in last_lines(log)[-1:]]
            self.say(f"stopped: {self.jobs.get(record.jobid, record.rule_name)}: {' '.join(said)}")
        elif self.stopping:
            pass  # what Snakemake says of each job that ends
        elif event == LogEvent.JOB_ERROR:
            self.end(record.jobid, record.created, well=False)
            self.failed += 1
            self.say(failure(self.jobs.get(record.jobid, record.rule_name), record.log))
        elif event == LogEvent.ERROR or (event is None and record.levelno >= WARNING):
            self.say(record.getMessage().strip())
        elif event is None and "Nothing to be done" in str(record.msg):
            self.say("Nothing to be done: everything is there and up to date.")
        self.show()

    def count(self, record) -> None:
        """Note what the run may use at the same time; of a cluster as many as it submits jobs."""
        nodes, resources = getattr(record, "nodes", None), getattr(record, "provided_resources", None) or {}
        self.cores = nodes or getattr(record, "cores", None) or self.cores
        self.gpus = nodes or resources.get("gpu") or self.gpus

    def end(self, job: int, now: float, well: bool = True) -> None:
        """Note that a job runs no more."""
        self.running.pop(job, None)
        if self.forecast and job in self.asked:
            self.forecast.end(*self.asked[job], now, well)

    def say_summary(self, job: int) -> None:
        """What a reader asks for first, as soon as it is there: figures take longer."""
        if job in self.summaries:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            print(Path(self.summaries[job]).read_text(encoding="utf-8"), flush=True)

    def say(self, text: str) -> None:
        """Print above the line of progress."""
        if text:
            print(f"\r\x1b[K{text}", file=sys.stderr)

    def show(self) -> None:
        """Write the line of progress anew, cut to the terminal's width."""
        if self.total:
            seconds = time.monotonic() - self.start
            running = [self.jobs[job] for job in self.running if job in self.jobs]
            left = self.forecast.seconds(time.time()) if self.forecast else None
            line = progress(self.done, self.total, self.failed, seconds, running, left)
            line = line[: shutil.get_terminal_size().columns - 1]
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        if self.total:
            print(file=sys.stderr)
            self.total = 0
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        return True

    @property
    def writes_to_file(self) -> bool:
        return False

    @property
    def has_filter(self) -> bool:
        return True

    @property
    def has_formatter(self) -> bool:
        return True

    @property
    def needs_rulegraph(self) -> bool:
        return False


def begin(stats: dict[str, int], cores: int, gpus: int):
    """The `Forecast` of this call; None where nothing can be said.

    Args:
        stats: how many jobs of each rule are to run.
        cores, gpus: what they may use at the same time.
    """
    try:
        # Snakemake imports this module in each of its processes; those of single jobs need none of it.
        from isthmus.experiment import experiment_files, inputs
        from isthmus.planning import forecast

        files = experiment_files.in_call(sys.argv) or ["config.yaml"]
        experiment = inputs.checked(experiment_files.read(files), ", ".join(files))
        return forecast.forecast(experiment, stats, cores, gpus)
    except Exception:  # a line of progress is no reason to end a run
        return None


def progress(
    done: int, total: int, failed: int, seconds: float, running: list[str], left: float | None
) -> str:
    """The line: jobs done and left, the time that has passed and is left (where known), what runs now."""
    parts = [f"{done} of {total} jobs done, {total - done} left", clock(seconds)]
    if left is not None and done < total:
        parts.append(f"{about(left)} to go")
    if failed:
        parts.append(f"{failed} failed")
    if running:
        parts.append(f"now {', '.join(running)}")
    return " | ".join(parts)


def about(seconds: float) -> str:
    """A time that is an estimate, for people."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    return f"about {minutes} min" if minutes < 60 else f"about {minutes // 60} h {minutes % 60} min"


def clock(seconds: float) -> str:
    """A duration for people."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def name(rule: str, wildcards) -> str:
    """A job for people: its rule, and which cell, seed and step it is about."""
    plain = ("model", "dataset")  # these speak for themselves
    about = [value if key in plain else f"{key} {value}" for key, value in dict(wildcards or {}).items()]
    return " ".join([rule, *about])


def failure(job: str, logs: list[str]) -> str:
    """Which job failed, the end of its log, and where the whole log is."""
    lines = [f"FAILED: {job}"]
    for log in logs:
        said = last_lines(log)
        lines += [f"    {line}" for line in said]
        lines.append(f"    the whole log: {log}" if said else f"    its log, {log}, is empty or missing")
    return "\n".join(lines)


def last_lines(log: str) -> list[str]:
    """The last lines of a log that say something."""
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            return [line.rstrip() for line in file if line.strip()][-LAST_LINES:]
    except OSError:
        return []
