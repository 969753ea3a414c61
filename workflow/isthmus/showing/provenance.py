"""Where an experiment's numbers come from: origins, hashes, versions, hardware, and what it all cost."""

import os
import platform
from pathlib import Path

from isthmus import stored
from isthmus.caches import attempts


def read(experiment, results: Path) -> dict:
    """What the records beside models, data and checkpoints say: versions, origins, hashes, time spent.

    Args:
        experiment: the typed config, which says which models are rungs of one pre-training.
        results: the experiment's folder.
    """
    from importlib.metadata import version

    models = {path.parent.name: _record(path) for path in sorted((results / "models").glob("*/model.json"))}
    data = {path.parent.name: _record(path) for path in sorted((results / "data").glob("*/subset.json"))}
    runs: dict[Path, list[dict]] = {}
    for path in sorted((results / "checkpoints").glob("*/*/seed*/step*/checkpoint.json")):
        runs.setdefault(path.parents[1], []).append(_record(path))
    ends = {run: max(records, key=lambda record: record["step"]) for run, records in runs.items()}
    last = list(ends.values())
    drawing = {name: version(name) for name in ("matplotlib", "pandas", "seaborn")}
    return {
        "python": platform.python_version(),
        "versions": _versions(last) | drawing,
        "model": {name: _said(record, "origin", "revision", "sha256") for name, record in models.items()},
        "data": {
            name: {
                "source": _said(record["source"], *record["source"]) | _said(record, "revision"),
                **{part: _said(record[part], "rows", "ids_sha256") for part in ("train", "test")},
                **_left_out(record.get("counts", {})),
                **_further(results / "data" / name),
            }
            for name, record in data.items()
        },
        "hardware": {
            "computed on": sorted({device for record in last for device in _seconds(record)}) or "unknown",
            "page made on": f"{platform.platform(terse=True)}, {platform.machine()}, {os.cpu_count()} cores",
        },
        "time spent": {
            "pre-training": _spent((_pretraining(experiment, name), one) for name, one in models.items()),
            "fine-tuning": _spent(
                ((run.parent, part.get("identity", run)), part)
                for run, record in ends.items()
                for part in (record, record.get("trunk", {}))
            ),
            "measuring": _spent([("all", {"spent": attempts.spent_measuring(results / "journal")})]),
            "jobs": sum(1 for _ in (results / "benchmarks").rglob("*.tsv")),
        },
    }


def lines(values: dict, prefix: str = "") -> list[tuple[str, str]]:
    """Nested values as (name, text) lines."""
    found = []
    for key, value in values.items():
        if isinstance(value, dict):
            found += lines(value, f"{prefix}{key}, ")
        else:
            parts = value if isinstance(value, list | tuple) else [value]
            found.append((f"{prefix}{key}", ", ".join(map(str, parts))))
    return found


LEFT_OUT = {
    "unlabelled_dropped": "rows without a label, left out",
    "empty_dropped": "rows without a text, left out",
    "duplicates_dropped_from_test": "rows of test whose input is in train, left out",
    "also_in_train": "rows whose input is in train too",
}


def _left_out(counts: dict[str, int]) -> dict[str, int]:
    """How many rows were dropped and why, where any were, and how many a further set shares with train."""
    always = ("also_in_train",)
    return {
        LEFT_OUT[key]: counts[key] for key in LEFT_OUT if key in counts and (counts[key] or key in always)
    }


def _further(folder: Path) -> dict[str, dict]:
    """The rows of a data set's further sets, by the set's name."""
    counts = {
        path.stem: _record(path)["counts"] for path in sorted(folder.glob("*.json")) if path.stem != "subset"
    }
    return {name: {"rows": found["subset"], **_left_out(found)} for name, found in counts.items()}


def _record(path):
    return stored.read_json(path)


def _said(record, *keys):
    return {key: record[key] for key in keys if record.get(key) is not None}


def _versions(records):
    """Each package's version, or all of them where runs had different ones."""
    found: dict[str, dict] = {}
    for record in records:
        for name, value in record.get("versions", {}).items():
            found.setdefault(name, {})[value] = None
    return {name: list(values) for name, values in sorted(found.items())}


def _pretraining(experiment, name):
    """The pre-training that a model is a rung of, which rungs share; the model itself where it is none."""
    model = experiment.models.get(name)
    return ("pre-training", model.pretraining) if model and model.pretraining else ("model", name)


def _spent(records):
    """Time by device, CPU hours and the number of attempts; failed ones count, shared ones once.

    Args:
        records: pairs of what was trained and a record of it. What one training took stands in several: each
            has what had been spent when it was written, so the one with the most is counted.
    """
    most: dict = {}
    for what, record in records:
        if "spent" in record:
            most.setdefault(what, []).append(record["spent"])
    spent = [max(ones, key=lambda one: (one["attempts"], one["cpu_seconds"])) for ones in most.values()]
    attempts = sum(one["attempts"] for one in spent)
    if not attempts:
        return "none recorded"
    devices = sorted({device for one in spent for device in one["seconds"]})
    minutes = {device: sum(one["seconds"].get(device, 0.0) for one in spent) / 60 for device in devices}
    hours = sum(one["cpu_seconds"] for one in spent) / 3600
    said = [f"{minutes[device]:.1f} minutes on {device}" for device in devices]
    return [*said, f"{hours:.2f} CPU hours", f"attempts: {attempts}"]


def _seconds(record):
    return record.get("spent", {}).get("seconds", {})
