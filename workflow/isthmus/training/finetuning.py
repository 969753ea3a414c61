"""Fine-tuning: a run from its step-0 checkpoint to the checkpoints of a cell."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from isthmus import hashing
from isthmus.caches import attempts, identity, states
from isthmus.caches.identity import Anchor, Fork, Push
from isthmus.data import tokens
from isthmus.data.tokens import Tokens
from isthmus.machine.numerics import Numerics
from isthmus.models import architectures, hf_folders
from isthmus.tasks.asked import asked
from isthmus.training.publishing import publish
from isthmus.training.run import Run, segment
from isthmus.training.saving import Cache
from isthmus.training.schedule import Recipe, run_seeds
from isthmus.training.step import Objective

# What a checkpoint's record takes over from that of its start; the last two are an adapter's.
KEPT = ("model", "dataset", "seed", "base", "adapter")


@dataclass(frozen=True)
class _Cell:
    """What the runs of a cell share; those whose heads differ start from other folders."""

    start: Path
    anchor: Anchor
    examples: Tokens
    recipe: Recipe
    numerics: Numerics

    def run(self, seed: int, vary: list[str], fork: Fork | None = None) -> Run:
        """The run of a seed; where nothing varies, the one that all seeds share."""
        seeds = {name: value for name, value in run_seeds(seed, vary).items() if name != "head"}
        recipe = identity.counted_recipe(asdict(self.recipe))
        task = asked({"train": self.examples}, self.start, self.numerics, seeds["order"])

        def open_model():
            hf_folders.check_weights(self.start, self.anchor.weights)
            hf_folders.check_base(self.start)
            return task.open(self.start, self.recipe.dropout, self.recipe.attention_dropout)

        return Run(
            identity.Run(
                self.anchor, task.identity, self.examples.digest, recipe, seeds, self.numerics, fork
            ),
            Objective(task, self.examples, self.recipe, seeds),
            open_model,
        )


def finetune(
    *, start: Path, examples: Path, recipe: Recipe, seed: int, previous: int, step: int,
    numerics: Numerics, cache: Cache, out: Path, trunk: Cache | None = None,
) -> None:  # fmt: skip
    """One job: bring a run from wherever its cache stands to `step`, and publish that checkpoint.

    Up to `recipe.shared_steps` all seeds are one run, the trunk, whose states any of them makes for all.

    Args:
        start: the folder of the run's step-0 checkpoint.
        examples: the tokens of the train part.
        recipe: the cell's.
        seed: the run's seed.
        previous: the checkpoint before this one, where the published history begins.
        step: the checkpoint to publish.
        numerics: how to compute.
        cache: where the run's states are kept.
        out: the checkpoint's folder.
        trunk: where the states up to the fork are, for all seeds; it keeps that of the fork. Needed where
            there is one.

    Raises:
        errors.Damaged: the start, or the tokens. And as `segment`.
    """
    begin, beside = hf_folders.read_record(start), hf_folders.settings(start)
    cell = _Cell(start, architectures.anchor(start), tokens.read(examples), recipe, numerics)
    fork = recipe.shared_steps
    shared = cell.run(seed, [])
    own = cell.run(seed, recipe.vary, _fork(recipe, seed, shared.key))

    def forked() -> tuple[int, Path]:
        with segment(shared, fork, trunk) as state:
            return fork, state  # the trunk keeps it

    run, where, origin = (shared, trunk, None) if step <= fork else (own, cache, forked if fork else None)
    with segment(run, step, where, origin) as state:
        sha256 = publish(state, recipe, previous, step, out / hf_folders.weights_file(start).name)
        platforms = states.platforms(state)
    hf_folders.write_settings(out, beside)
    record = {key: begin[key] for key in KEPT if key in begin} | {"step": step, "sha256": sha256}
    record |= _described(run, where) | asdict(platforms)
    if fork:
        record["trunk"] = _cost(shared, trunk)
    hf_folders.write_record(out / architectures.RECORD, record | {"versions": hf_folders.versions()})


def _fork(recipe: Recipe, seed: int, trunk: str) -> Fork | None:
    """Where a seed's run leaves the trunk, and how."""
    if recipe.perturb:
        push = hashing.seed("perturb", seed)
        return Push(recipe.perturb["at"], trunk, recipe.perturb["scale"], push)
    return Fork(recipe.fork_at, trunk) if recipe.fork_at else None


def _described(run: Run, cache: Cache) -> dict[str, Any]:
    """What a run is, and what it took."""
    described = {"architecture": run.identity.start.architecture, "identity_of": identity.plain(run.identity)}
    return described | _cost(run, cache)


def _cost(run: Run, cache: Cache) -> dict[str, Any]:
    """The key of a run, or of its trunk, and what all attempts at it took."""
    return {"identity": run.key, "spent": attempts.spent(cache.folder, run.key)}
