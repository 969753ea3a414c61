"""Whether weights fit the architecture that they are opened with.

Transformers draws at random what it does not find, drops what it does not know and, asked to, reshapes; all
of it only as a warning. Here it is an error, but for a head (and a pooler) that pre-training has not made.
"""

import copy
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSequenceClassification
from transformers.utils import logging

from isthmus.caches.identity import CAUSAL_LM, CLASSIFICATION, MASKED_LM
from isthmus.errors import ConfigError
from isthmus.experiment.folders import listed

AUTO = {
    CLASSIFICATION.name: AutoModelForSequenceClassification,
    CAUSAL_LM: AutoModelForCausalLM,
    MASKED_LM: AutoModelForMaskedLM,
}
# What else a head may be called: in weights of earlier versions of Transformers, and of other programs.
OTHER_HEADS = {"cls", "lm_head", "embed_out", "lm_predictions", "mask_predictions"}
# A second head of BERT's pre-training, within the module of the first.
NEXT_SENTENCE = "cls.seq_relationship."
# Constants that earlier versions of Transformers kept among the weights.
BUFFERS = re.compile(r"(^|\.)(position_ids|token_type_ids|masked_bias|inv_freq|attn\.bias|attention\.bias)$")


@dataclass(frozen=True)
class Fit:
    """How weights and a classifier fit, by names of tensors (the classifier's, but for `left_over`).

    Attributes:
        prefix: begins the names of the classifier's body.
        head: the classifier's tensors that are not its body's.
        pooler: the body's pooler, which masked-language pre-training does not make.
        missing: what the weights lack.
        left_over: what they hold and the classifier has no place for; constants and other heads are not
            among it, other tensors of the classifier's own head are.
        misshapen: those of another shape, with both shapes.
        vocabulary: rows of the embedding.
    """

    prefix: str
    head: frozenset[str]
    pooler: frozenset[str]
    missing: frozenset[str]
    left_over: frozenset[str]
    misshapen: dict[str, str]
    vocabulary: int


def load(folder: Path, task: str = CLASSIFICATION.name, **options) -> tuple[Any, Fit]:
    """Open a folder as a model of a task, whatever its weights are, and say how they fit.

    Args:
        folder: in Hugging Face's layout.
        task: one of `AUTO`.
        options: passed on to `from_pretrained`.
    """
    logging.set_verbosity_error()  # what does not fit is said here, or is no news
    logging.disable_progress_bar()
    model, found = AUTO[task].from_pretrained(
        folder, output_loading_info=True, ignore_mismatched_sizes=True, trust_remote_code=False, **options
    )
    prefix = f"{model.base_model_prefix}."
    body = {name for name in model.state_dict() if name.startswith(prefix)}
    # Where nothing is called a body's, nothing may be drawn.
    own = frozenset(model.state_dict().keys() - body) if body else frozenset()
    pooler = frozenset(name for name in body if name.startswith(f"{prefix}pooler."))
    misshapen = {name: f"{name} ({list(a)} for {list(b)})" for name, a, b in found["mismatched_keys"]}
    unknown = {n for n in found["unexpected_keys"] if not BUFFERS.search(n)}
    unknown -= {n for n in unknown if n.startswith(("pooler.", f"{prefix}pooler."))}  # another task's
    if unknown:
        others = _heads(model.config) - {name.partition(".")[0] for name in own}
        unknown -= {name for name in unknown if name.partition(".")[0] in others}
        unknown -= {name for name in unknown if name.startswith(NEXT_SENTENCE)}
    missing = frozenset(found["missing_keys"]) - misshapen.keys()
    rows = model.get_input_embeddings().weight.shape[0]
    return model, Fit(prefix, own, pooler, missing, frozenset(unknown), misshapen, rows)


def _heads(config) -> set[str]:
    """What the modules of the heads are called that Transformers has for an architecture."""
    kinds = "PRETRAINING MASKED_LM CAUSAL_LM TOKEN_CLASSIFICATION QUESTION_ANSWERING MULTIPLE_CHOICE"
    names = set(OTHER_HEADS)
    config = copy.deepcopy(config)
    config.num_labels = 2  # the one number that all heads can have; names do not depend on it
    for kind in [*kinds.split(), "NEXT_SENTENCE_PREDICTION"]:
        mapping = getattr(transformers, f"MODEL_FOR_{kind}_MAPPING")
        if type(config) not in mapping:
            continue
        found = mapping[type(config)]
        with torch.device("meta"):
            skeletons = [cls(config) for cls in (found if isinstance(found, tuple) else [found])]
        for skeleton in skeletons:
            modules = {name.partition(".")[0] for name in skeleton.state_dict()}
            names |= modules - {skeleton.base_model_prefix}
    return names


