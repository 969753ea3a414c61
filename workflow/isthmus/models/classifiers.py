"""Sequence classifiers: open one, start one from a body with a seeded head, adopt one of others."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import safe_open
from transformers import AutoConfig

from isthmus import hashing
from isthmus.caches.identity import CLASSIFICATION
from isthmus.errors import ConfigError
from isthmus.models import fitting, weight_files
from isthmus.models.checkpoint_files import architecture_key, write_config
from isthmus.models.first_token import spare_the_rest
from isthmus.models.hf_folders import WEIGHTS
from isthmus.models.opening import opened


def open_classifier(folder: Path, *, attention: str, **settings):
    """Open a checkpoint as a sequence classifier, in evaluation mode.

    Args:
        folder: a checkpoint in Hugging Face's layout.
        attention, settings: as of `opening.opened`.

    Raises:
        ConfigError: the weights are not those of a whole classifier; nothing is drawn in their place.
    """
    model, fit = opened(folder, CLASSIFICATION.name, attention, **settings)
    fitting.check_whole(str(folder), fit)
    spare_the_rest(model)
    return model


def initialize(folder: Path, labels: list[str], model_seed: int, head_seed: int, out: Path) -> str:
    """Write the step-0 checkpoint of a run: the pre-trained body with a seeded head.

    What the body lacks (a pooler, after masked-language pre-training) is drawn from the model's seed, the
    same for all runs; only the head is drawn from `head_seed`, so that all seeds start from one body.
    A head that the folder brings along is not used.

    Returns:
        The SHA-256 of the weights.

    Raises:
        ConfigError: the weights are not those of the whole body, or not finite.
    """
    fit = fitting.examine(str(folder), folder)
    fitting.check_body(str(folder), fit)
    names = dict(enumerate(labels))
    settings = {
        "num_labels": len(labels),
        "id2label": names,
        "label2id": {name: i for i, name in names.items()},
    }
    with _without(fit.head, folder) as body:
        torch.manual_seed(hashing.seed("body", model_seed))
        model, _ = opened(body, CLASSIFICATION.name, "eager", **settings)
        torch.manual_seed(hashing.seed("head", head_seed))
        drawn = opened(body, CLASSIFICATION.name, "eager", **settings)[0].state_dict()
    state = model.state_dict()
    for name in fit.head:
        state[name].copy_(drawn[name])
    out.mkdir(parents=True, exist_ok=True)
    write_config(folder, settings, model, out / "config.json")
    weight_files.save(weight_files.distinct(model), out / WEIGHTS, architecture=architecture_key(out))
    return hashing.of_file(out / WEIGHTS)


def write_base(
    folder: Path, labels: list[str], model_seed: int, own_head: bool, out: Path
) -> tuple[str, list[str]]:
    """Write the whole classifier that a cell's adapters adapt.

    Args:
        folder, labels, model_seed, out: as of `initialize`.
        own_head: whether a head of so many classes that the folder brings along is used, as by adapters that
            others trained; else one is drawn.

    Returns:
        The SHA-256 of the weights, and the tensors that pre-training has not made.

    Raises:
        ConfigError: as of `initialize`.
    """
    fit = fitting.examine(str(folder), folder)
    drawn = fitting.check_body(str(folder), fit)
    if own_head and not fit.missing and AutoConfig.from_pretrained(folder).num_labels == len(labels):
        return adopt(folder, str(folder), out), []
    return initialize(folder, labels, model_seed, hashing.seed("head", "fixed"), out), drawn


@contextmanager
def _without(head: frozenset[str], folder: Path) -> Iterator[Path]:
    """The folder, or a copy without the head that it brings along: that would be the same for all seeds."""
    with safe_open(folder / WEIGHTS, "pt") as file:
        names = set(file.keys())
    if not names & head:
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        shutil.copyfile(folder / "config.json", Path(temporary, "config.json"))
        state = weight_files.load(folder / WEIGHTS)
        weight_files.save({name: state[name] for name in names - head}, Path(temporary, WEIGHTS))
        yield Path(temporary)


def adopt(folder: Path, origin: str, out: Path) -> str:
    """Write the float32 weights and the configuration of a classifier that others trained.

    Args:
        folder: its local copy, from `fetch`.
        origin: its name, for messages.
        out: the checkpoint's folder.

    Returns:
        The SHA-256 of the weights.

    Raises:
        ConfigError: it is no whole classifier with two classes or more, of which an example has one.
    """
    model, fit = fitting.load(folder, dtype=torch.float32)
    fitting.check_whole(origin, fit)
    if model.config.num_labels < 2:
        raise ConfigError(f"{origin}: found {model.config.num_labels} class; allowed: two or more")
    if model.config.problem_type not in (None, "single_label_classification"):
        raise ConfigError(
            f"{origin}: config.json: problem_type: found {model.config.problem_type!r}; "
            "allowed: 'single_label_classification', or none: its loss is what is measured"
        )
    out.mkdir(parents=True, exist_ok=True)
    write_config(folder, {}, model, out / "config.json")
    weight_files.save(weight_files.distinct(model), out / WEIGHTS, architecture=architecture_key(out))
    return hashing.of_file(out / WEIGHTS)
