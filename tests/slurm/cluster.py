"""What a SLURM for tests is asked for, and what it says of its jobs."""

import re
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROFILE = (
    "--workflow-profile",
    "profiles/slurm",
    "--slurm-init-seconds-before-status-checks",
    "2",
    "--latency-wait",
    "10",
)


def command(*args: str) -> str:
    return subprocess.run(args, check=True, text=True, capture_output=True).stdout


def jobs(directory: Path) -> list[dict[str, str]]:
    """What SLURM knows of the jobs of a working directory, oldest first."""
    lines = command("scontrol", "show", "job", "--oneliner").splitlines()
    found = [dict(re.findall(r"([A-Za-z/:]+)=(\S*)", line)) for line in lines]
    return sorted(
        (job for job in found if job.get("WorkDir") == str(directory)), key=lambda j: int(j["JobId"])
    )


def of_rule(found: list[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    """Jobs by the rule that their comment names; those of a group by its name."""
    rules = defaultdict(list)
    for job in found:
        name = re.match(r"rule_(.*?)(?:_wildcards_.*)?$", job["Comment"])[1]
        group = re.match(r"(data|start|end)_", name)
        rules[group[1] if group else name].append(job)
    return rules


def most_at_once(found: list[dict[str, str]]) -> int:
    """How many of the jobs ran at the same time, at most; an end goes before a start of the same second."""
    events = sorted(
        event for job in found for event in ((job["StartTime"], 1), (job["EndTime"], -1)) if job["StartTime"]
    )
    running, most = 0, 0
    for _, change in events:
        running += change
        most = max(most, running)
    return most


def until(what: Callable[[], Any], seconds: float = 300) -> Any:
    """Wait for something to be true; its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := what():
            return value
        time.sleep(0.2)
    raise AssertionError(f"waited {seconds} s in vain")
