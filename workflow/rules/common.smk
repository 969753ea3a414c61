"""The experiment, the names of files, and what jobs ask for. Nothing here looks at results."""

import shlex
import uuid
from pathlib import Path

from isthmus import hashing
from isthmus.experiment import data_files
from isthmus.experiment import experiment_files, folders, inputs
from isthmus.showing import figures, page, tables
from isthmus.errors import ConfigError

# Snakemake puts this path into the shell's commands of its jobs as it is, which a folder with spaces would break.
# A path that needs no quotes stays as it is.
if sys.executable and not sys.executable.startswith("'"):
    sys.executable = shlex.quote(sys.executable) if re.search(r"\s", sys.executable) else sys.executable

# Retries belong to the call that makes them; jobs on other hosts inherit the name of the first process.
os.environ.setdefault("ISTHMUS_CALL", uuid.uuid4().hex)
# Where Snakemake, or the line of progress, shows a failed job's log, the job itself need not.
if workflow.output_settings.show_failed_logs or "isthmus" in workflow.output_settings.log_handler_settings:
    os.environ.update(ISTHMUS_SHOWS_LOGS="1")


def read_experiment():
    """The typed config, with the files that it names looked at; one clear message where it cannot be used."""
    try:
        # Snakemake has read them and is less strict: of a key that stands twice it takes the last.
        experiment_files.read(workflow.configfiles)
        experiment = inputs.checked(config, ", ".join(map(str, workflow.configfiles)) or "the config")
        experiment_files.check_place(Path("results", experiment.experiment))
        return experiment
    except ConfigError as error:
        raise SystemExit(f"Error: {error}") from None


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
ADOPTED = [name for name, model in EXPERIMENT.models.items() if model.checkpoints is not None]
TRAINED = [name for name in EXPERIMENT.models if name not in ADOPTED]
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


STEPS = {cell: EXPERIMENT.cell_steps(*cell) for cell in EXPERIMENT.cell_list()}
SEEDS = {cell: list(EXPERIMENT.cell_runs(*cell)) for cell in EXPERIMENT.cell_list()}
ROWS = {cell: EXPERIMENT.cell_rows(*cell) for cell in EXPERIMENT.cell_list()}
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


def passing(path):
    """The weights of a checkpoint, which go once nothing needs them where the config keeps the last ones only."""
    return temp(path) if EXPERIMENT.keep == "last" else path


def staying():
    """The last checkpoints where only these are kept: Snakemake leaves the inputs of `all` where they are."""
    runs = [(*cell, seed) for cell in STEPS if cell[0] in TRAINED for seed in SEEDS[cell]]
    last = [checkpoint(*run, STEPS[run[:2]][-1]) for run in runs]
    return last if EXPERIMENT.keep == "last" else []


def previous_step(wildcards):
    """The checkpoint before this one."""
    return max(step for step in STEPS[wildcards.model, wildcards.dataset] if step < int(wildcards.step))


def start(wildcards):
    """The weights that a run began from; nothing where they are not known."""
    cell = wildcards.model, wildcards.dataset
    return [checkpoint(*cell, wildcards.seed, 0)] if 0 in STEPS[cell] else []


def other_starts(wildcards):
    """What the seeds before this one began from, where that may be another body: with checkpoints of others."""
    cell = wildcards.model, wildcards.dataset
    known = cell[0] in ADOPTED and 0 in STEPS[cell]
    return [checkpoint(*cell, seed, 0) for seed in other_ends(wildcards)] if known else []


def adopted(wildcards):
    """The settings of a checkpoint that others trained."""
    return EXPERIMENT.models[wildcards.model].runs()[int(wildcards.seed)][int(wildcards.step)]


def other_ends(wildcards):
    """The seeds before this one that its row's paths begin at."""
    return ROWS[wildcards.model, wildcards.dataset][int(wildcards.seed)]


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
    return whole if name == "_main" else data_files.inherit(whole, whole.sets[name])


def subset_settings(columns):
    """What the rows depend on: neither where files stand, nor what is done with the rows later."""
    dumped = columns.model_dump(mode="json", exclude={"sets", "training", "max_length", "by"})
    dumped["source"].pop("paths", None)
    return dumped


BREAKDOWN_JOBS = [
    {"dataset": dataset, "name": name}
    for dataset, whole in EXPERIMENT.datasets.items()
    for name, columns in {"_main": whole, **whole.sets}.items()
    if columns.by and dataset in {dataset for _, dataset in STEPS}
]
BREAKDOWNS = [f"{RESULTS}/data/{job['dataset']}/breakdown/{job['name']}.parquet" for job in BREAKDOWN_JOBS]


def rungs_before(model):
    """The rungs of the same pre-training that a rung goes on from, the nearest last."""
    mine, others = EXPERIMENT.models[model], {name: EXPERIMENT.models[name] for name in RUNGS}
    before = [
        (other.pretraining_steps, name)
        for name, other in others.items()
        if other.pretraining == mine.pretraining and 0 < other.pretraining_steps < mine.pretraining_steps
    ]
    return [name for _, name in sorted(before)]


def previous_rung(wildcards):
    """The rung before this one of the same pre-training: its states are where this one goes on."""
    return [f"{RESULTS}/models/{name}/model.safetensors" for name in rungs_before(wildcards.model)[-1:]]


