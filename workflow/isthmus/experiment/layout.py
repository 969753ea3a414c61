"""The files of an experiment: each name made, and read back, in this one place.

A template is a path under `results/<experiment>/` with wildcards, as Snakemake writes them: `filled` makes a
file of it, `parsed` gives a file's wildcards back, `found` looks for all its files.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

# Data: the source as fetched, the subset in its two parts, further sets, and what breaks evaluations down.
FETCHED_ROWS = "data/{dataset}/fetched/{name}.parquet"
TRAIN_ROWS = "data/{dataset}/train.parquet"
TEST_ROWS = "data/{dataset}/test.parquet"
SUBSET = "data/{dataset}/subset.json"
SET_ROWS = "data/{dataset}/{set}.parquet"
SET_SUMMARY = "data/{dataset}/{set}.json"
BREAKDOWN = "data/{dataset}/breakdown/{name}.parquet"
TOKENS = "tokens/{model}/{dataset}/{set}.safetensors"

# Pre-trained models, in Hugging Face's layout, with a record.
MODEL = "models/{model}"
MODEL_CONFIG = f"{MODEL}/config.json"
MODEL_WEIGHTS = f"{MODEL}/model.safetensors"
TOKENIZER = f"{MODEL}/tokenizer.json"
TOKENIZER_CONFIG = f"{MODEL}/tokenizer_config.json"
MODEL_RECORD = f"{MODEL}/model.json"

# Checkpoints, in Hugging Face's layout, with a record and the training history of their segment.
CHECKPOINT = "checkpoints/{model}/{dataset}/seed{seed}/step{step}"
CONFIG = f"{CHECKPOINT}/config.json"
WEIGHTS = f"{CHECKPOINT}/model.safetensors"
RECORD = f"{CHECKPOINT}/checkpoint.json"
HISTORY = f"{CHECKPOINT}/history.parquet"
# Of adapters, in PEFT's layout: what they adapt, once a cell, and two files in the place of weights.
BASE = "checkpoints/{model}/{dataset}/base"
BASE_CONFIG = f"{BASE}/config.json"
BASE_WEIGHTS = f"{BASE}/model.safetensors"
BASE_RECORD = f"{BASE}/checkpoint.json"
ADAPTER_CONFIG = f"{CHECKPOINT}/adapter_config.json"
ADAPTER_WEIGHTS = f"{CHECKPOINT}/adapter_model.safetensors"

# Measurements, and what follows from them.
EVALUATION = "evaluations/{model}/{dataset}/seed{seed}/step{step}.parquet"
ROW = "paths/{model}/{dataset}/step{step}/seed{seed}.parquet"
ROW_PAIRS = "paths/{model}/{dataset}/step{step}/seed{seed}.pairs.parquet"
ROW_GAPS = "paths/{model}/{dataset}/step{step}/seed{seed}.gaps.parquet"
FACTORS = "factors/{model}/{dataset}/step{step}/seed{seed}.parquet"
FACTORS_GAPS = "factors/{model}/{dataset}/step{step}/seed{seed}.gaps.parquet"
AVERAGES = "averages/{model}/{dataset}/step{step}.parquet"
LAYERS = "layers/{model}/{dataset}/step{step}/seed{seed}-{other}.parquet"
PLANE = "planes/{model}/{dataset}/{plane}/rows{part}.parquet"
MAP = "map/{model}/{dataset}.parquet"
EXAMPLES = "examples/{model}/{dataset}.parquet"
ALONG = "along/{model}/{dataset}/seed{seed}.parquet"
# Other paths between two runs than their line: curves, whose bends are checkpoints, and aligned lines.
BEND = "detours/{model}/{dataset}/step{step}/seed{seed}-{other}/{curve}/bend{bend}"
BEND_CONFIG = f"{BEND}/config.json"
BEND_WEIGHTS = f"{BEND}/model.safetensors"
BEND_RECORD = f"{BEND}/checkpoint.json"
BEND_HISTORY = f"{BEND}/history.parquet"
DETOUR = "detours/{model}/{dataset}/step{step}/seed{seed}-{other}/{curve}/points.parquet"
DETOUR_GAPS = "detours/{model}/{dataset}/step{step}/seed{seed}-{other}/{curve}/gaps.parquet"
ALIGNED = "aligned"  # what the path to the second run is called, its units put in the order of the first's
ORDERS = f"detours/{{model}}/{{dataset}}/step{{step}}/seed{{seed}}-{{other}}/{ALIGNED}/orders.safetensors"
ORDERS_RECORD = f"detours/{{model}}/{{dataset}}/step{{step}}/seed{{seed}}-{{other}}/{ALIGNED}/orders.json"
METRICS = "connectivity/{model}/{dataset}.parquet"
DELTAS = "connectivity/{model}/{dataset}.deltas.parquet"
MEANS = "connectivity/{model}/{dataset}.means.parquet"
CELL_AVERAGES = "connectivity/{model}/{dataset}.averages.parquet"
CELL_LAYERS = "connectivity/{model}/{dataset}.layers.parquet"
CELL_BARRIERS = "connectivity/{model}/{dataset}.barriers.parquet"
BASINS = "connectivity/{model}/{dataset}.basins.parquet"

# What people look at.
TIDY = "{name}.csv"
TABLE = "tables/{name}.{format}"
FIGURE = "figures/{name}.{format}"
REPORT = "report.html"
SUMMARY = "summary.txt"
PROVENANCE = "provenance.json"

# Kept by content and declared by no rule: losing them costs time and never a result. Training goes on from
# its states; journals hold measurements, a folder a checkpoint.
STATE = "state"
STATES = "state/{model}/{dataset}/seed{seed}"
TRUNK_STATES = "state/{model}/{dataset}/trunk"
CURVE_STATES = "state/{model}/{dataset}/step{step}-seed{seed}-{other}-{curve}"
PRETRAINING_STATES = "state/_pretraining/{pretraining}"  # no model's name begins with an underscore
JOURNALS = "journal"
CELL_JOURNAL = "journal/{model}/{dataset}"
STEP_JOURNAL = f"{CELL_JOURNAL}/step{{step}}"
PLANES_JOURNAL = f"{CELL_JOURNAL}/planes"
RUN_JOURNAL = "seed{seed}"  # under that of a step
JOURNAL = f"{STEP_JOURNAL}/{RUN_JOURNAL}"

# What the log and the benchmark of a rule's jobs are called.
JOB = {
    "fetch_dataset": "fetch_dataset/{dataset}-{name}",
    "subset": "subset/{dataset}",
    "further_set": "further_set/{dataset}-{set}",
    "breakdown": "breakdown/{dataset}-{name}",
    "tokenize": "tokenize/{model}-{dataset}",
    "tokenize_further": "tokenize/{model}-{dataset}-{set}",
    "blocks": "blocks/{model}-{dataset}",
    "blocks_further": "blocks/{model}-{dataset}-{set}",
    "fetch_model": "fetch_model/{model}",
    "pretrain": "pretrain/{model}",
    "initialize": "initialize/{model}-{dataset}-seed{seed}",
    "finetune": "finetune/{model}-{dataset}-seed{seed}-step{step}",
    "adopt": "adopt/{model}-{dataset}-seed{seed}-step{step}",
    "base": "base/{model}-{dataset}",
    "initialize_adapter": "initialize/{model}-{dataset}-seed{seed}",
    "finetune_adapter": "finetune/{model}-{dataset}-seed{seed}-step{step}",
    "adopt_adapter": "adopt/{model}-{dataset}-seed{seed}-step{step}",
    "evaluate": "evaluate/{model}-{dataset}-seed{seed}-step{step}",
    "interpolate": "interpolate/{model}-{dataset}-step{step}-seed{seed}",
    "interpolate_factors": "interpolate_factors/{model}-{dataset}-step{step}-seed{seed}",
    "average": "average/{model}-{dataset}-step{step}",
    "along": "along/{model}-{dataset}-seed{seed}",
    "map": "map/{model}-{dataset}",
    "examples": "examples/{model}-{dataset}",
    "plane": "plane/{model}-{dataset}-{plane}-{part}",
    "layers": "layers/{model}-{dataset}-step{step}-seed{seed}-{other}",
    "bend": "bend/{model}-{dataset}-step{step}-seed{seed}-{other}-{curve}",
    "bend_two": "bend/{model}-{dataset}-step{step}-seed{seed}-{other}-{curve}",
    "curve": "curve/{model}-{dataset}-step{step}-seed{seed}-{other}-{curve}",
    "align": "align/{model}-{dataset}-step{step}-seed{seed}-{other}",
    "aligned": "aligned/{model}-{dataset}-step{step}-seed{seed}-{other}",
    "connectivity": "connectivity/{model}-{dataset}",
    "basins": "basins/{model}-{dataset}",
    "collect": "collect",
    "findings": "findings",
    "tables": "tables",
    "figures": "figures",
    "report": "report",
    "plan": "plan",
}
BENCHMARKS = "benchmarks"
NUMBERS = ("seed", "other", "step", "part", "bend")


def results(experiment: str) -> str:
    """The folder of an experiment's results."""
    return f"results/{experiment}"