def examine(where: str, folder: Path) -> Fit:
    """How a folder's one file of weights fits its configuration; a model is not made of it.

    Args:
        where: the model, for messages.
        folder: in Hugging Face's layout.

    Raises:
        ConfigError: its configuration describes no model, or its weights cannot be read, or are not finite.
    """
    try:
        _, fit = load(folder, device_map="meta")
    except Exception as error:  # of any kind: it comes of a file that somebody else wrote
        raise ConfigError(
            f"{where}: config.json and the weights make no classifier: {plainly(error)}; "
            "allowed: what Transformers wrote, unchanged"
        ) from error
    check_numbers(where, folder / "model.safetensors")
    return fit


def plainly(error: Exception) -> str:
    """What another library's error says, in a line; without its advice on how to trust a file."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    useful = [line for line in lines if not re.search("trust_remote_code|weights_only", line)]
    return " ".join(useful[:2]).rstrip(" .;:") or type(error).__name__


def check_numbers(where: str, path: Path) -> None:
    """Raise a ConfigError where weights are not finite, or no floating-point numbers (quantised ones)."""
    endless, whole = [], []
    with safe_open(path, "pt") as file:
        for name in sorted(file.keys()):
            if BUFFERS.search(name):
                continue
            tensor = file.get_tensor(name)
            if not tensor.is_floating_point():
                whole.append(name)
            elif not _finite(tensor):
                endless.append(name)
    if endless:
        raise ConfigError(
            f"{where}: found NaN or infinity in {listed(endless)}; allowed: weights of finite numbers"
        )
    if whole:
        raise ConfigError(
            f"{where}: found whole numbers in {listed(whole)}; allowed: floating-point weights, not quantised"
        )


def _finite(tensor) -> bool:
    """Whether all numbers of a tensor are finite, in one pass: NaN is both the least and the greatest."""
    if not tensor.numel():
        return True
    ends = (tensor.float() if tensor.itemsize == 1 else tensor).aminmax()
    return bool(ends.min.isfinite()) and bool(ends.max.isfinite())


def check_body(where: str, fit: Fit) -> list[str]:
    """The tensors of a classifier that a pre-trained model leaves to be drawn at random, by name.

    That is the head, also where the model brings one along, since each run draws its own; and a pooler.

    Raises:
        ConfigError: the body is not wholly there, or there is more of it.
    """
    drawn = fit.head | (fit.pooler if fit.pooler <= fit.missing else frozenset())
    inner = {name for name in fit.missing - drawn if name.startswith(fit.prefix)}
    heads = {name.partition(".")[0] for name in fit.head}
    left = {name for name in fit.left_over if name.partition(".")[0] not in heads}
    wrong = [shapes for name, shapes in fit.misshapen.items() if name.startswith(fit.prefix)]
    _raise_unfit(where, inner, left, wrong)
    return sorted(drawn)


def check_whole(where: str, fit: Fit) -> None:
    """Raise a ConfigError where anything of a classifier is missing, left over or of another shape."""
    if fit.missing:
        raise ConfigError(
            f"{where} is no classifier: it has no {listed(sorted(fit.missing))}; "
            "allowed: a model that was trained as a sequence classifier"
        )
    _raise_unfit(where, [], fit.left_over, fit.misshapen.values())


def check_language_model(where: str, fit: Fit) -> None:
    """Raise a ConfigError where anything of a language model is missing, left over or of another shape."""
    if lacking := sorted(fit.missing & fit.head):
        raise ConfigError(
            f"{where} is no language model: it has no {listed(lacking)}; allowed: a model with the head that "
            "it was pre-trained with, since a fresh one would say nothing"
        )
    _raise_unfit(where, fit.missing, fit.left_over, fit.misshapen.values())


def _raise_unfit(where: str, missing: Iterable[str], left: Iterable[str], wrong: Iterable[str]) -> None:
    clauses = [
        f"{problem} {listed(sorted(names))}"
        for problem, names in (("missing", missing), ("left over", left), ("of another shape", wrong))
        if names
    ]
    if clauses:
        raise ConfigError(
            f"{where}: the weights do not fit its config.json: {'; '.join(clauses)}; allowed: weights of one "
            "model as Transformers saves them, with a head of any kind or none"
        )


def check_vocabulary(where: str, tokenizer, fit: Fit) -> None:
    """Raise a ConfigError where a tokenizer has ids beyond the embedding; fewer are fine (padded rows)."""
    ids = tokenizer.get_vocab()
    last = max(ids, key=ids.get)
    if ids[last] >= fit.vocabulary:
        raise ConfigError(
            f"{where}: its tokenizer has the id {ids[last]} ({last!r}), its embedding {fit.vocabulary} rows; "
            f"allowed: ids from 0 to {fit.vocabulary - 1}, of the tokenizer that the model was trained with"
        )
