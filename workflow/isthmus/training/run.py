"""A run from wherever its states stand to a step, exactly.

The state of a run is its weights, Adam's moments and the step number. Everything else is a function of
(seed, step): which examples a batch holds, what dropout drops, the learning rate. So a run that was cut
into segments or interrupted anywhere ends in the same bits as one that was not, on one kind of device and
one PyTorch.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torch import nn

from isthmus.caches import attempts, identity, locks, states
from isthmus.caches.attempts import Attempt
from isthmus.caches.identity import Push
from isthmus.caches.locks import Lock
from isthmus.caches.states import Platforms
from isthmus.errors import ConfigError, Damaged, Interrupted, TrainingFailed
from isthmus.machine import failures
from isthmus.machine.numerics import Numerics
from isthmus.training import history, snapshot
from isthmus.training.embeddings import prepare
from isthmus.training.history import History
from isthmus.training.optimizer import AdamW
from isthmus.training.perturbation import perturb
from isthmus.training.progress import Progress
from isthmus.training.saving import Cache, Saver
from isthmus.training.signals import Signals
from isthmus.training.step import Objective, update


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        identity: all that its bits depend on.
        objective: what is minimised.
        open_model: returns the model at step 0, on the device.
    """

    identity: identity.Run
    objective: Objective
    open_model: Callable[[], nn.Module]

    @cached_property
    def key(self) -> str:
        """Under which its states are kept."""
        return identity.key(self.identity)

    @property
    def numerics(self) -> Numerics:
        """How it is computed."""
        return self.identity.numerics


@contextmanager
def segment(
    run: Run, end: int, cache: Cache, origin: Callable[[], tuple[int, Path]] | None = None
) -> Iterator[Path]:
    """Train a run from its newest state (or its origin, or its start) to step `end`.

    The run's lock is held while the block runs, so that no other process prunes the state that it reads.

    Args:
        run: what is trained.
        end: the step to reach.
        cache: where its states are kept.
        origin: asked for another run's state, as (step, path), where this one has none yet.

    Yields:
        The path of the state at step `end`: its weights are the checkpoint's.

    Raises:
        errors.TrainingFailed: the loss is not finite, or the device's memory does not hold a micro-batch.
        errors.Interrupted: SIGTERM or SIGINT came; what was trained is saved.
        errors.ConfigError: what `run.open_model` raises.
        errors.DiskFull, errors.GivenUp, errors.LockLost: as their names say.
    """
    with Signals().installed() as signals, locks.lock(cache.folder) as lock:
        found = _newest(run, end, cache) or (origin() if origin else None)
        start = found[0] if found else 0
        if start == end:
            print(f"step {end} is in the cache", flush=True)
            yield found[1]
            return
        attempts.check_worth_trying(cache.folder, run.key, start, end)
        print(f"training goes on from step {start} to {end}", flush=True)
        attempt = Attempt(run.key, end, start, start, run.numerics.device)
        with attempts.recorded(cache.folder, attempt), _noting_failures(attempt, run):
            path = _train(run, found and found[1], attempt, cache, signals, lock)
            attempt.done = True
        yield path


def _train(
    run: Run, state: Path | None, attempt: Attempt, cache: Cache, signals: Signals, lock: Lock
) -> Path:
    """The loop: from `state` (None: from the start) to the attempt's end; returns the state saved there."""
    objective, recipe = run.objective, run.objective.recipe
    model = prepare(run.open_model())
    optimizer = AdamW(model, recipe)
    past, platforms = history.empty(), Platforms()
    if state is not None:
        past = snapshot.restore(model, optimizer, state, attempt.start)
        platforms = states.platforms(state)
    if isinstance(fork := run.identity.fork, Push) and attempt.start == fork.at:
        perturb(model, fork.scale, fork.seed)
    losses = History(past, objective)
    progress = Progress(attempt.start, attempt.end, recipe, losses)

    def stopped() -> bool:
        return signals.came is not None or lock.lost

    def capture():
        lock.beat()  # what is pruned after a save must not be what another process goes on from
        lock.check()
        return snapshot.capture(model, optimizer, losses.flush())

    saver = Saver(cache, attempt, capture, platforms.and_then(run.numerics), losses, progress.say)
    callbacks = (losses.add, progress.show, saver.save_by_time)
    with closing(progress), signals.awaited():
        for t in range(attempt.start, attempt.end):
            updated = update(model, optimizer, objective, t, run.numerics, stopped)
            lock.check()
            if updated is None:
                raise _interrupted(signals, saver, t)
            for after_update in callbacks:
                after_update(t + 1, *updated)
        path, _ = saver.save(attempt.end)
        if signals.came:
            raise _interrupted(signals, saver, attempt.end)
    return path


def _newest(run: Run, end: int, cache: Cache) -> tuple[int, Path] | None:
    """The run's newest state, up to a step; where there are only others, that is said."""
    found = states.newest(cache.folder, run.key, end)
    if found is None and states.holds_others(cache.folder, run.key):
        print(
            f"{cache.folder} holds states of other settings or of an earlier version; they are not used",
            flush=True,
        )
    return found


def _interrupted(signals: Signals, saver: Saver, step: int) -> Interrupted:
    """Save what was trained up to a step, and say so."""
    text = f"nothing was trained beyond step {step}"
    if step > saver.attempt.saved:
        _, text = saver.save(step)
    return Interrupted(signals.came, f"{text}; the next attempt goes on from there")


@contextmanager
def _noting_failures(attempt: Attempt, run: Run) -> Iterator[None]:
    """Note failures that a retry would only repeat, and name the setting that would help."""
    try:
        yield
    except (TrainingFailed, ConfigError, Damaged) as error:
        attempt.failure = str(error)
        raise
    except (RuntimeError, MemoryError) as error:
        if not failures.is_lack_of_memory(error):
            raise
        attempt.failure = (
            "the device's memory does not hold a micro-batch; lower `training.token_budget`, which is "
            f"{run.objective.recipe.token_budget} (it is part of the recipe, so the run starts anew): "
            f"{(str(error).splitlines() or ['MemoryError'])[0]}"
        )
        raise TrainingFailed(attempt.failure) from error
