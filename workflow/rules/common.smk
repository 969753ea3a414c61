"""The experiment, the names of files, and what jobs ask for. Nothing here looks at results."""

import sys
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from isthmus import data, figures, hashing, models, tables
from isthmus.config import ConfigError, load

# Retries belong to the call that makes them; jobs on other hosts inherit the name of the first process.
os.environ.setdefault("ISTHMUS_CALL", uuid.uuid4().hex)


def read_experiment():
    """The typed config, with the files that it names looked at; one clear message where it cannot be used."""
    try:
        experiment = load(config, ", ".join(map(str, workflow.configfiles)) or "the config")
        for name, model in experiment.models.items():
            if model.folder:
                models.check(f"models.{name}", model.folder)
        for name, dataset in experiment.datasets.items():
            data.check(f"datasets.{name}", dataset)
            for further, columns in dataset.sets.items():
                data.check(f"datasets.{name}.sets.{further}", data.inherit(dataset, columns))
    except ConfigError as error:
        raise SystemExit(f"Error: {error}") from None
    return experiment


EXPERIMENT = read_experiment()
RESULTS = f"results/{EXPERIMENT.experiment}"


def results(path):
    """A file of the experiment; wildcards in its name stay as they are."""
    return f"{RESULTS}/{path}"


CHECKPOINT = results("checkpoints/{model}/{dataset}/seed{seed}/step{step}")
TABLES = [
    f"{RESULTS}/tables/{name}.{ending}"
    for name in tables.names(EXPERIMENT)
    for ending in tables.TABLE_FORMATS
]
FIGURES = [
    f"{RESULTS}/figures/{name}.{ending}" for name in figures.names(EXPERIMENT) for ending in ("png", "svg")
]
FETCHED = [name for name, model in EXPERIMENT.models.items() if model.pretraining is None]
RUNGS = [name for name, model in EXPERIMENT.models.items() if model.pretraining is not None]
FURTHER = sorted({further for dataset in EXPERIMENT.datasets.values() for further in dataset.sets})
CONDA = str(Path(workflow.basedir) / "envs" / "environment.yaml")


def one_of(names):
    """A wildcard's constraint; one that nothing fits where there are no names."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    model=one_of(EXPERIMENT.models),
    dataset=one_of(EXPERIMENT.datasets),
    set=one_of(FURTHER),
    seed=r"\d+",
    step=r"\d+",


STEPS = {cell: EXPERIMENT.cell_training(*cell).checkpoint_steps() for cell in EXPERIMENT.cell_list()}
RECIPES = {cell: EXPERIMENT.cell_training(*cell).recipe() for cell in EXPERIMENT.cell_list()}
# Everything that changes bits besides weights and examples.
NUMERICS = {
    key: getattr(EXPERIMENT, key) for key in ("device", "precision", "attention", "threads", "deterministic")
}


def recipe(wildcards):
    return RECIPES[wildcards.model, wildcards.dataset]


def checkpoint(model, dataset, seed, step):
    """The weights of a checkpoint: the one file by which the DAG knows it."""
    return f"{RESULTS}/checkpoints/{model}/{dataset}/seed{seed}/step{step}/model.safetensors"


def previous_step(wildcards):
    """The checkpoint before this one."""
    return max(step for step in STEPS[wildcards.model, wildcards.dataset] if step < int(wildcards.step))


def seeds_before(seed):
    """The seeds that stand before this one in the config: the other ends of its row."""
    return EXPERIMENT.seeds[: EXPERIMENT.seeds.index(int(seed))]


def set_names(dataset):
    """The evaluation sets of a data set, its own parts first."""
    return ["train", "test", *EXPERIMENT.datasets[dataset].sets]


def token_files(wildcards):
    """The tokens of all evaluation sets of a cell."""
    folder = f"{RESULTS}/tokens/{wildcards.model}/{wildcards.dataset}"
    return [f"{folder}/{name}.safetensors" for name in set_names(wildcards.dataset)]


def evaluation_params(wildcards):
    """What a measurement depends on besides weights and tokens."""
    return EXPERIMENT.evaluation.model_dump(include={"train_examples", "token_budget", "seed"})


# ------------------------------------------------------------------------ what single rules read and depend on


def source_files(columns):
    """The user's own files that a set is read from; they re-run it when they change."""
    return [str(path) for path in columns.source.paths] if columns.source.kind == "files" else []


def fetched(columns, dataset, name):
    """The local copy of a set that comes from the hub."""
    return [f"{RESULTS}/data/{dataset}/fetched/{name}.parquet"] if columns.source.kind == "hub" else []


def columns_of(dataset, name):
    """The settings of a data set (`_main`, which no set can be called) or of one of its further sets."""
    whole = EXPERIMENT.datasets[dataset]
    return whole if name == "_main" else data.inherit(whole, whole.sets[name])


def subset_settings(columns):
    """What the rows depend on: neither where files stand, nor what is done with the rows later."""
    dumped = columns.model_dump(mode="json", exclude={"sets", "training", "max_length"})
    dumped["source"].pop("paths", None)
    return dumped


def previous_rung(wildcards):
    """The rung before this one of the same pre-training: its states are where this one goes on."""
    rung = EXPERIMENT.models[wildcards.model]
    before = [
        (model.pretraining_steps, name)
        for name, model in EXPERIMENT.models.items()
        if model.pretraining == rung.pretraining and 0 < model.pretraining_steps < rung.pretraining_steps
    ]
    return [f"{RESULTS}/models/{max(before)[1]}/model.safetensors"] if before else []


def row_files(model, dataset, ending):
    """A file of each row of a cell."""
    return [
        f"{RESULTS}/paths/{model}/{dataset}/step{step}/seed{seed}.{ending}"
        for step in STEPS[model, dataset]
        for seed in EXPERIMENT.seeds[1:]
    ]


def delta_from(wildcards):
    """The step that deltas start from."""
    if EXPERIMENT.delta_from is not None:
        return EXPERIMENT.delta_from
    return STEPS[wildcards.model, wildcards.dataset][1]


def shown_histories(wildcards):
    """The training histories of the run that Figure 1 shows, of each data set that its model is trained on."""
    return [
        f"{RESULTS}/checkpoints/{model}/{dataset}/seed{seed}/step{step}/history.parquet"
        for model, dataset, seed in figures.training_runs(EXPERIMENT)
        for step in STEPS[model, dataset][1:]
    ]


# -------------------------------------------------------------------------------------------------- resources

DEFAULTS = {
    "pretrain": {"mem_mb": 4000, "runtime": 60},
    "initialize": {"mem_mb": 6000, "runtime": 15},
    "finetune": {"mem_mb": 12000, "runtime": 720},
    "evaluate": {"mem_mb": 6000, "runtime": 60},
    "interpolate": {"mem_mb": 10000, "runtime": 240},
}


def gpus(rule):
    """GPUs of a job that runs a model; nothing is probed here, since the job may run on another machine."""
    asked = getattr(EXPERIMENT.resources, rule).gpu
    return asked if asked is not None else int(EXPERIMENT.device != "cpu")


def minutes(rule):
    return getattr(EXPERIMENT.resources, rule).runtime or DEFAULTS[rule]["runtime"]


def memory(rule):
    """Memory that grows by half at a retry, twice at most."""
    first = getattr(EXPERIMENT.resources, rule).mem_mb or DEFAULTS[rule]["mem_mb"]
    return lambda wildcards, attempt: int(first * 1.5 ** min(attempt - 1, 2))


def say_summary():
    """The end of a run: the numbers that a reader asks for first."""
    path = Path(RESULTS) / "summary.txt"
    if path.exists():
        print(path.read_text())
