"""Flat token arrays, and length-sorted batches under a token budget.

A set of examples is two flat arrays (token ids and offsets) in one safetensors file. Nothing is padded until
a batch is made, and a batch holds examples of nearly one length, so that almost nothing is padded then.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from isthmus import stored
from isthmus.caches.identity import CLASSIFICATION, MaskedTokens, Task
from isthmus.data.rows import Rows


@dataclass(frozen=True)
class Tokens:
    """The examples of one set, as one model reads them.

    Attributes:
        ids: token ids of all examples one after the other, int32, shape (tokens,).
        types: segment ids beside `ids`, uint8, shape (tokens,); empty where the model has none.
        offsets: example i is `ids[offsets[i]:offsets[i + 1]]`, int64, shape (n + 1,).
        labels: label ids in the set's own label space, int64, shape (n,).
        rows: the examples' ids in the data set, int64, shape (n,).
        groups: for each class of the model the label of this set that it counts as, int64, shape (classes,).
        truncated: how many examples were longer than allowed.
        task: what a model is asked for on them.
    """

    ids: np.ndarray
    types: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    groups: np.ndarray
    truncated: int = 0
    task: Task = CLASSIFICATION

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each example, int64, shape (n,)."""
        return np.diff(self.offsets)

    @cached_property
    def digest(self) -> str:
        """The hash of what is evaluated: token ids, segment ids, labels, label map, in order."""
        sha = hashlib.sha256()
        for array in (self.ids, self.types, self.offsets, self.labels, self.groups):
            sha.update(f"{array.dtype}{array.shape}".encode())
            sha.update(np.ascontiguousarray(array).data)
        return sha.hexdigest()

    def select(self, index: np.ndarray) -> "Tokens":
        """The examples at `index`, in that order."""
        spans = [slice(self.offsets[i], self.offsets[i + 1]) for i in index]
        return replace(
            self,
            ids=np.concatenate([self.ids[span] for span in spans]),
            types=np.concatenate([self.types[span] for span in spans]),
            offsets=np.concatenate([[0], np.cumsum(self.lengths[index])]),
            labels=self.labels[index],
            rows=self.rows[index],
        )


def tokenize(
    tokenizer, rows: Rows, groups: list[int], max_length: int, template: str | None = None
) -> Tokens:
    """Turn rows of one or two texts into tokens with the model's own tokenizer.

    Args:
        tokenizer: a Transformers tokenizer; special tokens are its own.
        rows: the texts and labels.
        groups: as in `Tokens`.
        max_length: tokens at most; the longer of two texts is shortened first.
        template: how two texts become one, a text with `{a}` and `{b}`; None: as the tokenizer joins them.
    """
    texts = fitting = (rows.text_a,) if rows.text_b is None else (rows.text_a, rows.text_b)
    if template is not None and rows.text_b is not None:
        pairs = list(zip(*texts, strict=True))
        texts = ([_filled(template, *pair) for pair in pairs],)
        fitting = ([_fitting(tokenizer, template, *pair, max_length) for pair in pairs],)
    whole = tokenizer(*texts, return_attention_mask=False)["input_ids"]
    cut = tokenizer(*fitting, truncation=True, max_length=max_length, return_attention_mask=False)
    lengths = [len(ids) for ids in cut["input_ids"]]
    return Tokens(
        ids=np.concatenate([np.asarray(ids, np.int32) for ids in cut["input_ids"]]),
        types=np.concatenate([np.asarray(types, np.uint8) for types in cut.get("token_type_ids", [[]])]),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        labels=rows.labels,
        rows=rows.ids,
        groups=np.asarray(groups, np.int64),
        truncated=sum(len(ids) > max_length for ids in whole),
    )


def _filled(template: str, a: str, b: str) -> str:
    before, between, after = re.split(r"\{[ab]\}", template)
    return before + a + between + b + after


def _fitting(tokenizer, template: str, a: str, b: str, limit: int) -> str:
    """The filled template; the tokens that are too many are taken off its texts, each off the longer one."""
    text = _filled(template, a, b)
    excess = len(tokenizer(text)["input_ids"]) - limit
    if excess <= 0:
        return text
    pieces = tokenizer([a, b], add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    for _ in range(excess):
        max(pieces, key=len)[-1:] = []
    a, b = (text[: piece[-1][1] if piece else 0] for text, piece in zip((a, b), pieces, strict=True))
    return _filled(template, a, b)


ARRAYS = ("ids", "types", "offsets", "labels", "rows", "groups")


def write(tokens: Tokens, path: Path) -> None:
    """Write tokens to one safetensors file; equal tokens give equal bytes."""
    arrays = {name: np.ascontiguousarray(getattr(tokens, name)) for name in ARRAYS}
    arrays["truncated"] = np.array([tokens.truncated])
    if tokens.task != CLASSIFICATION:
        text = json.dumps(asdict(tokens.task), sort_keys=True)
        arrays["task"] = np.frombuffer(text.encode(), np.uint8)
    stored.write_arrays(path, arrays)


def read(path: Path) -> Tokens:
    """Open a tokens file memory-mapped, once it was checked.

    Raises:
        errors.Damaged: the file is not what was written.
    """
    arrays = stored.read_arrays(path)
    named = {name: arrays[name] for name in ARRAYS}
    return Tokens(**named, truncated=int(arrays["truncated"][0]), task=_task(arrays.get("task")))


def _task(text: np.ndarray | None) -> Task:
    """The task that a file names; classification where it names none."""
    if text is None:
        return CLASSIFICATION
    fields = json.loads(text.tobytes())
    if "mask" not in fields:
        return Task(**fields)
    return MaskedTokens(**fields | {"special": tuple(fields["special"])})


def sample(tokens: Tokens, examples: int, seed: int) -> Tokens:
    """A fixed, uniformly random sample without replacement; all of them where there are no more."""
    if examples >= len(tokens):
        return tokens
    chosen = np.random.Generator(np.random.Philox(seed)).choice(len(tokens), examples, replace=False)
    return tokens.select(np.sort(chosen))


def batches(lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """Cut examples, sorted by length, into batches of at most `budget` tokens, padding included.

    Args:
        lengths: tokens of each example, shape (n,).
        budget: tokens a batch; an example that is longer than this is a batch of its own.

    Returns:
        Index arrays that together hold each of 0 ... n-1 once; a function of the arguments alone.
    """
    order = np.argsort(lengths, kind="stable")
    cuts, start = [], 0
    for position, length in enumerate(lengths[order]):
        if position > start and (position - start + 1) * length > budget:
            cuts.append(position)
            start = position
    return np.split(order, cuts)


def collate(tokens: Tokens, index: np.ndarray, pad: int) -> dict[str, np.ndarray]:
    """The model's inputs for the examples at `index`, padded to the longest of them.

    Returns:
        `input_ids`, `token_type_ids` where the model has segments, and `attention_mask` where anything is
        padded (a batch without padding needs none); each of shape (len(index), longest).
    """
    lengths = tokens.lengths[index]
    shape = (len(index), int(lengths.max()))
    ids = np.full(shape, pad, np.int64)
    types = np.zeros(shape, np.int64)
    mask = np.arange(shape[1]) < lengths[:, None]
    spans = [slice(tokens.offsets[i], tokens.offsets[i + 1]) for i in index]
    ids[mask] = np.concatenate([tokens.ids[span] for span in spans])
    inputs = {"input_ids": ids}
    if len(tokens.types):
        types[mask] = np.concatenate([tokens.types[span] for span in spans])
        inputs["token_type_ids"] = types
    if not mask.all():
        inputs["attention_mask"] = mask.astype(np.int64)
    return inputs
