"""Running text as blocks of tokens: what a language model reads at once, and the unit of its evaluation.

Blocks are `Tokens` whose `labels` say how many tokens at a block's beginning are read and not counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from isthmus.caches.identity import MASKED_LM, MaskedTokens, Task
from isthmus.data.rows import Rows
from isthmus.data.tokens import Tokens
from isthmus.errors import ConfigError

MOST_UNKNOWN = 0.5  # of a text's tokens


@dataclass(frozen=True)
class Blocks:
    """How running text becomes blocks; the settings of a data set, which has each.

    Attributes:
        task: `causal_lm` or `masked_lm`.
        block_size: tokens a block.
        documents: `joined` or `apart`.
        prompted: whether rows are prompts with answers.
        masked: the part of the tokens that is asked for; None for next tokens.
        seed: of the masks.
    """

    task: str
    block_size: int
    documents: str = "joined"
    prompted: bool = False
    masked: float | None = None
    seed: int = 0

    def of(self, tokenizer, rows: Rows, where: str, part: str = "text") -> Tokens:
        """The blocks of some rows; those in which no token could be asked for are left out.

        Args:
            tokenizer: a Transformers tokenizer.
            rows: documents, or prompts with answers.
            where: begins every message.
            part: what messages call the rows.

        Raises:
            ConfigError: as of `joined` and `answers`, or the tokenizer has no mask and one is needed.
        """
        if self.prompted:
            found = answers(tokenizer, rows.text_a, rows.text_b, rows.ids, self.block_size, where)
        elif self.documents == "joined":
            found = joined(tokenizer, rows.text_a, rows.ids, self.block_size, where, part)
        else:
            found = apart(tokenizer, rows.text_a, rows.ids, self.block_size, where)
        _check_known(tokenizer, found, where, part)
        found = replace(found, task=self._task(tokenizer, where))
        useful = np.flatnonzero(_free(found) > 0)
        if not len(useful):
            raise ConfigError(
                f"{where}: found no block of the {part} with a token to ask for (all are special, or unknown "
                "to the tokenizer); allowed: one or more"
            )
        return found if len(useful) == len(found) else found.select(useful)

    def _task(self, tokenizer, where: str) -> Task:
        if self.task != MASKED_LM:
            return Task(self.task)
        if tokenizer.mask_token_id is None:
            raise ConfigError(
                f"{where}.task: found {self.task!r} for a tokenizer without a mask (`mask_token`); allowed: "
                "an encoder's, or causal_lm"
            )
        return MaskedTokens(
            self.task,
            self.masked,
            self.seed,
            tokenizer.mask_token_id,
            len(tokenizer),
            tuple(sorted(tokenizer.all_special_ids)),
        )


def _check_known(tokenizer, blocks: Tokens, where: str, part: str) -> None:
    """Raise a ConfigError where most of a text is unknown to the tokenizer: a loss on it says nothing."""
    unknown = (
        float(np.mean(blocks.ids == tokenizer.unk_token_id)) if tokenizer.unk_token_id is not None else 0.0
    )
    # Byte-level tokenizers call their end of text unknown, which stands in each document once.
    if unknown > MOST_UNKNOWN and tokenizer.unk_token_id != tokenizer.eos_token_id:
        raise ConfigError(
            f"{where}: found {100 * unknown:.0f} % of the {part}'s tokens unknown to the tokenizer "
            f"({tokenizer.unk_token}); allowed: {100 * MOST_UNKNOWN:.0f} % at most"
        )
    if unknown > 0:
        print(f"{100 * unknown:.2g} % of the {part}'s tokens are unknown to the tokenizer", flush=True)


def _free(blocks: Tokens) -> np.ndarray:
    """How many tokens of each block could be asked for."""
    if not isinstance(blocks.task, MaskedTokens):
        return blocks.lengths - np.maximum(blocks.labels, 1)
    free = np.concatenate([[0], np.cumsum(~np.isin(blocks.ids, blocks.task.special))])
    return free[blocks.offsets[1:]] - free[blocks.offsets[:-1]]


def joined(
    tokenizer, documents: Sequence[str], rows: np.ndarray, size: int, where: str, part: str = "text"
) -> Tokens:
    """Documents joined, with the end of text after each, and cut into blocks of one size.

    What is left over at the end is dropped: a shorter block would be another kind of unit.

    Args:
        tokenizer: a Transformers tokenizer.
        documents: the texts.
        rows: their ids, int64, shape (documents,); a block has that of the document in which it begins.
        size: tokens a block.
        where: begins every message.
        part: what messages call the documents.

    Raises:
        ConfigError: the tokenizer has no end of text, or all the text is shorter than a block.
    """
    end = end_of_text(tokenizer, where)
    each = [[*ids, end] for ids in _ids(tokenizer, documents)]
    stream = np.concatenate([np.asarray(ids, np.int32) for ids in each])
    count = len(stream) // size
    if not count:
        raise ConfigError(
            f"{where}.block_size: found {size}; allowed: {len(stream)} at most, the tokens of all of the "
            f"{part}"
        )
    starts = np.cumsum([0, *map(len, each)])
    begins = np.searchsorted(starts, np.arange(count) * size, side="right") - 1
    return _blocks(stream[: count * size], np.full(count, size), np.asarray(rows)[begins])


def apart(tokenizer, documents: Sequence[str], rows: np.ndarray, size: int, where: str) -> Tokens:
    """Documents kept apart, each with its end of text, and cut off after a block's size.

    Args and errors as of `joined`, but for a document that is shorter than a block, which is a shorter unit.
    """
    end = end_of_text(tokenizer, where)
    each = [[*ids, end] for ids in _ids(tokenizer, documents)]
    kept = [np.asarray(ids[:size], np.int32) for ids in each]
    found = _blocks(np.concatenate(kept), np.array([len(ids) for ids in kept]), np.asarray(rows))
    return replace(found, truncated=sum(len(ids) > size for ids in each))


def answers(
    tokenizer, prompts: Sequence[str], texts: Sequence[str], rows: np.ndarray, size: int, where: str
) -> Tokens:
    """Prompts, each with the answer that is asked for: the tokens of a prompt are read and not counted.

    Args:
        prompts, texts: of equal number.
        tokenizer, rows, size, where: as of `joined`.

    Raises:
        ConfigError: the tokenizer has no end of text, or a prompt leaves no room for an answer.
    """
    end, starts = end_of_text(tokenizer, where), _ids(tokenizer, prompts)
    for row, start in zip(rows, starts, strict=True):
        if len(start) >= size:
            raise ConfigError(
                f"{where}.block_size: found {size}, which the prompt of row {row} fills ({len(start)} "
                "tokens); allowed: more than each prompt has"
            )
    each = [[*start, *ids, end] for start, ids in zip(starts, _ids(tokenizer, texts), strict=True)]
    kept = [np.asarray(ids[:size], np.int32) for ids in each]
    found = _blocks(np.concatenate(kept), np.array([len(ids) for ids in kept]), np.asarray(rows))
    return replace(
        found,
        labels=np.array([len(start) for start in starts], np.int64),
        truncated=sum(len(ids) > size for ids in each),
    )


def end_of_text(tokenizer, where: str) -> int:
    """The token that ends a text: the tokenizer's own, or what an encoder puts between two.

    Raises:
        ConfigError: there is none.
    """
    for token in (tokenizer.eos_token_id, tokenizer.sep_token_id):
        if token is not None:
            return int(token)
    raise ConfigError(
        f"{where}: found a tokenizer without an end of text (`eos_token`, `sep_token`); allowed: one that "
        "has it"
    )


def _ids(tokenizer, texts: Sequence[str]) -> list[list[int]]:
    return tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False)["input_ids"]


def _blocks(ids: np.ndarray, lengths: np.ndarray, rows: np.ndarray) -> Tokens:
    return Tokens(
        ids=ids,
        types=np.zeros(0, np.uint8),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        labels=np.zeros(len(lengths), np.int64),
        rows=rows.astype(np.int64),
        groups=np.zeros(1, np.int64),
    )
