"""CPU seconds of all jobs of an experiment, by their scripts, for two commits side by side.

    python tests/benchmarks/processes.py [BEFORE] [AFTER] [--experiment FILE] [--cores N]

Each commit's files are unpacked to a folder of their own, and its Snakemake makes the whole experiment there:
FILE, or by default the embedded one as each commit has it. Snakemake's own benchmarks look at a job every few
seconds, which is longer than most jobs take; so each Python that runs a script is waited for by another one,
which a `sitecustomize` on the search path starts. What is left of the time that the system counted for all of
them together is Snakemake's.

Scripts that only one of the two commits runs are listed below the others, and not counted.
"""

import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BEFORE = "4b34cea"  # before jobs began to import only what they need
OURS = ("SNAKEMAKE", "ISTHMUS", "PYTHONPATH")  # variables of the caller, which are none of the runs'
NOTES = "PROCESS_NOTES"  # the folder to which processes write what they took
SNAKEMAKE = "Snakemake itself, and shells"
# A job's Python goes on in a child of its own; what it took to the very end, the system tells its parent.
HOOK = f"""
import os, re, sys, uuid

script = re.search(r"[.]snakemake/scripts/\\w+[.](\\w+)[.]py", " ".join(sys.orig_argv))
if script and (child := os.fork()):
    _, status, usage = os.wait4(child, 0)
    with open(os.path.join(os.environ["{NOTES}"], script[1] + " " + uuid.uuid4().hex), "w") as file:
        file.write(str(usage.ru_utime + usage.ru_stime))
    os._exit(os.waitstatus_to_exitcode(status))
"""


@dataclass
class Taken:
    """What one commit took: seconds of wall time, and CPU seconds of each job by script."""

    wall: float = 0.0
    jobs: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def unpacked(commit: str, folder: Path) -> Path:
    """A commit's files in a folder of their own."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


def measure(repository: Path, experiment: Path, cores: int, scratch: Path) -> Taken:
    """Make an experiment with a copy of the workflow, and add up what its processes took."""
    (notes := scratch / "notes").mkdir(parents=True)
    (hook := scratch / "hook").mkdir()
    (hook / "sitecustomize.py").write_text(HOOK)
    call = [sys.executable, "-m", "snakemake", "--directory", str(scratch / "made"), "--cores", str(cores)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    began = time.monotonic()
    with open(scratch / "output", "w") as output:
        process = subprocess.Popen(
            [*call, "--configfile", str(experiment)],
            cwd=repository,
            env=kept | {"PYTHONPATH": str(hook), NOTES: str(notes)},
            stdout=output,
            stderr=output,
        )
        _, status, usage = os.wait4(process.pid, 0)  # of the process and all that it waited for
    process.returncode = status
    if status:
        raise SystemExit((scratch / "output").read_text())
    taken = Taken(time.monotonic() - began)
    for path in notes.iterdir():
        taken.jobs[path.name.partition(" ")[0]].append(float(path.read_text()))
    total = usage.ru_utime + usage.ru_stime
    taken.jobs[SNAKEMAKE].append(total - sum(map(sum, taken.jobs.values())))
    return taken


def table(before: Taken, after: Taken, names: tuple[str, str]) -> str:
    """The Markdown table of two commits: what both have, the dearest first, their sum, and what one has."""
    common = sorted(before.jobs.keys() & after.jobs.keys(), key=lambda rule: -sum(before.jobs[rule]))
    single = sorted(before.jobs.keys() ^ after.jobs.keys())
    lines = [
        f"| script | jobs | {names[0]}, CPU s | {names[1]}, CPU s | ratio |",
        "| --- | --: | --: | --: | --: |",
    ]

    def line(name: str, jobs: str, old: float, new: float) -> str:
        return f"| {name} | {jobs} | {old:.2f} | {new:.2f} | {new / old:.2f} |"

    for rule in common:
        old, new = before.jobs[rule], after.jobs[rule]
        jobs = f"{len(old)}" if len(old) == len(new) else f"{len(old)}, {len(new)}"
        lines.append(line(rule, jobs, sum(old), sum(new)))
    sums = [sum(sum(taken.jobs[rule]) for rule in common) for taken in (before, after)]
    lines += [line("**all of these**", "", *sums), line("wall time, s", "", before.wall, after.wall)]
    for rule in single:
        both = [taken.jobs.get(rule, []) for taken in (before, after)]
        shown = " | ".join(f"{sum(own):.2f}" if own else "" for own in both)
        lines.append(f"| not counted: {rule} | {sum(map(len, both))} | {shown} | |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commits", nargs="*", metavar="COMMIT", help=f"by default {BEFORE} and HEAD")
    parser.add_argument(
        "--experiment", type=Path, default=Path("config.yaml"), help="a file, or each commit's"
    )
    parser.add_argument("--cores", type=int, default=2)
    asked = parser.parse_args()
    names = (*asked.commits, *(BEFORE, "HEAD")[len(asked.commits) :])
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(names):
            scratch = Path(folder, str(number))
            repository = unpacked(name, scratch / "repository")
            # A path that is not absolute is one in each commit's own files.
            found.append(measure(repository, repository / asked.experiment, asked.cores, scratch))
    print(table(*found, names=names))


if __name__ == "__main__":
    main()
