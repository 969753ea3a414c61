"""Write docs/settings.md and config/README.md from the types that check the settings: `make docs`."""

from pathlib import Path

from isthmus.experiment import config, wording

PAGE = Path(__file__).with_suffix(".md")
HEAD = """\
# Settings

Made by `make docs` from `workflow/isthmus/experiment/config.py`, which also checks every experiment file
against it. An experiment file is whole in itself: what it does not say has the default below, and nothing is
taken from `config.yaml`. `$NAME` in a path is an environment variable.

"""

SHORT_PAGE = PAGE.parents[1] / "config" / "README.md"
# What nearly every experiment says: the groups by the path of their keys, and which of their settings.
CHOSEN = {
    "": (config.Experiment, ("experiment", "seeds", "models", "datasets", "cells", "device", "threads")),
    "models.<model>.": (config.Model, ("hub", "revision", "folder", "checkpoints")),
    "datasets.<dataset>.": (config.Dataset, ("source", "text", "label", "labels", "max_length")),
    "training.": (
        config.Training,
        ("steps", "checkpoints", "every", "batch_size", "learning_rate", "warmup_steps"),
    ),
}
SHORT_HEAD = """\
# What to set

Made by `make docs`. `config.yaml` beside this file is an experiment that runs as it stands, in minutes, on
two cores, without a GPU or a download. Change it to your own, or write another: it is whole in itself, and
what it does not say has its default. A mistake is said before anything runs, with what is allowed.

- In a clone it is the `config.yaml` of the folder above; `snakemake --configfile my.yaml` replaces it whole.
- Where another workflow uses this one as a module, or `snakedeploy` wrote that workflow, it is that
  workflow's `config/config.yaml`. There Snakemake *adds* a `--configfile` to it, unless
  `--replace-workflow-config` is said too. The Python that runs Snakemake needs the library:
  `pip install git+ADDRESS@TAG`, with the address and the tag that the workflow is from. And these lines
  belong into `profiles/default/config.yaml` there, where `snakedeploy` has put them:

  ```yaml
  cores: all
  resources: {gpu: 1} # else GPUs count as unlimited
  rerun-triggers: [mtime, params, input] # not code: a reworded comment must not train anything again
  keep-going: true
  rerun-incomplete: true
  show-failed-logs: true
  ```

Results stand in `results/<experiment>/`, and `report.html` there is the page to open. Your own files are
named relative to the working directory. What nearly every experiment sets:

| key | default | meaning |
| --- | --- | --- |
"""
SHORT_FOOT = """\

All settings: [docs/settings.md](../docs/settings.md) of the repository; its README.md says what results are.
"""


def page() -> str:
    """The page of all settings."""
    return HEAD + wording.table(config.Experiment, without=[config.TrainingOverride])


def short_page() -> str:
    """The page of the settings that nearly every experiment says."""
    rows = [
        wording.row(prefix + key, group.model_fields[key])
        for prefix, (group, keys) in CHOSEN.items()
        for key in keys
    ]
    return SHORT_HEAD + "\n".join(rows) + "\n" + SHORT_FOOT


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    SHORT_PAGE.write_text(short_page(), encoding="utf-8")
