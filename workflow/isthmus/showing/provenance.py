"""Where an experiment's numbers come from: origins, hashes, versions, hardware, and what it all cost."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

from isthmus import stored
from isthmus.caches import attempts
from isthmus.experiment import layout, parameters
from isthmus.showing import software


def read(experiment, results: Path) -> dict:
    """What the records beside models, data and checkpoints say: versions, origins, hashes, time spent.

    Args:
        experiment: the typed config, which says which models are rungs of one pre-training.
        results: the experiment's folder.
    """
    models = {key["model"]: _record(path) for key, path in layout.found(results, layout.MODEL_RECORD)}
    data = {key["dataset"]: _record(path) for key, path in layout.found(results, layout.SUBSET)}
    runs: dict[tuple[str, str, int], list[dict]] = {}
    for key, path in layout.found(results, layout.RECORD):
        runs.setdefault((key["model"], key["dataset"], key["seed"]), []).append(_record(path))
    bends = [_record(path) for _, path in layout.found(results, layout.BEND_RECORD)]
    ends = {run: max(records, key=lambda record: record["step"]) for run, records in runs.items()}
    last = list(ends.values())
    drawing = {name: version(name) for name in ("matplotlib", "pandas", "seaborn")}
    return {
        "software": software.facts(),
        "python": platform.python_version(),
        "versions": _versions(last) | drawing,
        "model": {name: _known(record, "origin", "revision", "sha256") for name, record in models.items()},
        "data": {
            name: {
                "source": _known(record["source"], *record["source"]) | _known(record, "revision"),
                **{part: _known(record[part], "rows", "ids_sha256") for part in ("train", "test")},
                **_left_out(record.get("counts", {})),
                **_further(results, name),
            }
            for name, record in data.items()
        },
        "hardware": {
            "computed on": sorted({device for record in last for device in _seconds(record)}) or "unknown",
            "page made on": f"{platform.platform(terse=True)}, {platform.machine()}, {os.cpu_count()} cores",
            **(
                {"mixed": mixtures}
                if (mixtures := mixed(models, runs, _measured(experiment, results)))
                else {}
            ),
        },
        "time spent": {
            "pre-training": _spent((_pretraining(experiment, name), one) for name, one in models.items()),
            "fine-tuning": _spent(
                ((run[:2], part.get("identity", run)), part)
                for run, record in ends.items()
                for part in (record, record.get("trunk", {}))
            ),
            **({"bends of curves": _spent((one["identity"], one) for one in bends)} if bends else {}),
            "measuring": _spent([("all", {"spent": attempts.spent_measuring(results / layout.JOURNALS)})]),
            "jobs": sum(1 for _ in (results / layout.BENCHMARKS).rglob("*.tsv")),
        },
    }


def write(path: Path, experiment, origins: dict, partial: bool) -> None:
    """Write what the results in the file's folder are of, for programs to read.

    Args:
        path: the JSON file.
        experiment: the typed config; its settings are written with their defaults.
        origins: from `read`.
        partial: whether the results are not whole, and their files may be those of other settings.
    """
    unseen = dict.fromkeys(parameters.FREE, True) | {"layers": {"cache_mb"}}
    record = {
        "experiment": experiment.experiment,
        "partial": partial,
        "settings": experiment.model_dump(mode="json", exclude_none=True, exclude=unseen),
        "origins": origins,
        "files": stored.listed(path.parent),
    }
    stored.write_json(path, record)


# What can change the bits of a training without being another training, by its key in a checkpoint's record.
PLATFORM = {"hardware": "kinds of device", "torch": "versions of PyTorch"}
PROMISE = "the same bits are promised on one of each only"


def mixed(
    models: dict[str, dict],
    runs: dict[tuple[str, str, int], list[dict]],
    measured: dict[tuple[str, str], list[dict]],
) -> dict[str, str]:
    """A sentence for each model and each cell that mixes kinds of device or versions of PyTorch.

    Args:
        models: their records.
        runs: by (model, data set, seed) the records of a run's checkpoints; what one lacks is not known.
        measured: by (model, data set) the records of the processes that measured.

    Returns:
        By model or by cell, such as `bert on sick`; those that mix nothing, as far as is known, are left out.
    """
    found = {}
    for name, record in models.items():
        if several := _several({name: [record]}):
            found[name] = f"pre-trained on {several}: {PROMISE}"
    for model, dataset in dict.fromkeys([*(run[:2] for run in runs), *measured]):
        by_seed = {seed: records for (*cell, seed), records in runs.items() if cell == [model, dataset]}
        parts = {
            "trained": _several({f"within seed {seed}": records for seed, records in by_seed.items()}),
            "measured": _several({"": measured.get((model, dataset), [])}),
        }
        if said := ", ".join(f"{verb} on {several}" for verb, several in parts.items() if several):
            found[f"{model} on {dataset}"] = f"{said}: {PROMISE}"
    return found


def _several(groups: dict[str, list[dict]]) -> str:
    """The kinds and versions that groups of records mix, and whether within a group or between them."""
    clauses = []
    for key, kinds in PLATFORM.items():
        values = {
            name: {value for record in records for value in record.get(key, [])} - {"unknown"}
            for name, records in groups.items()
        }
        every = sorted(set().union(*values.values()))
        if len(every) > 1:
            within = ", ".join(name for name, own in values.items() if len(own) > 1 and len(groups) > 1)
            place = "" if len(groups) == 1 else f"; {within or 'between seeds'}"
            clauses.append(f"several {kinds} ({', '.join(every)}{place})")
    return " and ".join(clauses)


def _measured(experiment, results: Path) -> dict[tuple[str, str], list[dict]]:
    """By cell on what it was measured, in the form of a checkpoint's record."""
    found = {}
    for model, dataset in experiment.cell_list():
        folder = results / layout.filled(layout.CELL_JOURNAL, model=model, dataset=dataset)
        found[model, dataset] = [
            {key: [record[key]] for key in PLATFORM if record.get(key)}
            for record in attempts.measured_on(folder)
        ]
    return found


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


def _further(results: Path, dataset: str) -> dict[str, dict]:
    """The rows of a data set's further sets, by the set's name."""
    subset = results / layout.filled(layout.SUBSET, dataset=dataset)
    summaries = layout.found(results, layout.SET_SUMMARY, dataset=dataset)
    counts = {key["set"]: _record(path)["counts"] for key, path in summaries if path != subset}
    return {name: {"rows": found["subset"], **_left_out(found)} for name, found in counts.items()}


def _record(path):
    return stored.read_json(path)


def _known(record, *keys):
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
    for trained, record in records:
        if "spent" in record:
            most.setdefault(trained, []).append(record["spent"])
    spent = [max(ones, key=lambda one: (one["attempts"], one["cpu_seconds"])) for ones in most.values()]
    attempts = sum(one["attempts"] for one in spent)
    if not attempts:
        return "none recorded"
    devices = sorted({device for one in spent for device in one["seconds"]})
    minutes = {device: sum(one["seconds"].get(device, 0.0) for one in spent) / 60 for device in devices}
    hours = sum(one["cpu_seconds"] for one in spent) / 3600
    return [
        *(f"{minutes[device]:.1f} minutes on {device}" for device in devices),
        f"{hours:.2f} CPU hours",
        f"attempts: {attempts}",
    ]


def _seconds(record):
    return record.get("spent", {}).get("seconds", {})
