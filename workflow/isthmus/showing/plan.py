"""What an experiment costs before anything is spent: jobs, GPU hours, wall time, disk.

An estimate, from the models' real shapes, the data's token counts where they are known, and a rate of
computation that is measured (from this experiment's own finished training) or given. Whatever was assumed is
named. Nothing is downloaded, and no PyTorch is imported.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from isthmus import stored
from isthmus.experiment import adapter_folders, dependencies, folders, layout
from isthmus.experiment.config import POSITIONS, Adapter, Columns, Dataset, Experiment, HubSource
from isthmus.experiment.jobs import PLANE_ROWS, Job
from isthmus.models import hf_folders
from isthmus.space import soups

# Effective rates of one device in TFLOP/s, where nothing is measured yet: what an A100 may reach in training,
# and one core of a processor.
RATES = {"float32": 12.0, "tf32": 45.0, "bfloat16": 90.0}
CPU_RATE = 0.03
# Jobs that cost what those of another rule do.
ALIKE = {"finetune_adapter": "finetune", "interpolate_factors": "interpolate", "bend_two": "bend"}
MODEL_RULES = (
    "finetune",
    "evaluate",
    "interpolate",
    "average",
    "layers",
    "plane",
    "along",
    "bend",
    "curve",
    "align",
    "aligned",
    "examples",
)
LAYERS_SHARE = 0.6  # of a whole evaluation: what comes before the first tensor that moves is computed once
STARTUP = 20.0  # seconds of a job that runs a model before and after its work
ALPHAS = 25  # of an adaptive path: 15 to 40 are usual
REPLICATE_BYTES = 2 * 4  # of loss and error, for each replicate, set and alpha: in the rows
UNIT_BYTES = 8 + 2  # a loss and a prediction, for each evaluation unit, set and alpha: in the journal


# ------------------------------------------------------------------------------------------ shapes and tokens


@dataclass(frozen=True)
class Shape:
    """What a model's cost follows from.

    Attributes:
        layers, width, inner: transformer layers, hidden size, size of the feed-forward layer.
        parameters: all of them, embeddings and classification head included.
        vocabulary: rows of the token embedding.
    """

    layers: int
    width: int
    inner: int
    parameters: int
    vocabulary: int = 0

    def flops(self, length: float, asked: float = 0.0) -> float:
        """Floating-point operations of one forward pass, per token, in examples of `length` tokens.

        Args:
            length: tokens.
            asked: the part of them that a language model's head has to name.
        """
        products = 2 * self.layers * (4 * self.width**2 + 2 * self.width * self.inner)
        head = 2 * asked * self.width * self.vocabulary
        return products + head + 4 * self.layers * length * self.width  # the last: attention


def encoder(
    layers: int, width: int, vocabulary: int, positions: int, types: int = 2, inner: int = 0
) -> Shape:
    """The shape of a BERT with a pooler (or RoBERTa's head, which is as large)."""
    inner = inner or 4 * width
    embeddings = (vocabulary + positions + types) * width + 2 * width
    layer = 4 * (width**2 + width) + 2 * width * inner + inner + width + 4 * width
    parameters = embeddings + layers * layer + width**2 + width + 3 * width
    return Shape(layers, width, inner, parameters, vocabulary)


KNOWN_MODELS = {
    "bert-base-uncased": encoder(12, 768, 30522, 512),
    "bert-base-cased": encoder(12, 768, 28996, 512),
    "bert-large-uncased": encoder(24, 1024, 30522, 512),
    "bert-large-cased": encoder(24, 1024, 28996, 512),
    "distilbert-base-uncased": encoder(6, 768, 30522, 512, types=0),
    "roberta-base": encoder(12, 768, 50265, 514, types=1),
    "roberta-large": encoder(24, 1024, 50265, 514, types=1),
    "distilroberta-base": encoder(6, 768, 50265, 514, types=1),
    "multiberts-seed_0": encoder(12, 768, 30522, 512),
    "all-MiniLM-L6-v2": encoder(6, 384, 30522, 512),
    # Decoders; of gated feed-forward networks the three layers count as two that are half as wide again.
    "pythia-1b": encoder(16, 2048, 2 * 50304, 0, types=0),
    "pythia-6.9b": encoder(32, 4096, 2 * 50432, 0, types=0),
    "Llama-2-7b-hf": encoder(32, 4096, 2 * 32000, 0, types=0, inner=16512),
}
# Layers by what their names say: all three inputs of attention in one; of a feed-forward network.
FUSED = re.compile(r"c_attn|query_key_value|qkv|Wqkv")
INNER = re.compile(r"inter|fc|up|down|gate|lin1|lin2|ffn|mlp|_h_|dense")


def _ends(shape: Shape, targets: list[str] | str | None) -> int:
    """Rows and columns of the layers of a block that get an adapter: a rank costs so many numbers there."""
    square, inner = 2 * shape.width, shape.width + shape.inner
    if isinstance(targets, str):
        return 4 * square + 2 * inner
    names = targets or ["query", "value"]
    return sum(
        2 * square if FUSED.search(name) else inner if INNER.search(name) else square for name in names
    )


ASSUMED_MODEL = "bert-base-uncased"


class Text(NamedTuple):
    """A data set of the hub as it is known: labelled rows, and mean tokens an example as encoders read it."""

    rows: int
    tokens: float


# GLUE: rows of the train split, and about so many of BERT's word pieces an example, special ones included.
KNOWN_TEXTS = {
    "qqp": Text(363_846, 30.3),
    "mnli": Text(392_702, 39.2),
    "cola": Text(8_551, 11.3),
    "sst2": Text(67_349, 13.3),
    "qnli": Text(104_743, 49.0),
    "rte": Text(2_490, 70.0),
    "mrpc": Text(3_668, 53.0),
    "stsb": Text(5_749, 31.0),
    "wnli": Text(635, 37.0),
}
TOY_TOKENS = {"entailment": 16.0, "paraphrase": 18.0, "stories": 35.0}
ASSUMED_TEXT = Text(10_000, 40.0)


@dataclass
class Sizes:
    """Shapes and token counts of an experiment, and what had to be assumed for them."""

    experiment: Experiment
    results: Path
    assumed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shape = cache(self._shape)
        self.rows = cache(self._rows)
        self.length = cache(self._length)

    def _assume(self, text: str) -> None:
        if text not in self.assumed:
            self.assumed.append(text)

    def _shape(self, name: str) -> Shape:
        model = self.experiment.models[name]
        if model.bodies:
            return self._shape(model.bodies[0])
        if model.pretraining is not None:
            rung = self.experiment.pretraining[model.pretraining]
            return encoder(rung.layers, rung.width, 100, POSITIONS)
        for folder in filter(None, (self.results / layout.filled(layout.MODEL, model=name), model.folder)):
            if (folder / "model.json").is_file():
                hf_folders.read_record(folder)
            if (folder / "config.json").is_file():
                return read_shape(folder)
        known = (model.hub or "").rpartition("/")[2]
        if known not in KNOWN_MODELS:
            self._assume(f"{name}: its shape is not known before it is fetched; counted as {ASSUMED_MODEL}")
        return KNOWN_MODELS.get(known, KNOWN_MODELS[ASSUMED_MODEL])

    def saved(self, name: str) -> int:
        """Numbers in a checkpoint: all parameters, or those of an adapter and what is trained with it."""
        model, shape = self.experiment.models[name], self.shape(name)
        if not model.adapted:
            return shape.parameters
        local = [own.folder / adapter_folders.WEIGHTS for own in model.checkpoints or [] if own.folder]
        found = layout.found(self.results, layout.ADAPTER_WEIGHTS, model=name)
        for file in (*(path for _, path in found), *local):
            return sum(math.prod(t["shape"]) for t in folders.header(name, file).values())
        settings = model.adapter or Adapter()
        if not model.adapter:
            self._assume(f"{name}: its adapters are counted as LoRA of rank {settings.rank}")
        cells = [dataset for model, dataset in self.experiment.cell_list() if model == name]
        heads = any(not self.experiment.datasets[dataset].language for dataset in cells)
        head = shape.width**2 * (heads and settings.train_head)
        return settings.rank * shape.layers * _ends(shape, settings.targets) + head

    def _source(self, dataset: str, columns: Columns) -> Text:
        source = columns.source
        if source.kind == "toy":
            return Text(source.rows, TOY_TOKENS[source.task])
        known = KNOWN_TEXTS.get(source.config or "") if isinstance(source, HubSource) else None
        if known:
            self._assume(f"{dataset}: {known.rows:,} rows of some {known.tokens:.0f} tokens, as published")
            return known
        rows = columns.rows or ASSUMED_TEXT.rows
        self._assume(
            f"{dataset}: {rows:,} rows of {ASSUMED_TEXT.tokens:.0f} tokens: not known before they are read"
        )
        return Text(rows, ASSUMED_TEXT.tokens)

    def _rows(self, dataset: str, part: str) -> int:
        """Examples of a part of a data set that are evaluated: of `train` a sample."""
        whole: Dataset = self.experiment.datasets[dataset]
        if part in whole.sets:
            return self._part(dataset, part, whole.sets[part])
        test = self._part(dataset, "test", whole)
        return (self.experiment.evaluation.train_examples or test) if part == "train" else test

    def _part(self, dataset: str, part: str, columns: Columns) -> int:
        summary = layout.SUBSET if part == "test" else layout.SET_SUMMARY
        path = self.results / layout.filled(summary, dataset=dataset, set=part)
        if path.is_file():
            found = stored.read_json(path)
            return self._units(dataset, columns, found["test" if part == "test" else "set"]["rows"])
        rows = columns.rows or round(self._source(dataset, columns).rows * columns.fraction)
        share = columns.test_fraction if isinstance(columns, Dataset) else 1
        return self._units(dataset, columns, rows * share)

    def _units(self, dataset: str, columns: Columns, rows: float) -> int:
        """Examples of so many rows, or blocks of documents that are joined."""
        whole = self.experiment.datasets[dataset]
        if whole.language and whole.documents == "joined" and not whole.prompt:
            rows *= self._source(dataset, columns).tokens / whole.block_size
        return max(1, round(rows))

    def asked(self, dataset: str) -> float:
        """The part of the tokens that a language model's head has to name; of an answer all, at most."""
        whole = self.experiment.datasets[dataset]
        return {"classification": 0.0, "causal_lm": 1.0, "masked_lm": whole.masked}[whole.task]

    def _length(self, model: str, dataset: str) -> float:
        """Mean tokens of an example."""
        path = self.results / layout.filled(layout.TOKENS, model=model, dataset=dataset, set="train")
        if path.is_file():
            arrays = stored.read_arrays(path)
            return len(arrays["ids"]) / max(1, len(arrays["offsets"]) - 1)
        columns = self.experiment.datasets[dataset]
        if columns.language and columns.documents == "joined" and not columns.prompt:
            return columns.block_size
        return min(self._source(dataset, columns).tokens, columns.longest)


def read_shape(folder: Path) -> Shape:
    """The shape of a folder in Hugging Face's layout: parameters are counted where weights are there."""
    settings = json.loads((folder / "config.json").read_text())

    def first(*names: str) -> int:
        return next((settings[name] for name in names if settings.get(name)), 0)

    layers, width = first("num_hidden_layers", "n_layer", "n_layers"), first("hidden_size", "n_embd", "dim")
    inner = first("intermediate_size", "n_inner", "hidden_dim", "ffn_dim") or 4 * width
    weights = folder / "model.safetensors"
    if weights.is_file():
        parameters = sum(math.prod(entry["shape"]) for entry in folders.header(str(folder), weights).values())
        return Shape(layers, width, inner, parameters, first("vocab_size"))
    positions = first("max_position_embeddings", "n_positions")
    return encoder(layers, width, first("vocab_size"), positions, first("type_vocab_size"), inner)


# ----------------------------------------------------------------------------------------------------- costs


def measured_seconds(results: Path, model: str, dataset: str) -> float | None:
    """Seconds an update took in a cell's own training so far; None where there was none."""
    histories = layout.found(results, layout.HISTORY, model=model, dataset=dataset)
    seconds = [stored.read_table(path, ["seconds"])["seconds"].to_numpy().mean() for _, path in histories]
    return mean(seconds) if seconds else None


@dataclass
class Costs:
    """Seconds on one device, of each kind of job."""

    experiment: Experiment
    results: Path
    sizes: Sizes

    def __post_init__(self) -> None:
        self.updates = cache(self._update)
        measured = {cell: measured_seconds(self.results, *cell) for cell in self.experiment.cell_list()}
        self.measured = {cell: seconds for cell, seconds in measured.items() if seconds}
        rates = [self._work(*cell) / seconds for cell, seconds in self.measured.items()]
        self.rate = mean(rates) if rates else self._given() * 1e12

    def _given(self) -> float:
        if self.experiment.plan.tflops is not None:
            return self.experiment.plan.tflops
        if self.experiment.device == "cpu":
            return CPU_RATE * self.experiment.threads
        return RATES[self.experiment.precision]

    def _work(self, model: str, dataset: str) -> float:
        """Operations of an update: forward, and twice that backward."""
        length = self.sizes.length(model, dataset)
        batch = self.experiment.cell_training(model, dataset).batch_size
        return 3 * batch * length * self.sizes.shape(model).flops(length, self.sizes.asked(dataset))

    def _update(self, model: str, dataset: str) -> float:
        return self.measured.get((model, dataset)) or self._work(model, dataset) / self.rate

    def _measure(self, model: str, dataset: str, sets: list[str] | None = None) -> float:
        """One set of weights on all evaluation sets, or some."""
        length = self.sizes.length(model, dataset)
        sets = sets or dependencies.sets(self.experiment, dataset)
        examples = sum(self.sizes.rows(dataset, part) for part in sets)
        flops = self.sizes.shape(model).flops(length, self.sizes.asked(dataset))
        return examples * length * flops / self.rate

    def alphas(self) -> int:
        paths = self.experiment.paths
        return paths.points if paths.grid == "uniform" else min(ALPHAS, paths.max_alphas)

    def of(self, job: Job) -> float:
        """Seconds of a job on its device; 0 for those that run no model."""
        w, rule = job.wildcards, ALIKE.get(job.rule, job.rule)
        if rule == "pretrain":
            return STARTUP + self._pretraining(w["model"])
        if rule not in MODEL_RULES:
            return 0.0
        cell = w["model"], w["dataset"]
        if rule == "finetune":
            steps = self.experiment.cell_training(*cell).checkpoint_steps()
            step = int(w["step"])
            return STARTUP + (step - max(s for s in steps if s < step)) * self.updates(*cell)
        if rule in ("evaluate", "examples"):  # from the journal, where the row has measured it
            return STARTUP
        if rule == "average":
            return STARTUP + soup_points(self.experiment, *cell) * self._measure(*cell)
        if rule == "plane":
            return STARTUP + self._plane(*cell, w["plane"])
        if rule == "layers":
            points = layer_points(self.experiment, self.sizes, cell[0])
            return STARTUP + LAYERS_SHARE * points * self._measure(*cell, ["test"])
        if rule == "bend":
            return STARTUP + bend_updates(self.experiment, *cell, w["curve"]) * self.updates(*cell)
        if rule in ("curve", "aligned"):
            return STARTUP + (self.alphas() - 2) * self._measure(*cell)
        if rule == "align":
            return STARTUP + self._aligning(*cell)
        if rule == "along":
            return STARTUP + along_points(self.experiment, *cell, self.alphas()) * self._measure(*cell)
        rows = self.experiment.cell_rows(*cell)
        # The row's own end is measured once, and that of the first seed by the first row.
        pairs, ends = len(rows[int(w["seed"])]), 2 if int(w["seed"]) == next(iter(rows)) else 1
        return STARTUP + (pairs * (self.alphas() - 2) + ends) * self._measure(*cell)

    def _aligning(self, model: str, dataset: str) -> float:
        """Two forward passes of some training examples."""
        share = self.experiment.alignment.examples / max(1, self.sizes.rows(dataset, "test"))
        return 2 * share * self._measure(model, dataset, ["test"])

    def _plane(self, model: str, dataset: str, name: str) -> float:
        """Some rows of a plane's grid."""
        _, plane = self.experiment.cell_planes(model, dataset)[name]
        test = self.sizes.rows(dataset, "test")
        share = min(1.0, plane.examples / test)
        points = min(PLANE_ROWS, plane.resolution) * plane.resolution
        return points * share * self._measure(model, dataset, ["test"])

    def _pretraining(self, name: str) -> float:
        rung = self.experiment.models[name]
        settings = self.experiment.pretraining[rung.pretraining]
        tokens = settings.training.batch_size * 2 * TOY_TOKENS["paraphrase"] / 2
        return rung.pretraining_steps * 3 * tokens * self.sizes.shape(name).flops(18) / self.rate


def soup_points(experiment: Experiment, model: str, dataset: str) -> int:
    """Soups of a step that no path has measured: of three or more, and what a greedy choice tries."""
    runs = list(experiment.cell_runs(model, dataset))
    uniform = sum(len(soups.subsets(runs, size, 0)) for size in soups.sizes(len(runs)) if size > 2)
    return uniform + 2 * (len(runs) - 1) * experiment.averages.greedy


def layer_points(experiment: Experiment, sizes: Sizes, model: str) -> int:
    """Points of all lines of a pair in some of its layers, from both ends."""
    layers, groups = experiment.layers, sizes.shape(model).layers + 2
    if isinstance(layers.groups, dict):
        lines = len(layers.groups)
    else:
        groups += (layers.groups == "halves") * sizes.shape(model).layers
        lines = 3 * groups - 4  # a single group is alone and also the first, or the last, of several
    return 2 * lines * (layers.alphas - 1) + 2


def bend_updates(experiment: Experiment, model: str, dataset: str, name: str) -> int:
    """Updates that the bends of a curve are trained for."""
    steps = next(curve.steps for curve in experiment.curves if curve.name == name)
    return steps or experiment.cell_training(model, dataset).steps


def along_points(experiment: Experiment, model: str, dataset: str, alphas: int) -> int:
    """Points within the lines of one run; their ends are evaluated."""
    return (len(experiment.cell_steps(model, dataset)) - 1) * (alphas - 2)


def wall_time(costs: Costs, jobs: Iterable[Job], gpus: int) -> float:
    """Seconds until the last job ends, at best: all work shared out evenly, or the longest run's chain.

    Segments of one run follow on each other, so more GPUs than runs gain nothing.
    """
    total, chains, longest_row = 0.0, Counter(), 0.0
    for job in jobs:
        seconds = costs.of(job)
        total += seconds
        rule = ALIKE.get(job.rule, job.rule)
        if rule == "finetune":
            chains[job.wildcards["model"], job.wildcards["dataset"], job.wildcards["seed"]] += seconds
        elif rule == "interpolate":
            longest_row = max(longest_row, seconds)
    return max(total / gpus, max(chains.values(), default=0.0) + longest_row)


# ------------------------------------------------------------------------------------------------------ disk


class Disk(NamedTuple):
    """Bytes: what stays when all is done, and the most that may stand on the disk on the way."""

    stays: float
    peak: float


def disk(experiment: Experiment, sizes: Sizes, alphas: int, keep: str, keep_states: str, gpus: int) -> Disk:
    """The disk that an experiment takes from its start, caches included.

    A checkpoint is what is trained of the weights, in float32; a state has Adam's two moments too, and stands
    twice while it is saved. On the way, `keep: last` may hold what `keep: all` does, where one seed runs
    ahead of the others.
    """
    kept_bytes, temporary, saving = 0.0, 0.0, 0.0
    for model, dataset in experiment.cell_list():
        weights = 4.0 * sizes.saved(model)
        seeds, steps = len(experiment.cell_runs(model, dataset)), experiment.cell_steps(model, dataset)
        if experiment.models[model].checkpoints is not None:  # nothing is trained, and all of them stay
            kept_bytes += seeds * weights * len(steps)
        else:
            kept = len(steps) if keep == "all" else min(2, len(steps))
            states = len(steps) - 1 if keep_states == "all" else 1
            kept_bytes += seeds * weights * (kept + 3 * states)
            temporary += seeds * weights * (len(steps) - kept)
            saving = max(saving, 3 * weights)
        sets = ("train", "test", *experiment.datasets[dataset].sets)
        spaces = len(experiment.paths.spaces) if experiment.models[model].adapted else 1
        points = spaces * len(steps) * len(experiment.cell_pairs(model, dataset)) * alphas
        units = sum(sizes.rows(dataset, part) for part in sets)
        points += len(experiment.cell_averaged(model, dataset)) * soup_points(experiment, model, dataset)
        curves = experiment.cell_curves(model, dataset)
        points += (len(curves) + len(experiment.cell_aligned(model, dataset))) * alphas
        # Each bend is a checkpoint, and in a state with two moments.
        kept_bytes += 4 * weights * sum(curve.bends for *_, curve in curves)
        points += experiment.paths.along * seeds * along_points(experiment, model, dataset, alphas)
        replicates = REPLICATE_BYTES * experiment.evaluation.replicates * len(sets)
        kept_bytes += points * (replicates + UNIT_BYTES * units)
        kept_bytes += UNIT_BYTES * _test_units(experiment, sizes, model, dataset)
    whole = [model for model, _ in experiment.cell_list() if experiment.models[model].adapted]  # bases
    whole += dict(experiment.cell_list())
    kept_bytes += sum(4.0 * sizes.shape(model).parameters for model in whole)
    return Disk(kept_bytes, kept_bytes + temporary + gpus * saving)


def _test_units(experiment: Experiment, sizes: Sizes, model: str, dataset: str) -> float:
    """Test examples that are recorded for planes and for lines in layers, over all of their points."""
    test = sizes.rows(dataset, "test")
    planes = [plane for _, plane in experiment.cell_planes(model, dataset).values()]
    units = sum(plane.resolution**2 * min(plane.examples, test) for plane in planes)
    if lines := len(experiment.cell_layers(model, dataset)):
        units += lines * layer_points(experiment, sizes, model) * test
    return units


# ------------------------------------------------------------------------------------------------------ text


def describe(experiment: Experiment, jobs: list[Job], results: Path) -> str:
    """The plan of an experiment, for people to read.

    Args:
        experiment: the settings; `plan` has the number of GPUs and the rate.
        jobs: all jobs of the experiment; those whose file is there count as done.
        results: the folder of its results.
    """
    sizes = Sizes(experiment, results)
    costs = Costs(experiment, results, sizes)
    left = [job for job in jobs if not job.file.exists()]
    gpus = experiment.plan.gpus
    device = "core" if experiment.device == "cpu" else "GPU"
    lines = [f"Plan of {experiment.experiment}", "", *_job_table(jobs, left, costs, device), ""]
    hours = sum(map(costs.of, left)) / 3600
    wall = wall_time(costs, left, gpus) / 3600
    several = f"{gpus} {device}{'s' * (gpus > 1)}"
    lines += [
        f"{device} hours: {_number(hours)}; wall time with {several}: {_hours(wall)} or more",
        "",
        f"{'disk, from the start':<32} {'stays':>8} {'at most on the way':>20}",
    ]
    for keep in ("all", "last"):
        for states in ("last", "all"):
            of = disk(experiment, sizes, costs.alphas(), keep, states, gpus)
            mark = " <- this" if (keep, states) == (experiment.keep, experiment.keep_states) else ""
            name = f"keep: {keep}, keep_states: {states}"
            lines.append(f"{name:<32} {_bytes(of.stays):>8} {_bytes(of.peak):>20}{mark}")
    lines += ["", "Models:", *_models(experiment, sizes), "", "Assumptions:"]
    lines += [f"- {text}" for text in (*_assumptions(experiment, costs, device), *sizes.assumed)]
    return "\n".join(lines)


def _job_table(jobs: list[Job], left: list[Job], costs: Costs, device: str) -> list[str]:
    total, open_, seconds = Counter(j.rule for j in jobs), Counter(j.rule for j in left), Counter()
    for job in left:
        seconds[job.rule] += costs.of(job)
    lines = [f"{'jobs':<19} {'all':>7} {'done':>7} {'left':>7}   {device} hours left"]
    for rule, count in total.items():
        hours = _number(seconds[rule] / 3600) if seconds[rule] else ""
        lines.append(f"{rule:<19} {count:>7} {count - open_[rule]:>7} {open_[rule]:>7}   {hours}".rstrip())
    lines.append(f"{'total':<19} {len(jobs):>7} {len(jobs) - len(left):>7} {len(left):>7}")
    return lines


def _models(experiment: Experiment, sizes: Sizes) -> list[str]:
    return [
        f"- {name}: {sizes.shape(name).parameters:,} parameters, {sizes.shape(name).layers} layers, "
        f"width {sizes.shape(name).width}"
        + (f"; its adapters have some {sizes.saved(name):,}" if experiment.models[name].adapted else "")
        for name in dict(experiment.cell_list())
    ]


def _assumptions(experiment: Experiment, costs: Costs, device: str) -> list[str]:
    rate = f"{costs.rate / 1e12:.3g} TFLOP/s for each {device}"
    if costs.measured:
        source = f"{rate}, measured in {len(costs.measured)} cell(s) of this experiment's own training"
    elif experiment.plan.tflops is not None:
        source = f"{rate}, as given (plan.tflops)"
    else:
        source = (
            f"{rate}: a guess for {experiment.device} and {experiment.precision}; plan.tflops says better"
        )
    grid = (
        "as configured" if experiment.paths.grid == "uniform" else "of an adaptive path: 15 to 40 are usual"
    )
    return [
        source,
        f"{costs.alphas()} alphas a path, {grid}",
        f"{STARTUP:.0f} s for a job with a model to start and end; evaluations come from the rows' journal",
        "no waiting in a cluster's queue, no repeated work; jobs without a model are not counted",
        "done means that a job's file is there; `snakemake -n` says what changed settings make run again",
    ]


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _hours(hours: float) -> str:
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{_number(hours)} hours"


def _bytes(size: float) -> str:
    power = min(4, max(1, int(math.log(max(size, 1), 1000))))
    return f"{_number(size / 1000**power)} {('', 'kB', 'MB', 'GB', 'TB')[power]}"