def row_files(model, dataset, ending):
    """A file of each row of a cell."""
    return [
        f"{RESULTS}/paths/{model}/{dataset}/step{step}/seed{seed}.{ending}"
        for step in STEPS[model, dataset]
        for seed in ROWS[model, dataset]
    ]


def last_rows(wildcards):
    """The rows of a cell's last step."""
    last = f"step{STEPS[wildcards.model, wildcards.dataset][-1]}"
    files = row_files(wildcards.model, wildcards.dataset, "parquet")
    return [path for path in files if Path(path).parent.name == last]


def all_histories(wildcards):
    """The training histories of all runs, which the page lets its reader choose from."""
    return [
        f"{RESULTS}/checkpoints/{model}/{dataset}/seed{seed}/step{step}/history.parquet"
        for (model, dataset), steps in STEPS.items()
        if model in TRAINED
        for seed in EXPERIMENT.seeds
        for step in steps[1:]
    ]


def shown_histories(wildcards):
    """The training histories of the run that Figure 1 shows, of each data set that its model is trained on."""
    return [
        f"{RESULTS}/checkpoints/{model}/{dataset}/seed{seed}/step{step}/history.parquet"
        for model, dataset, seed in figures.training_runs(EXPERIMENT)
        for step in STEPS[model, dataset][1:]
    ]


def reported(path):
    """Put a file into `snakemake --report`, with its caption and category; of several formats, one."""
    name, ending = Path(path).stem, Path(path).suffix
    if ending == ".png":
        kind = next((kind for kind in ("pairs", "curves") if name.startswith(f"{kind}-")), name)
        return report(path, caption=f"../report/{kind}.rst", category="Figures", labels={"figure": name})
    if ending == ".csv":
        return report(path, caption="../report/table.rst", category="Tables", labels={"table": name})
    return path


# -------------------------------------------------------------------------------------------------- resources

DEFAULTS = {
    "pretrain": {"mem_mb": 4000, "runtime": 60},
    "initialize": {"mem_mb": 6000, "runtime": 15},
    "finetune": {"mem_mb": 12000, "runtime": 720},
    "evaluate": {"mem_mb": 6000, "runtime": 60},
    "interpolate": {"mem_mb": 10000, "runtime": 240},
}


# Attempts at training, each from the last state. Only the first Snakemake counts them: the one that runs inside a
# cluster's job would try again with that job's memory and time.
ATTEMPTS = 0 if workflow.remote_exec else 20


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


def planned_jobs():
    """All jobs, as (rule, wildcards, a file that is there once the job is done); what no cell needs has none."""
    cells = [{"model": model, "dataset": dataset} for model, dataset in STEPS]
    datasets = {dataset: EXPERIMENT.datasets[dataset] for _, dataset in STEPS}
    models = {name for model, _ in STEPS for name in (model, *rungs_before(model))}
    runs = [cell | {"seed": seed} for cell in cells for seed in SEEDS[tuple(cell.values())]]
    checkpoints = [run | {"step": step} for run in runs for step in STEPS[run["model"], run["dataset"]]]
    trained = [one for one in checkpoints if one["model"] in TRAINED]
    rows = [one for one in checkpoints if one["seed"] in ROWS[one["model"], one["dataset"]]]
    further = [(name, part) for name, dataset in datasets.items() for part in dataset.sets]
    fetches = [
        {"dataset": dataset, "name": name}
        for dataset, name in [*((name, "_main") for name in datasets), *further]
        if fetched(columns_of(dataset, name), dataset, name)
    ]
    wanted = {
        "fetch_dataset": (rules.fetch_dataset.output[0], fetches),
        "fetch_model": (
            rules.fetch_model.output.summary,
            [{"model": name} for name in FETCHED if name in models],
        ),
        "pretrain": (rules.pretrain.output.summary, [{"model": name} for name in RUNGS if name in models]),
        "subset": (rules.subset.output.summary, [{"dataset": name} for name in datasets]),
        "further_set": (rules.further_set.output.summary, [{"dataset": d, "set": s} for d, s in further]),
        "tokenize": (rules.tokenize.output.train, cells),
        "tokenize_further": (
            rules.tokenize_further.output.further,
            [cell | {"set": part} for cell in cells for name, part in further if name == cell["dataset"]],
        ),
        "breakdown": (rules.breakdown.output[0], BREAKDOWN_JOBS),
        "adopt": (rules.adopt.output.summary, [one for one in checkpoints if one["model"] in ADOPTED]),
        "initialize": (rules.initialize.output.summary, [run for run in runs if run["model"] in TRAINED]),
        "finetune": (rules.finetune.output.summary, [one for one in trained if one["step"]]),
        "interpolate": (rules.interpolate.output.points, rows),
        "evaluate": (rules.evaluate.output[0], checkpoints),
        "connectivity": (rules.connectivity.output.metrics, cells),
        "basins": (rules.basins.output[0], cells),
        "collect": (rules.collect.output.metrics, [{}]),
        "findings": (rules.findings.output.findings, [{}]),
        "tables": (rules.tables.output[0], [{}]),
        "figures": (rules.figures.output[0], [{}]),
        "report": (rules.report.output.page, [{}]),
    }
    return [(rule, w, str(file).format(**w)) for rule, (file, jobs) in wanted.items() for w in jobs]


def say_summary():
    """The end of a run: the numbers that a reader asks for first; `make` says them itself."""
    path = Path(RESULTS) / "summary.txt"
    if path.exists() and "ISTHMUS_MAKE" not in os.environ:
        print(path.read_text())