def log(rule: str) -> str:
    """The template of the log of a rule's jobs."""
    return f"logs/{JOB[rule]}.log"


def benchmark(rule: str) -> str:
    """The template of the benchmark of a rule's jobs."""
    return f"{BENCHMARKS}/{JOB[rule]}.tsv"


def filled(template: str, **wildcards: str | int) -> str:
    """A template with a value for each of its wildcards; further wildcards count for nothing."""
    return template.format(**wildcards)


def partly(template: str, **wildcards: str | int) -> str:
    """A template with a value for some of its wildcards."""
    return re.sub(r"\{(\w+)\}", lambda match: str(wildcards.get(match[1], match[0])), template)


def parsed(template: str, path: str | Path) -> dict[str, str | int]:
    """The wildcards of a file, `seed` and `step` as numbers.

    Args:
        template: a template, which the path ends in.
        path: the file, wherever the results stand.

    Raises:
        ValueError: the file is none of the template's.
    """
    match = _pattern(template).search(Path(path).as_posix())
    if match is None:
        raise ValueError(f"{path} is no file of {template}")
    return {name: int(value) if name in NUMBERS else value for name, value in match.groupdict().items()}


def found(
    results: Path, template: str, **wildcards: str | int
) -> Iterator[tuple[dict[str, str | int], Path]]:
    """The wildcards and the path of each file of a template that is there, sorted by path.

    Args:
        results: the folder of an experiment's results.
        wildcards: those that are known already.
    """
    pattern = re.sub(r"\{(\w+)\}", lambda match: str(wildcards.get(match[1], "*")), template)
    for path in sorted(results.glob(pattern)):
        if _pattern(template).search(path.as_posix()):
            yield parsed(template, path), path


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """What a path ends in: numbers are digits, names are all but a slash."""
    pattern = re.escape(template)
    for name in re.findall(r"\{(\w+)\}", template):
        value = r"\d+" if name in NUMBERS else "[^/]+"
        pattern = pattern.replace(rf"\{{{name}\}}", f"(?P<{name}>{value})")
    return re.compile(f"(?:^|/){pattern}$")
