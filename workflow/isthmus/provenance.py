"""Where an experiment's numbers come from: origins, hashes, versions, hardware, and what it all cost."""

import os
import platform
from pathlib import Path

from isthmus import state, stored


def read(results: Path) -> dict:
    """What the records beside models, data and checkpoints say: versions, origins, hashes, time spent."""
    from importlib.metadata import version

    models = {path.parent.name: _record(path) for path in sorted((results / "models").glob("*/model.json"))}
    data = {path.parent.name: _record(path) for path in sorted((results / "data").glob("*/subset.json"))}
    runs: dict[Path, list[dict]] = {}
    for path in sorted((results / "checkpoints").glob("*/*/seed*/step*/checkpoint.json")):
        runs.setdefault(path.parents[1], []).append(_record(path))
    last = [max(records, key=lambda record: record["step"]) for records in runs.values()]
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
            "pre-training": _spent(models.values()),
            "fine-tuning": _spent([*last, *(record["trunk"] for record in last if "trunk" in record)]),
            "measuring": _spent([{"spent": state.spent_measuring(results / "journal")}]),
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


def _spent(records):
    """Time by device, CPU hours and the number of attempts; failed ones count, shared ones once."""
    spent = list({r.get("identity", n): r["spent"] for n, r in enumerate(records) if "spent" in r}.values())
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
