"""Time and memory of planning the source paper's grid (`snakemake -n`), by the number of seeds.

    python tests/benchmarks/dag.py [SEEDS ...]     by default 2, 20, 50 and 100, which takes some minutes

Machines differ in speed, so the exit status says only whether the memory of `BYTES` is enough. Two quiet
cores took some two and a half minutes at 100 seeds. Nothing is fetched.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BYTES = {50: 0.8e9, 100: 1.6e9}  # that are allowed, by seeds


def measure(seeds: int) -> tuple[int, float, float]:
    """Jobs of the grid with so many seeds, and what planning them takes: seconds, bytes."""
    chosen = ",".join(str(42 + i) for i in range(seeds))  # the figures show seed 42
    call = [sys.executable, "-m", "snakemake", "-n", "-q", "rules", "--configfile", "experiments/paper.yaml"]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as output:
        began = time.monotonic()
        process = subprocess.Popen(
            [*call, "--directory", folder, "--config", f"seeds=[{chosen}]"],
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        seconds = time.monotonic() - began
        output.seek(0)
        text = output.read()
    if status:
        raise SystemExit(text)
    return int(re.search(r"^total +(\d+)", text, re.MULTILINE)[1]), seconds, 1024.0 * usage.ru_maxrss


def main(arguments: list[str]) -> int:
    """Print the table for the numbers of seeds given; 1 where one takes more memory than is allowed."""
    print("| seeds | jobs | seconds | GB |\n| --- | --- | --- | --- |")
    within = True
    for seeds in map(int, arguments or (2, 20, 50, 100)):
        jobs, seconds, size = measure(seeds)
        print(f"| {seeds} | {jobs} | {seconds:.1f} | {size / 1e9:.2f} |", flush=True)
        within = within and size <= BYTES.get(seeds, float("inf"))
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
