"""What only Snakemake can say of an experiment: its wildcards, and how its files are named in rules.

Everything else follows from the typed settings, in `isthmus.experiment`. Nothing here looks at results.
"""

import os
import re
import shlex
import sys
import uuid
from pathlib import Path

from isthmus import hashing
from isthmus.errors import ConfigError
from isthmus.experiment import (
    adapter_folders,
    dependencies,
    experiment_files,
    folders,
    inputs,
    jobs,
    layout,
    outputs,
    parameters,
    resources,
)
from isthmus.experiment.cells import cells

# Snakemake puts this path into the shell's commands of its jobs as it is, which a folder with spaces would break.
# A path that needs no quotes stays as it is.
if sys.executable and not sys.executable.startswith("'"):
    sys.executable = shlex.quote(sys.executable) if re.search(r"\s", sys.executable) else sys.executable

# Retries belong to the call that makes them; jobs on other hosts inherit the name of the first process.
os.environ.setdefault("ISTHMUS_CALL", uuid.uuid4().hex)
# Where Snakemake, or the line of progress, shows a failed job's log, the job itself need not.
if workflow.output_settings.show_failed_logs or "isthmus" in workflow.output_settings.log_handler_settings:
    os.environ.update(ISTHMUS_SHOWS_LOGS="1")
# A page of what is there, whatever is missing: `make report PARTIAL=1`.
PARTIAL = os.environ.get("ISTHMUS_PARTIAL") == "1"


def read_experiment():
    """The typed config, with the files that it names looked at; one clear message where it cannot be used."""
    try:
        experiment = inputs.checked(*read_settings())
        experiment_files.check_place(Path(layout.results(experiment.experiment)))
        return experiment
    except ConfigError as error:
        raise SystemExit(f"Error: {error}") from None


EXPERIMENT = read_experiment()
CELLS = cells(EXPERIMENT)
CONDA = "../../envs/environment.yaml"  # from the folder of the rules
# Attempts at training, each from the last state. Only the first Snakemake counts them: the one that runs inside a
# cluster's job would try again with that job's memory and time.
ATTEMPTS = 0 if workflow.remote_exec else 20


def one_of(names):
    """A wildcard's constraint; one that nothing fits where there are no names."""
    return "|".join(map(re.escape, names)) or "(?!)"


MODELS = EXPERIMENT.models
FETCHED = one_of(name for name, model in MODELS.items() if model.pretraining is None and model.bodies is None)
PRETRAINED = one_of(name for name, model in MODELS.items() if model.pretraining is not None)
ADAPTED = one_of(name for name, model in MODELS.items() if model.adapted)
ADOPTED = one_of(
    name for name, model in MODELS.items() if model.checkpoints is not None and not model.adapted
)
TRAINED = one_of(name for name, model in MODELS.items() if model.checkpoints is None and not model.adapted)
ADOPTED_ADAPTERS = one_of(name for name, model in MODELS.items() if model.base is not None)
TRAINED_ADAPTERS = one_of(name for name, model in MODELS.items() if model.adapter is not None)
LABELLED = one_of(name for name, dataset in EXPERIMENT.datasets.items() if not dataset.language)
RUNNING = one_of(name for name, dataset in EXPERIMENT.datasets.items() if dataset.language)


wildcard_constraints:
    model=one_of(MODELS),
    dataset=one_of(EXPERIMENT.datasets),
    set=one_of(sorted({name for dataset in EXPERIMENT.datasets.values() for name in dataset.sets})),
    seed=r"\d+",
    other=r"\d+",
    part=r"\d+",
    plane=r"\d[\w.-]*",
    curve=one_of(list(dict.fromkeys(curve.name for curve in EXPERIMENT.curves))),
    step=r"\d+",


def results(names):
    """Files of the experiment by their names in the layout; wildcards in them stay as they are."""
    if isinstance(names, str):
        return f"{layout.results(EXPERIMENT.experiment)}/{names}"
    return [results(name) for name in names]


def files(rule, template="", cells=CELLS.values()):
    """A file of each job of a rule, of all cells or some."""
    return results(jobs.files(EXPERIMENT, cells, rule, template))


def cell(wildcards):
    return CELLS[wildcards.model, wildcards.dataset]


def columns(wildcards, name):
    """The settings of a data set's own rows or of one of its further sets."""
    return jobs.columns(EXPERIMENT, wildcards.dataset, name)


def adopted(wildcards):
    """The settings of a checkpoint that others trained."""
    return MODELS[wildcards.model].runs()[int(wildcards.seed)][int(wildcards.step)]


def kept(path):
    """Weights that stay, or go once nothing needs them where the config keeps the last ones only."""
    return temp(path) if EXPERIMENT.keep == "last" else path


def free(value):
    """A parameter that no result follows from: Snakemake compares none that is derived from the output."""
    return lambda wildcards, output: value(wildcards)


def memory(rule):
    return lambda wildcards, attempt: resources.memory(EXPERIMENT, rule, attempt)


def reported(path):
    """Put a file into `snakemake --report`, with its caption and category; of several formats, one."""
    name, ending = Path(path).stem, Path(path).suffix
    if ending == ".png":
        kind = next(figure.kind for figure in outputs.figures(EXPERIMENT) if figure.name == name)
        return report(path, caption=f"../report/{kind}.rst", category="Figures", labels={"figure": name})
    if ending == ".csv":
        return report(path, caption="../report/table.rst", category="Tables", labels={"table": name})
    return path
