"""What is known of this machine: the jobs that ran here, how much each computed and how long it took.

Read from the folders under `results/`: Snakemake's benchmark of a job says how long it took, the files that
it wrote how much it computed. A folder that another machine filled and that was copied here counts as this
machine's, which is why a plan names the folders that its rates are from.
"""

import math
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from isthmus import stored
from isthmus.errors import UserError
from isthmus.experiment import layout
from isthmus.experiment.jobs import RULES
from isthmus.planning.shapes import read_shape
from isthmus.planning.work import ALIKE, BACKWARD, LAYERS_SHARE, kind

SAMPLE = 8  # finished jobs of a rule and cell that are looked at, evenly spread: a grid has thousands


class Ran(NamedTuple):
    """A job that ran.

    Attributes:
        experiment: the name of its results' folder.
        rule: as of `work.ALIKE`.
        cell: (model, data set); empty names where it has none.
        seconds: from its start to its end.
        work: its operations; 0 where it runs no model, or where that is not known.
        token: operations of its model per token; 0 likewise.
        start: of the seconds, those before and after its work; None where that is not known.
        alphas: points of an adaptive path, its ends included; None of other jobs.
    """

    experiment: str
    rule: str
    cell: tuple[str, str]
    seconds: float
    work: float = 0.0
    token: float = 0.0
    start: float | None = None
    alphas: float | None = None


def ran(results: Path) -> list[Ran]:
    """The jobs of an experiment that have a benchmark, some of each rule and cell."""
    folder, found, seen = Folder(results), [], set()
    for rule in RULES:
        by_cell: dict[tuple[str, str], list[tuple[Path, Path]]] = {}
        for wildcards, file in layout.found(results, RULES[rule][0]):
            with suppress(KeyError):  # a file of another rule, whose template has fewer wildcards
                benchmark = results / layout.filled(layout.benchmark(rule), **wildcards)
                cell = wildcards.get("model", ""), wildcards.get("dataset", "")
                if benchmark.is_file() and benchmark not in seen:  # rules that are alike share theirs
                    seen.add(benchmark)
                    by_cell.setdefault(cell, []).append((file, benchmark))
        for cell, jobs in by_cell.items():
            for file, benchmark in jobs[:: math.ceil(len(jobs) / SAMPLE)]:
                # Estimates do without what is damaged or half written; a job that needs it says so.
                with suppress(UserError, OSError, ValueError, LookupError, pa.ArrowException):
                    found.append(folder.job(ALIKE.get(rule, rule), cell, file, benchmark))
    return found


def device(results: Path) -> str | None:
    """What an experiment's runs were trained on, `cpu` or `cuda`; None where nothing says it."""
    for _, record in layout.found(results, layout.RECORD):
        with suppress(UserError, OSError):
            if said := stored.read_json(record).get("identity_of", {}).get("numerics", {}).get("device"):
                return said
    return None


class Folder:
    """The results of an experiment, of which nothing but its files is known."""

    def __init__(self, results: Path):
        self.results = results
        self.tokens = cache(self._tokens)

    def job(self, rule: str, cell: tuple[str, str], file: Path, benchmark: Path) -> Ran:
        """What a finished job computed, and how long that took.

        Args:
            rule: as of `work.ALIKE`.
            cell: (model, data set), or empty names.
            file: the one that is there when it is done.
            benchmark: Snakemake's, of it.
        """
        seconds = float(benchmark.read_text().splitlines()[-1].split("\t")[0])
        plain = Ran(self.results.name, rule, cell, seconds)
        if rule in ("pretrain", "align") or kind(rule) not in ("training", "measuring"):
            return plain
        length, token = self.tokens(*cell)
        if kind(rule) == "training":
            history = stored.read_table(file.with_name(Path(layout.HISTORY).name), ["tokens", "seconds"])
            tokens, own = (sum(history[name].to_pylist()) for name in ("tokens", "seconds"))
            if own > seconds:  # it went on from an earlier attempt's state, and did only a part of it
                return plain
            return plain._replace(work=BACKWARD * tokens * token, token=token, start=seconds - own)
        examples, alphas = measured(rule, _columns(file))
        share = LAYERS_SHARE if rule == "layers" else 1
        return plain._replace(work=share * examples * length * token, token=token, alphas=alphas)

    def _tokens(self, model: str, dataset: str) -> tuple[float, float]:
        """Of a cell: mean tokens of an example, and operations of a forward pass for each."""
        cell = {"model": model, "dataset": dataset}
        arrays = stored.read_arrays(self.results / layout.filled(layout.TOKENS, set="train", **cell))
        length = len(arrays["ids"]) / max(1, len(arrays["offsets"]) - 1)
        records = [path for _, path in layout.found(self.results, layout.RECORD, **cell)]
        tasks = (stored.read_json(path).get("identity_of", {}).get("task") for path in records)
        task = next(filter(None, tasks), {})
        asked = {"causal_lm": 1.0, "masked_lm": task.get("masked")}.get(task.get("name")) or 0.0
        base = self.results / layout.filled(layout.BASE, **cell)
        shape = read_shape(base if base.is_dir() else records[0].parent)
        return length, shape.flops(length, asked)


def measured(rule: str, points: dict[str, list]) -> tuple[float, float | None]:
    """How many examples a job has measured, and the points of its paths, ends included.

    Args:
        rule: which kind of job.
        points: the columns `n` and, of these, those that its file has: `alpha, set, kind, size, place`. What
            other jobs measure is left out: ends of paths (but one, a row's own), members and pairs.
    """
    counts = points["n"]
    if rule == "plane":
        return sum(n for n, place in zip(counts, points["place"], strict=True) if place == "grid"), None
    if rule == "average":
        rows = zip(counts, points["kind"], points["size"], strict=True)
        soups = {"uniform": lambda size: int(size > 2), "greedy": lambda size: 2 * (size - 1)}
        return sum(n * soups[name](size) for n, name, size in rows if name in soups), None
    inner = sum(n for n, alpha in zip(counts, points["alpha"], strict=True) if 0 < alpha < 1)
    if rule == "layers":
        return inner, None
    paths = sum(alpha == 0 for alpha in points["alpha"])
    own_end = sum(dict(zip(points["set"], counts, strict=True)).values()) if rule == "interpolate" else 0
    return inner + own_end, len(counts) / paths if paths and not _uniform(points["alpha"]) else None


def _uniform(alphas: list[float]) -> bool:
    """Whether these are equally spaced, as they were asked for: that says nothing of an adaptive path."""
    places = sorted(set(alphas))
    return all(abs(place - i / (len(places) - 1)) < 1e-9 for i, place in enumerate(places))


def _columns(file: Path) -> dict[str, list]:
    """Some columns of a file: its replicates may be large, so its checksum is not looked at."""
    wanted = ("n", "alpha", "set", "kind", "size", "place")
    names = [name for name in pq.read_schema(file).names if name in wanted]
    return pq.read_table(file, columns=names, use_threads=False, pre_buffer=False).to_pydict()
