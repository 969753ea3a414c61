"""What `make run` shows on a terminal: one line of progress, and failures in plain words with their logs.

Snakemake finds it by its name: `snakemake --logger isthmus`. Its own full log stays in `.snakemake/log/`.
"""

import shutil
import sys
import time
from logging import WARNING

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

LAST_LINES = 3  # of a failed job's log: that is where the reason stands


class LogHandler(LogHandlerBase):
    """Keeps one line on the terminal up to date; everything else is printed above it."""

    def __post_init__(self) -> None:
        self.done, self.total, self.failed = 0, 0, 0
        self.jobs: dict[int, str] = {}  # what each job is, by its number
        self.running: dict[int, None] = {}
        self.start = time.monotonic()
        self.stopping = False  # since Ctrl-C

    def emit(self, record) -> None:
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self.total = (getattr(record, "stats", None) or {}).get("total", 0)
        elif event == LogEvent.JOB_INFO:
            self.jobs[record.jobid] = name(record.rule_name, record.wildcards)
        elif event == LogEvent.JOB_STARTED:
            self.running |= dict.fromkeys(record.jobs)
        elif event == LogEvent.JOB_FINISHED:
            self.running.pop(record.job_id, None)
        elif event == LogEvent.PROGRESS:
            self.done, self.total = record.done, record.total
        elif event is None and "Terminating processes on user request" in str(record.msg):
            self.stopping = True
            self.say("Stopping: jobs that train save their state ...")
        elif event == LogEvent.JOB_ERROR and self.stopping:
            self.running.pop(record.jobid, None)
            said = [line for log in record.log for line in last_lines(log)[-1:]]
            self.say(f"stopped: {self.jobs.get(record.jobid, record.rule_name)}: {' '.join(said)}")
        elif self.stopping:
            pass  # what Snakemake says of each job that ends
        elif event == LogEvent.JOB_ERROR:
            self.running.pop(record.jobid, None)
            self.failed += 1
            self.say(failure(self.jobs.get(record.jobid, record.rule_name), record.log))
        elif event == LogEvent.ERROR or (event is None and record.levelno >= WARNING):
            self.say(record.getMessage().strip())
        elif event is None and "Nothing to be done" in str(record.msg):
            self.say("Nothing to be done: everything is there and up to date.")
        self.show()

    def say(self, text: str) -> None:
        """Print above the line of progress."""
        if text:
            print(f"\r\x1b[K{text}", file=sys.stderr)

    def show(self) -> None:
        """Write the line of progress anew, cut to the terminal's width."""
        if self.total:
            seconds = time.monotonic() - self.start
            running = [self.jobs[job] for job in self.running if job in self.jobs]
            line = progress(self.done, self.total, self.failed, seconds, running)
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


def progress(done: int, total: int, failed: int, seconds: float, running: list[str]) -> str:
    """The line: jobs done and left, the time that has passed and may be left, what runs now."""
    parts = [f"{done} of {total} jobs done, {total - done} left", clock(seconds)]
    if 0 < done < total:
        parts.append(f"some {clock(seconds / done * (total - done))} to go")
    if failed:
        parts.append(f"{failed} failed")
    if running:
        parts.append(f"now {', '.join(running)}")
    return " | ".join(parts)


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
