"""A scheduler for tests: jobs run on this machine, each detached and in a session of its own, for a time.

`commands` writes its three programs, which keep what they know in one folder, in files named by numbers:

    submit MINUTES WORD... SCRIPT   starts a job and prints its number; what was asked for is written down
    status NUMBER                   prints running, success or failed
    cancel NUMBER...                ends jobs

A job is ended, by `cancel` or after its minutes, as schedulers do it: SIGTERM to all its processes, and
SIGKILL to those that are left some seconds later, or once the job's script has ended.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE = 20.0  # seconds between the two signals
PROGRAMS = {
    "submit": """
number=$(($(ls "$folder" | grep -c asked$) + 1))
echo "$@" > "$folder/$number.asked"
minutes=$1
shift $(($# - 1))
setsid "$python" "$keeper" "$folder/$number" "$minutes" "$1" < /dev/null > "$folder/$number.out" 2>&1 &
echo $number
""",
    "status": """
if [ ! -e "$folder/$1.ended" ]; then echo running
elif [ "$(cat "$folder/$1.ended")" = 0 ]; then echo success
else echo failed; fi
""",
    "cancel": """
for number; do : > "$folder/$number.cancelled"; done
""",
}


def commands(folder: Path) -> dict[str, str]:
    """Write the programs of a scheduler that has this folder; where each one is."""
    folder.mkdir()
    paths = {name: folder.with_name(f"{folder.name}-{name}") for name in PROGRAMS}
    for name, path in paths.items():
        names = f"folder='{folder}'\npython='{sys.executable}'\nkeeper='{__file__}'"
        path.write_text(f"#!/bin/sh\n{names}\n{PROGRAMS[name]}")
        path.chmod(0o755)
    return {name: str(path) for name, path in paths.items()}


def send(session: int, number: signal.Signals) -> None:
    """Send a signal to all processes of a session."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            of = (place / "stat").read_text().rpartition(")")[2].split()[3]
            if int(of) == session:
                os.kill(int(place.name), number)
        except (OSError, ProcessLookupError):  # it has ended meanwhile
            continue


def keep(job: Path, minutes: float, script: str) -> None:
    """Run a job to its end; then, and not before, its status is written down."""
    process = subprocess.Popen(["sh", script], start_new_session=True)
    job.with_suffix(".session").write_text(str(process.pid))
    limit, killed = time.monotonic() + 60 * minutes, None
    while process.poll() is None:
        time.sleep(0.1)
        now = time.monotonic()
        if killed is None and (now > limit or job.with_suffix(".cancelled").exists()):
            send(process.pid, signal.SIGTERM)
            killed = now + GRACE
        elif killed is not None and now > killed:
            send(process.pid, signal.SIGKILL)
    send(process.pid, signal.SIGKILL)
    job.with_suffix(".ended").write_text(str(process.returncode))


if __name__ == "__main__":
    keep(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
