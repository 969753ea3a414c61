"""What readers make of damaged files: random flips of a bit, and cuts, in each kind that jobs hand on.

    python tests/benchmarks/damage.py [FLIPS]     by default 300 of each kind, which takes some minutes

A flip is noticed (an error, or a cache's record that is not used), harmless (the value read is the right one)
or UNNOTICED (it is another); a cut at a random length must be noticed. The exit status is 0 where nothing was
unnoticed.
"""

import contextlib
import io
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT)]

from tests.unit import damaging  # noqa: E402 - found through the line above

CUTS = 30


def study(kind: damaging.Kind, flips: int, seed: int) -> tuple[Counter, Counter]:
    """How many flips, and how many cuts, had which outcome."""
    random = np.random.default_rng(seed)
    value, content = damaging.plain(kind.read()), kind.path.read_bytes()
    bits = random.integers(0, 8 * len(content), flips)
    lengths = random.integers(0, len(content), CUTS)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (
            Counter(damaging.outcome(kind, damaging.flipped(content, int(bit)), value) for bit in bits),
            Counter(damaging.outcome(kind, content[:length], value) for length in lengths),
        )


def main(arguments: list[str]) -> int:
    flips = int(arguments[0]) if arguments else 300
    print(f"{flips} single-bit flips and {CUTS} cuts of each kind of file\n")
    print("| file | bytes | noticed | harmless | UNNOTICED | cuts noticed |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    unnoticed = 0
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.redirect_stdout(io.StringIO()):
            kinds = damaging.make(Path(folder))
        for name, kind in kinds.items():
            of_flips, of_cuts = study(kind, flips, seed=0)
            unnoticed += of_flips["UNNOTICED"] + CUTS - of_cuts["noticed"]
            counts = [of_flips[outcome] for outcome in ("noticed", "harmless", "UNNOTICED")]
            shown = [name, kind.path.stat().st_size, *counts, of_cuts["noticed"]]
            print(f"| {' | '.join(map(str, shown))} |", flush=True)
    return int(unnoticed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
