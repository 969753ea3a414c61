"""Bends between two checkpoints: one job, from wherever its states stand to the bends' own checkpoints."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from isthmus import hashing
from isthmus.caches import attempts, identity, states
from isthmus.caches.identity import Bending
from isthmus.data import tokens
from isthmus.machine.numerics import Numerics
from isthmus.models import architectures, hf_folders
from isthmus.space.anchors import Weights, check_same_space, hold, mapped
from isthmus.space.geometries import CURVES
from isthmus.tasks.asked import asked
from isthmus.training.bends import Bends, named
from isthmus.training.embeddings import prepare
from isthmus.training.publishing import publish
from isthmus.training.run import Run, segment
from isthmus.training.saving import Cache
from isthmus.training.schedule import Recipe
from isthmus.training.step import Objective


@dataclass(frozen=True)
class Between:
    """Two checkpoints, and the curve that leads from the first to the second.

    Attributes:
        folders: of the two.
        kind: of the curve, of `geometries.CURVES`.
        count: how many bends it has.
    """

    folders: tuple[Path, Path]
    kind: str
    count: int

    def run(self, examples: tokens.Tokens, recipe: Recipe, seeds: tuple[int, int], numerics: Numerics) -> Run:
        """The training of the bends.

        Args:
            examples: the train part.
            recipe: how to train.
            seeds: of the two runs; they draw the order of examples, dropout and positions.
            numerics: how to compute.

        Raises:
            MismatchedEnds: the two are no points of one space.
        """
        architectures.check_same(self.folders)
        a, b = map(architectures.anchor, self.folders)
        own = {name: hashing.seed("curve", name, *seeds) for name in ("order", "dropout", "position")}
        task = asked({"train": examples}, self.folders[0], numerics, own["order"])

        def open_model() -> Bends:
            files = [hf_folders.weights_file(folder) for folder in self.folders]
            for folder, anchor in zip(self.folders, (a, b), strict=True):
                hf_folders.check_weights(folder, anchor.weights)
            ends = tuple(hold(file, numerics) for file in files)
            check_same_space(*ends, tuple(map(str, self.folders)))
            live = prepare(task.open(self.folders[0], recipe.dropout, recipe.attention_dropout))
            coefficients = partial(CURVES[self.kind], bends=self.count)
            return Bends(live, ends, self.count, coefficients, own["position"])

        counted = identity.counted_recipe(asdict(recipe))
        what = Bending(
            a, task.identity, examples.digest, counted, own, numerics, None, b, self.kind, self.count
        )
        return Run(what, Objective(task, examples, recipe, own), open_model)


def bend(
    *, ends: Sequence[Path], seeds: tuple[int, int], examples: Path, recipe: Recipe, kind: str,
    numerics: Numerics, cache: Cache, outs: Sequence[Path],
) -> None:  # fmt: skip
    """One job: train the bends of a curve and publish each as a checkpoint.

    Args:
        ends: the folders of the two checkpoints.
        seeds: of their runs.
        examples: the tokens of the train part.
        recipe: how bends are trained.
        kind: of the curve.
        numerics: how to compute.
        cache: where states are kept.
        outs: the folder of each bend, from the first run to the second.

    Raises:
        MismatchedEnds: the two differ in architecture, keys, shapes or types.
        errors.Damaged: a checkpoint, or the tokens. And as `run.segment`.
    """
    between = Between(tuple(ends), kind, len(outs))
    run = between.run(tokens.read(examples), recipe, seeds, numerics)
    weights = hf_folders.weights_file(ends[0])
    with segment(run, recipe.steps, cache) as state:
        hashes = [
            publish(
                state, recipe, 0, recipe.steps, out / weights.name, partial(whole, place=place, like=weights)
            )
            for place, out in enumerate(outs)
        ]
        platforms = states.platforms(state)
    begin, beside = hf_folders.read_record(ends[0]), hf_folders.settings(ends[0])
    for place, (out, sha256) in enumerate(zip(outs, hashes, strict=True), start=1):
        hf_folders.write_settings(out, beside)
        record = {name: begin[name] for name in ("model", "dataset") if name in begin}
        record |= {"curve": kind, "bend": place, "seeds": list(seeds), "sha256": sha256}
        record |= {"architecture": run.identity.start.architecture, "identity": run.key}
        record |= {"identity_of": identity.plain(run.identity)}
        record |= {"spent": attempts.spent(cache.folder, run.key)} | asdict(platforms)
        hf_folders.write_record(out / architectures.RECORD, record | {"versions": hf_folders.versions()})


def whole(state: Weights, place: int, like: Path) -> Weights:
    """A bend in a state as a whole model: what is not trained (buffers) is that of a checkpoint."""
    own = named(state)[place]
    return {name: own.get(name, tensor) for name, tensor in mapped(like).items()}
