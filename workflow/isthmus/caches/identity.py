"""What a training state and a measurement *are*: frozen dataclasses, and their keys in the two caches.

A key is the hash of all fields of such a dataclass, by the one function `key`. Nothing is put together by
hand where a part could be forgotten: a new field counts. A field that must not count is declared so, with the
reason (`numerics.not_counted`), and so is a setting of a recipe (below) or of a model's configuration
(`models.architectures`).
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, is_dataclass
from typing import Any

from isthmus import hashing
from isthmus.machine.numerics import LATER, NOT_COUNTED, Numerics

# Of a recipe, what another field of `Run` says.
OTHER_FIELDS = {
    "vary": "the seeds themselves are there",
    "fork_at": "the fork is there",
    "perturb": "the push is there",
}


# ---------------------------------------------------------------------------------------------------- the key


def key(thing: Any) -> str:
    """The key of a dataclass: the SHA-256 of all its counted fields, as 64 hexadecimal digits."""
    return hashing.of_data(plain(thing))


def _counts(field: Field, value: Any) -> bool:
    """Whether a field of a dataclass is part of its key."""
    later = LATER in field.metadata and getattr(value, field.name) == field.metadata[LATER]
    return NOT_COUNTED not in field.metadata and not later


def plain(value: Any) -> Any:
    """Dataclasses as plain data, each with its name, all of their counted fields, and theirs in turn.

    TypeError: something whose content cannot be hashed, such as an array or a path.
    """
    if is_dataclass(value) and not isinstance(value, type):
        found = {field.name: getattr(value, field.name) for field in fields(value) if _counts(field, value)}
        return {"is": type(value).__name__, **{name: plain(inner) for name, inner in found.items()}}
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, tuple | list):
        return [plain(inner) for inner in value]
    if value is None or type(value) in (str, int, float, bool):
        return value
    raise TypeError(f"{value!r} ({type(value).__name__}) has no content that can be part of a key")


# ------------------------------------------------------------------------------------------------ checkpoints


@dataclass(frozen=True)
class Anchor:
    """A checkpoint by content: the SHA-256 of its weights' file, and the key of its `Architecture`."""

    weights: str
    architecture: str


MERGED, FACTORS = "merged", "factors"


@dataclass(frozen=True)
class Adapter(Anchor):
    """A checkpoint that adapts a base: `weights` are the adapter's file, `architecture` is the base's.

    Attributes:
        base: the SHA-256 of the base's weights.
        adapter: the key of the adapter's settings that change the function.
        space: whether combinations are of the weights with the adapter merged into them, or of its factors.
    """

    base: str
    adapter: str
    space: str = MERGED


@dataclass(frozen=True)
class Aligned(Anchor):
    """A checkpoint with its units in another order; `alignment` is the SHA-256 of the orders' file."""

    alignment: str


# --------------------------------------------------------------------------------------------------- training


@dataclass(frozen=True)
class Task:
    """What a model is asked for, and so what its loss is; `masked` is the part of the tokens to predict."""

    name: str
    masked: float | None = None


@dataclass(frozen=True)
class MaskedTokens(Task):
    """Masked-language modelling, and all that decides which tokens are masked.

    Attributes:
        seed: of the masks of an evaluation set.
        mask: the mask's id.
        vocabulary: how many ids there are.
        special: ids that are never masked, rising.
    """

    seed: int = 0
    mask: int = 0
    vocabulary: int = 0
    special: tuple[int, ...] = ()


CLASSIFICATION = Task("classification")
CAUSAL_LM, MASKED_LM = "causal_lm", "masked_lm"


@dataclass(frozen=True)
class Fork:
    """Where a run leaves the trunk that all seeds share: after how many updates, and the trunk's key."""

    at: int
    trunk: str


@dataclass(frozen=True)
class Push(Fork):
    """A fork at which a Gaussian step in weight space sets the run apart.

    Attributes:
        scale: the step's norm over that of the weights, tensor by tensor.
        seed: of its direction.
    """

    scale: float
    seed: int


@dataclass(frozen=True)
class Run:
    """One training: its states are kept under its key.

    Attributes:
        start: the checkpoint at step 0: body, head and architecture.
        task: what is minimised.
        examples: `Tokens.digest` of the train part.
        recipe: `Training.recipe()`, without what other fields say (`counted_recipe`).
        seeds: of order, dropout and masks.
        numerics: how it is computed.
        fork: where the run leaves a trunk; None where it has none, and for the trunk itself.
    """

    start: Anchor
    task: Task
    examples: str
    recipe: Mapping[str, Any]
    seeds: Mapping[str, int]
    numerics: Numerics
    fork: Fork | None = None


@dataclass(frozen=True)
class Bending(Run):
    """The training of the bends of a curve, which starts at one of its ends.

    Attributes:
        other: the end that it leads to.
        kind: of the curve.
        bends: how many it has.
    """

    other: Anchor | None = None
    kind: str = ""
    bends: int = 0


def counted_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe without the settings that other fields of a `Run` say."""
    return {name: value for name, value in recipe.items() if name not in OTHER_FIELDS}


# -------------------------------------------------------------------------------------------------- measuring


@dataclass(frozen=True)
class Measurement:
    """One record of the journal.

    Attributes:
        point: where in weight space, a `space.points.Point` (which caches, being below it, do not import).
        task: what is asked there.
        examples: `Tokens.digest`.
        token_budget: tokens a batch.
        numerics: how it is computed.
    """

    point: Any
    task: Task
    examples: str
    token_budget: int
    numerics: Numerics


@dataclass(frozen=True)
class Distances:
    """How far two checkpoints' bodies are from each other and from where each began; None: not known."""

    a: Anchor
    b: Anchor
    starts: tuple[Anchor | None, Anchor | None]
    numerics: Numerics
