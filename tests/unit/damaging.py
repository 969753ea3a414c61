"""One small file of each kind that jobs hand on, the reader of the jobs that take it, and damage to it."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from isthmus import stored
from isthmus.caches import journal, states
from isthmus.data import breakdowns, further_sets, subsets, tokens
from isthmus.data.rows import read_rows
from isthmus.experiment import config, outputs
from isthmus.measuring import evaluation, rises
from isthmus.measuring.ends import End
from isthmus.measuring.interpolation import interpolate
from isthmus.measuring.rows import Resampling, Row
from isthmus.models import classifiers, hf_folders, tokenizing, weight_files
from isthmus.showing import figures, views
from isthmus.statistics import basins, connectivity, tidy
from isthmus.training.finetuning import finetune
from isthmus.training.pretraining import Pretraining, pretrain, toy_tokenizer
from isthmus.training.saving import Cache
from isthmus.training.schedule import Recipe

from tests.unit import tiny

RECIPE = {"steps": 8, "batch_size": 8, "token_budget": 256, "learning_rate": 1e-3, "warmup_steps": 2}
KEYS = [f"{number:064x}" for number in range(3)]


@dataclass(frozen=True)
class Kind:
    """A file and the reader through which jobs get what is in it."""

    path: Path
    read: Callable[[], Any]


def flipped(content: bytes, bit: int) -> bytes:
    """The content with one bit turned."""
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def outcome(kind: Kind, content: bytes, value: Any) -> str:
    """What a reader makes of a damaged file: `noticed`, `harmless` (the value is right) or `UNNOTICED`.

    The error is not asked for its kind: on code that checks nothing a decoder may say anything.
    """
    whole = kind.path.read_bytes()
    kind.path.write_bytes(content)
    try:
        found = plain(kind.read())
    except Exception:
        return "noticed"
    finally:
        kind.path.write_bytes(whole)
    return "harmless" if found == value else "UNNOTICED"


def plain(value: Any) -> Any:
    """A value made of what can be compared bit by bit, NaN included."""
    if isinstance(value, dict):
        return [(key, plain(value[key])) for key in sorted(value, key=str)]
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, pd.DataFrame):
        return [(name, str(value[name].dtype), plain(value[name].tolist())) for name in value.columns]
    if isinstance(value, pd.Series):
        return plain(value.to_frame())
    if hasattr(value, "detach"):
        value = value.detach().numpy()
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            return plain(value.tolist())
        return (str(value.dtype), value.shape, value.tobytes())
    return repr(value)


def make(folder: Path) -> dict[str, Kind]:
    """Make the files as the jobs do, on a model that is too small to learn; all stand in `folder`."""
    kinds: dict[str, Kind] = {}

    def add(name: str, path: Path, read: Callable[[Path], Any], *first: Any) -> None:
        kinds[name] = Kind(path, lambda: read(*(first or (path,))))

    _add_model(folder / "models" / "tiny", add)
    sets = _add_data(folder, add)
    ends = _add_checkpoints(folder, add, sets["train"])
    _add_measured(folder, add, ends, sets)
    _add_caches(folder, kinds)
    return kinds


def _add_model(model: Path, add) -> None:
    size = Pretraining(layers=1, width=8, heads=2, rows=20, seed=0, masked=0.15)
    recipe = Recipe(**config.Training(**RECIPE, checkpoints=[4]).recipe())
    cache = Cache(model.parent / "state", frozenset(), 1.0)
    pretrain(
        settings=size, recipe=recipe, step=0, numerics=tiny.cpu(), cache=cache, out=model
    )  # fmt: skip

    def opened(_: Path) -> Any:
        """As `initialize` and `tokenize` do, with all that Transformers reads."""
        hf_folders.check_whole(model)
        text = tokenizing.open_tokenizer(model)("the fox sees a dog", "a dog").input_ids
        files = [json.loads((model / name).read_text()) for name in ("config.json", "tokenizer.json")]
        return weight_files.load(model / hf_folders.WEIGHTS), text, files

    add("model, weights", model / hf_folders.WEIGHTS, opened)
    add("model, config.json", model / "config.json", opened)
    add("model, tokenizer.json", model / "tokenizer.json", opened)
    add("model, tokenizer_config.json", model / "tokenizer_config.json", opened)
    add("model, model.json", model / "model.json", lambda _: hf_folders.read_record(model))


def _add_data(folder: Path, add) -> dict[str, Path]:
    place, dataset = folder / "data" / "toy", _dataset(folder)
    subsets.write("toy", dataset, None, place)
    far = config.FurtherSet(source=dataset.source, fraction=0.5)
    rows, summary = place / "far.parquet", place / "far.json"
    further_sets.write("far", "toy", dataset, far, None, place, rows, summary)
    add("data, train.parquet", place / "train.parquet", read_rows)
    add("data, further set", rows, read_rows)
    add("data, subset.json", place / "subset.json", stored.read_json)
    add("data, further set's JSON", summary, stored.read_json)
    parts = place / "breakdown" / "_main.parquet"
    breakdowns.write("datasets.toy", dataset, None, {"test": place / "test.parquet"}, parts)
    add("data, breakdown", parts, lambda path: connectivity._breakdowns([path]))
    sets = {}
    for name in ("train", "test"):
        sets[name] = folder / "tokens" / "tiny" / "toy" / f"{name}.safetensors"
        sets[name].parent.mkdir(parents=True, exist_ok=True)
        rows = read_rows(place / f"{name}.parquet")
        tokens.write(tokens.tokenize(toy_tokenizer(), rows, [0, 1], 64), sets[name])
    add("tokens", sets["train"], lambda path: vars(tokens.read(path)))
    return sets


def _dataset(folder: Path) -> config.Dataset:
    path = folder / "rows.tsv"
    lines = [
        f"the fox sees a dog {i}\ta dog is seen {i}\t{'yes' if i % 3 else 'no'}\tp{i % 2}" for i in range(60)
    ]
    path.write_text("\n".join(["a\tb\tlabel\tpart", *lines]) + "\n")
    source = {"kind": "files", "paths": [str(path)]}
    return config.Dataset(source=source, text=["a", "b"], label="label", by="part", test_fraction=0.4)


def _add_checkpoints(folder: Path, add, examples: Path) -> list[Path]:
    """Two runs of one step, as `initialize` and `finetune` leave them."""
    recipe, cell = (
        Recipe(**config.Training(**RECIPE, checkpoints=[4]).recipe()),
        folder / "checkpoints" / "tiny" / "toy",
    )
    ends = []
    for seed in (1, 2):
        start, end = cell / f"seed{seed}" / "step0", cell / f"seed{seed}" / "step4"
        sha256 = classifiers.initialize(folder / "models" / "tiny", ["no", "yes"], 0, seed, start)
        record = {"model": "tiny", "dataset": "toy", "seed": seed, "step": 0, "sha256": sha256}
        hf_folders.write_record(start / "checkpoint.json", record)
        cache = Cache(folder / "state" / f"seed{seed}", frozenset(), 1.0)
        finetune(
            start=start, examples=examples, recipe=recipe, seed=seed, previous=0, step=4, numerics=tiny.cpu(),
            cache=cache, out=end,
        )  # fmt: skip
        ends.append(end)

    def opened(_: Path) -> Any:
        end = End.read(2, ends[1])
        pad = hf_folders.pad_token(end.folder)
        return (
            weight_files.load(end.folder / hf_folders.WEIGHTS, end.sha256),
            pad,
            _json(end.folder / "config.json"),
        )

    add("checkpoint, weights", ends[1] / hf_folders.WEIGHTS, opened)
    add("checkpoint, config.json", ends[1] / "config.json", opened)
    add("checkpoint, checkpoint.json", ends[1] / "checkpoint.json", lambda _: hf_folders.read_record(ends[1]))
    add(
        "checkpoint, history.parquet",
        ends[1] / "history.parquet",
        lambda path: figures.read_histories([path]),
    )
    return ends


def _json(path: Path) -> Any:
    return json.loads(path.read_text())


def _add_measured(folder: Path, add, ends: list[Path], files: dict[str, Path]) -> None:
    sets, numerics = evaluation.read_sets(files, None, 0), tiny.cpu()
    scores = folder / "evaluations" / "tiny" / "toy" / "seed2" / "step4.parquet"
    points = folder / "paths" / "tiny" / "toy" / "step4" / "seed2.parquet"
    pairs, gaps = (points.with_suffix(f".{kind}.parquet") for kind in ("pairs", "gaps"))
    records = folder / "journal"
    evaluation.evaluate(
        checkpoint=ends[1], sets=sets, budget=128, numerics=numerics, journal=records / "seed2", out=scores
    )
    first, second = (End.read(seed, end) for seed, end in zip((1, 2), ends, strict=True))
    row = Row(second, None, sets, 128, numerics, Resampling(10, 0), records)
    labels = {"model": "tiny", "dataset": "toy", "step": 4}
    files = {"out": points, "pairs": pairs, "gaps": gaps}
    interpolate(row=row, others=[first], sampler=tiny.SAMPLER, labels=labels, **files)
    add("evaluations", scores, lambda path: connectivity._collected("evaluations", path, {}))
    add("paths, for gaps", points, lambda path: vars(connectivity.cell([path], 4, 4)))
    add("paths, for the page", points, views._points)
    add("paths, cross-fitted", gaps, lambda path: vars(connectivity.cell([points], 4, 4, [path])))
    add("paths, pairs", pairs, lambda path: connectivity._collected("pairs", path, {}))
    risen = folder / "examples" / "tiny" / "toy.parquet"
    lines = rises.Lines([first, second], sets["test"], 128, numerics, records)
    rises.write(lines=lines, rows=[points], floor=0.0, labels=labels, out=risen)
    add("examples", risen, lambda path: connectivity._collected("concentration", path, {}))
    reduced = connectivity.cell([points], 4, 4)
    frames = {"metrics": reduced.metrics, "deltas": reduced.deltas, "means": reduced.means}
    frames["basins"] = basins.cell([points], [1, 2], 4, "average", None)
    inputs = {"evaluations": [str(scores)], "pairs": [str(pairs)]}
    for name, frame in frames.items():
        part = "" if name == "metrics" else f".{name}"
        path = folder / "connectivity" / "tiny" / f"toy{part}.parquet"
        stored.write_frame(path, frame)
        if name == "basins":
            add(f"connectivity, {name}", path, stored.read_frame)
            continue
        inputs[name] = [str(path)]
        add(f"connectivity, {name}", path, lambda path, name=name: connectivity._collected(name, path, {}))
    csv_files = {name: str(folder / f"{name}.csv") for name in outputs.TIDY}
    connectivity.collect("damaging", {"tiny": 0}, inputs, csv_files)
    for name in ("metrics", "evaluations"):
        add(f"{name}.csv", folder / f"{name}.csv", tidy.read)


def _add_caches(folder: Path, kinds: dict[str, Kind]) -> None:
    """A journal that was opened before the damage, and one that is opened after it; a state."""
    place = folder / "records"
    records = journal.Journal(place)
    for number, key in enumerate(KEYS):
        records.put(key, {"loss": np.arange(5.0) + number, "predictions": np.arange(5)})
    (path,) = place.iterdir()

    def known(open_now: bool) -> Any:
        """What is found; what is not found counts as noticed, since it is measured again."""
        reader = journal.Journal(place) if open_now else copy.deepcopy(opened)
        found = [reader.get(key) for key in KEYS]
        if None in found:
            raise LookupError("measured again")
        return found

    opened = journal.Journal(place)
    kinds["journal, read after"] = Kind(path, lambda: known(True))
    kinds["journal, opened before"] = Kind(path, lambda: known(False))
    run = folder / "states"
    weights = {"weights/x": tiny.torch.arange(50.0)}
    saved = states.save(run, "a" * 64, 3, weights, states.Platforms(("cpu",), ("2.9",)))

    def newest() -> Any:
        found = states.newest(run, "a" * 64, 5)
        if found is None:
            raise LookupError("trained again")
        return found[1].read_bytes()

    kinds["state"] = Kind(saved, newest)
