"""Exact training: the step, the loop, a segment from here to there.

The state of a run is its weights, Adam's moments and the step number. Everything else is a function of
(seed, step): which examples a batch holds, what dropout drops, the learning rate. So a run that was cut into
segments or interrupted anywhere ends in the same bits as one that was not.
"""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from isthmus import hashing, stored
from isthmus.caches import identity, state
from isthmus.caches.identity import CLASSIFICATION, Fork
from isthmus.data import tokens
from isthmus.data.tokens import Tokens
from isthmus.errors import ConfigError, Damaged, Interrupted, TrainingFailed
from isthmus.machine import failures
from isthmus.machine.numerics import Numerics, autocast
from isthmus.models import architectures, classifiers, hf_folders, weight_files

FLUSH = 50  # updates between two looks at the losses: each look waits for the device
LOG_SECONDS = 30.0
SAVING_SHARE = 0.02  # of a run's time at most goes into saving, however short the time between two saves


# ------------------------------------------------------------------------------- functions of (seed, step)


def learning_rate(t: int, *, peak: float, warmup_steps: int, steps: int, power: float) -> float:
    """The learning rate of the update from step t to t + 1: linear warm-up, then polynomial decay.

    As in fairseq's `polynomial_decay`: peak * max(t, 1) / warmup up to t = warmup, then
    peak * ((steps - t) / (steps - warmup)) ** power, which is 0 at t = steps.
    """
    if t <= warmup_steps and warmup_steps > 0:
        return peak * max(t, 1) / warmup_steps
    return peak * ((steps - t) / (steps - warmup_steps)) ** power


def batch_at(t: int, batch_size: int, n: int, order_seed: int) -> np.ndarray:
    """The examples of the update from step t to t + 1: positions t * B ... of the stream of epochs.

    Each epoch is a permutation of 0 ... n - 1 keyed by (order seed, epoch); a batch may straddle epochs.

    Returns:
        int64, shape (batch_size,).
    """
    positions = np.arange(t * batch_size, (t + 1) * batch_size)
    epochs = positions // n
    return np.concatenate(
        [_epoch(n, order_seed, int(epoch))[positions[epochs == epoch] % n] for epoch in np.unique(epochs)]
    )


_last_epoch: dict[tuple[int, int, int], np.ndarray] = {}


def _epoch(n: int, order_seed: int, epoch: int) -> np.ndarray:
    """The permutation of one epoch; the last two are remembered, since a batch needs at most a few."""
    key = (n, order_seed, epoch)
    if key not in _last_epoch:
        while len(_last_epoch) > 1:
            _last_epoch.pop(next(iter(_last_epoch)))
        generator = np.random.Generator(np.random.Philox(key=[order_seed, epoch]))
        _last_epoch[key] = generator.permutation(n)
    return _last_epoch[key]


def run_seeds(seed: int, vary: list[str]) -> dict[str, int]:
    """The seeds of head, order and dropout of a run; what is not varied is the same for all runs."""
    return {
        name: hashing.seed(name, seed if name in vary else "fixed") for name in ("head", "order", "dropout")
    }


# ------------------------------------------------------------------------------------------------- tasks


@dataclass(frozen=True)
class Micro:
    """A part of a batch that is computed at once: the model's inputs and the targets, on the device."""

    inputs: dict[str, Any]
    targets: Any
    tokens: int


class Task(Protocol):
    """What a training minimises."""

    def ids(self, t: int) -> list[int]:
        """The examples of the update from step t, for messages."""

    def micro_batches(self, t: int) -> list[Micro]:
        """The batch of the update from step t, cut by the token budget."""

    def loss(self, model, micro: Micro) -> Any:
        """A micro-batch's share of the batch's mean loss; the shares add up to it."""


class Classification:
    """Mean cross-entropy of a batch of labelled examples."""

    def __init__(self, examples: Tokens, recipe: dict[str, Any], order_seed: int, pad: int, device: str):
        self.examples, self.pad, self.device = examples, pad, device
        self.batch_size, self.budget = recipe["batch_size"], recipe["token_budget"]
        self.order_seed = order_seed

    def _index(self, t: int) -> np.ndarray:
        return batch_at(t, self.batch_size, len(self.examples), self.order_seed)

    def ids(self, t: int) -> list[int]:
        return self.examples.rows[self._index(t)].tolist()

    def micro_batches(self, t: int) -> list[Micro]:
        index = self._index(t)
        lengths = self.examples.lengths[index]
        return [
            Micro(
                on_device(tokens.collate(self.examples, index[cut], self.pad), self.device),
                on_device({"labels": self.examples.labels[index[cut]]}, self.device)["labels"],
                int(lengths[cut].sum()),
            )
            for cut in tokens.batches(lengths, self.budget)
        ]

    def loss(self, model, micro: Micro) -> Any:
        from torch.nn.functional import cross_entropy

        logits = model(**micro.inputs).logits.float()
        return cross_entropy(logits, micro.targets, reduction="sum") / self.batch_size


def on_device(arrays: dict[str, np.ndarray], device: str) -> dict[str, Any]:
    """Arrays as tensors on a device."""
    import torch

    return {name: torch.from_numpy(np.array(array)).to(device) for name, array in arrays.items()}


# -------------------------------------------------------------------------------------------- the update


def prepare(model):
    """Put a model into training mode, with embeddings whose gradients cost what their batch's tokens do.

    PyTorch fills, and adds up, a gradient as large as the vocabulary for each micro-batch, which is nearly a
    tenth of an update where micro-batches are small. Here the rows that occur are added to one gradient, in
    the same order, so to the same bits. On a GPU this would wait for the device and gain nothing; a tied
    weight gets other gradients too.
    """
    import torch
    from torch.nn.functional import embedding

    class Lookup(torch.autograd.Function):
        @staticmethod
        def forward(context, weight, ids, padding, memory):
            context.save_for_backward(ids)
            context.weight, context.padding, context.memory = weight, padding, memory
            return embedding(ids, weight)

        @staticmethod
        def backward(context, gradient):
            (ids,), weight = context.saved_tensors, context.weight
            rows, places = torch.unique(ids, return_inverse=True)
            unused = (rows == context.padding).nonzero().flatten().tolist() or [-1]  # gets no gradient
            added = torch.ops.aten.embedding_dense_backward(gradient, places, len(rows), unused[0], False)
            if weight.grad is None:
                weight.grad = context.memory.cleared(weight)
            weight.grad.index_add_(0, rows, added)
            context.memory.filled.append(rows)
            return None, None, None, None

    def looked_up(layer):
        padding = -1 if layer.padding_idx is None else layer.padding_idx
        memory = _RowsOfGradient()
        return lambda ids: Lookup.apply(layer.weight, ids, padding, memory)

    owners = [id(own) for module in model.modules() for own in module.parameters(recurse=False)]
    for layer in model.modules():
        if type(layer) is torch.nn.Embedding and layer.weight.device.type == "cpu":
            plain = layer.max_norm is None and not layer.scale_grad_by_freq and not layer.sparse
            if plain and layer.num_embeddings > 1000 and owners.count(id(layer.weight)) == 1:
                layer.forward = looked_up(layer)
    return model.train()


class _RowsOfGradient:
    """A gradient's memory from update to update; only the rows that were filled are cleared."""

    def __init__(self) -> None:
        self.gradient = None
        self.filled: list[Any] = []

    def cleared(self, weight) -> Any:
        """A gradient of zeros for `weight`."""
        import torch

        if self.gradient is None:
            self.gradient = torch.zeros_like(weight)
        for rows in self.filled:
            self.gradient.index_fill_(0, rows, 0.0)
        self.filled.clear()
        return self.gradient


def make_optimizer(model, recipe: dict[str, Any]):
    """PyTorch's fused AdamW over all parameters: weight decay is decoupled and reaches each of them."""
    from torch.optim import AdamW

    return AdamW(
        model.parameters(),
        lr=0.0,
        betas=tuple(recipe["betas"]),
        eps=recipe["eps"],
        weight_decay=recipe["weight_decay"],
        fused=True,
    )


def rate_at(t: int, recipe: dict[str, Any]) -> float:
    """The recipe's learning rate of the update from step t."""
    return learning_rate(
        t,
        peak=recipe["learning_rate"],
        warmup_steps=recipe["warmup_steps"],
        steps=recipe["steps"],
        power=recipe["power"],
    )


def update(
    model, optimizer, task: Task, recipe: dict[str, Any], dropout_seed: int, t: int, numerics: Numerics,
    stopped: Callable[[], bool] = lambda: False,
):  # fmt: skip
    """One update, from step t to t + 1.

    Gradients of the micro-batches add up to the batch's; dropout is seeded from (seed, t, micro-batch).

    Args:
        stopped: asked before each micro-batch; where it says yes, the update is not made.

    Returns:
        The batch's mean loss and its token count, as a 0-d tensor on the device and an int; None where
        stopped.
    """
    import torch

    from isthmus.training.dropout import cheap

    total, count = 0.0, 0
    for number, micro in enumerate(task.micro_batches(t)):
        if stopped():
            optimizer.zero_grad()
            return None
        torch.manual_seed(hashing.seed("dropout", dropout_seed, t, number))
        with autocast(numerics), cheap(numerics.device):
            loss = task.loss(model, micro)
        loss.backward()
        total = total + loss.detach()
        count += micro.tokens
    for group in optimizer.param_groups:
        group["lr"] = rate_at(t, recipe)
    optimizer.step()
    optimizer.zero_grad()
    return total, count


# ------------------------------------------------------------------------------------------ state and model


def _capture(model, optimizer, history: dict[str, np.ndarray]) -> dict[str, Any]:
    """Weights, moments and history as the tensors of a state file."""
    import torch

    tensors = {f"weights/{name}": tensor for name, tensor in weight_files.distinct(model).items()}
    for name, parameter in model.named_parameters():
        for moment in MOMENTS:
            # a parameter that takes no part in the loss has none
            if moment in optimizer.state.get(parameter, {}):
                tensors[f"{moment}/{name}"] = optimizer.state[parameter][moment]
    tensors |= {f"history/{name}": torch.from_numpy(array) for name, array in history.items()}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _restore(model, optimizer, path: Path, step: int) -> dict[str, np.ndarray]:
    """Put a state file into model and optimizer; returns its history.

    Values are copied into the model's own memory: mapped tensors stand at any address, and alignment can
    change the bits of a product.
    """
    import torch
    from safetensors.torch import load_file

    tensors = load_file(path)
    own = weight_files.distinct(model)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[f"weights/{name}"])
        for name, parameter in model.named_parameters():
            if f"{MOMENTS[0]}/{name}" in tensors:
                optimizer.state[parameter] = {
                    "step": torch.tensor(float(step), device=parameter.device),
                    **{m: torch.empty_like(parameter).copy_(tensors[f"{m}/{name}"]) for m in MOMENTS},
                }
    return {name: tensors[f"history/{name}"].numpy().copy() for name in HISTORY}


MOMENTS = ("exp_avg", "exp_avg_sq")
HISTORY = ("loss", "tokens", "seconds")
_EMPTY = {
    "loss": np.empty(0, np.float64),
    "tokens": np.empty(0, np.int64),
    "seconds": np.empty(0, np.float64),
}


class _History:
    """Losses, tokens and seconds of each update; losses stay on the device until `flush`."""

    def __init__(self, past: dict[str, np.ndarray], task: Task, recipe: dict[str, Any]):
        self.past, self.task, self.recipe = past, task, recipe
        self.losses: list[Any] = []
        self.counts: list[int] = []
        self.began = time.monotonic()

    def __len__(self) -> int:
        return len(self.past["loss"]) + len(self.losses)

    def add(self, loss: Any, count: int) -> None:
        self.losses.append(loss)
        self.counts.append(count)
        if len(self.losses) >= FLUSH:
            self.flush()

    def flush(self) -> dict[str, np.ndarray]:
        """Fetch the losses, stop at the first that is not finite, and return the whole history."""
        import torch

        if self.losses:
            losses = torch.stack(self.losses).double().cpu().numpy()
            self._check_finite(losses)
            took = (time.monotonic() - self.began) / len(losses)
            new = {"loss": losses, "tokens": np.array(self.counts), "seconds": np.full(len(losses), took)}
            self.past = {name: np.concatenate([self.past[name], new[name]]) for name in HISTORY}
            self.losses, self.counts = [], []
        self.began = time.monotonic()
        return self.past

    def _check_finite(self, losses: np.ndarray) -> None:
        if np.isfinite(losses).all():
            return
        t = len(self.past["loss"]) + int(np.flatnonzero(~np.isfinite(losses))[0])
        raise TrainingFailed(
            f"the loss of the update from step {t} to {t + 1} is {losses[t - len(self.past['loss'])]}, not a "
            f"finite number; its learning rate was {rate_at(t, self.recipe):.3g}, its batch the rows "
            f"{self.task.ids(t)}. A lower learning_rate or a longer warmup_steps is what usually helps"
        )


# ------------------------------------------------------------------------------------------------ segment


@dataclass(frozen=True)
class Cache:
    """Where and when a run's states are kept."""

    folder: Path
    keep: frozenset[int]
    save_minutes: float


class _Signals:
    """What SIGTERM and SIGINT do: they end the process, or leave word while a loop has something to save."""

    def __init__(self) -> None:
        self.came: signal.Signals | None = None
        self.awaited = False

    def _handle(self, number: int, _frame: Any) -> None:
        self.came = self.came or signal.Signals(number)
        if not self.awaited:
            raise Interrupted(self.came, "nothing new was there to save")

    @contextmanager
    def installed(self) -> Iterator["_Signals"]:
        """Handle the signals while the block runs."""
        previous = {number: signal.signal(number, self._handle) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield self
        except Interrupted as interrupted:
            print(
                interrupted.said, flush=True
            )  # not in the handler, which may have interrupted another print
            raise
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


@contextmanager
def segment(
    open_model, task: Task, recipe: dict[str, Any], dropout_seed: int, end: int, identity: str, cache: Cache,
    numerics: Numerics, origin: Callable[[], tuple[int, Path] | None] = lambda: None,
) -> Iterator[Path]:  # fmt: skip
    """Train a run from its newest state (or its origin, or its start) to step `end`.

    The run's lock is held while the block runs, so that no other process prunes the state that it reads.

    Args:
        open_model: a function without arguments that returns the model at step 0, on the device.
        task: what is minimised.
        recipe: `Training.recipe()`.
        dropout_seed: keys the dropout masks.
        end: the step to reach.
        identity: the hash of all that the run's bits depend on.
        cache: where states are kept.
        numerics: how to compute.
        origin: asked for another run's state, as (step, path), where this one has none yet.

    Yields:
        The path of the state at step `end`: its weights are the checkpoint's.

    Raises:
        errors.TrainingFailed: the loss is not finite, or the device's memory does not hold a micro-batch.
        Interrupted: SIGTERM or SIGINT came; what was trained is saved.
        errors.ConfigError: what `open_model` raises.
        errors.DiskFull, errors.GivenUp, errors.LockLost: as their names say.
    """
    with _Signals().installed() as signals, state.lock(cache.folder) as lock:
        found = state.newest(cache.folder, identity, end)
        if found is None and state.holds_others(cache.folder, identity):
            print(
                f"{cache.folder} holds states of other settings or of an earlier version; they are not used",
                flush=True,
            )
        found = found or origin()
        start = found[0] if found else 0
        if start == end:
            print(f"step {end} is in the cache", flush=True)
            yield found[1]
            return
        state.check_worth_trying(cache.folder, identity, start, end)
        print(f"training goes on from step {start} to {end}", flush=True)
        attempt = state.Attempt(identity, end, start, start, numerics.device)
        with state.recorded(cache.folder, attempt), _bound_to_come_again(attempt, recipe):
            model = prepare(open_model())
            optimizer = make_optimizer(model, recipe)
            past = _restore(model, optimizer, found[1], start) if found else _EMPTY
            history = _History(past, task, recipe)

            def stopped() -> bool:
                return signals.came is not None or lock.lost

            def advance(t: int):
                done = update(model, optimizer, task, recipe, dropout_seed, t, numerics, stopped)
                lock.check()
                return done

            def capture() -> dict[str, Any]:
                lock.beat()  # what is pruned after a save must not be what another process goes on from
                lock.check()
                return _capture(model, optimizer, history.flush())

            path = _loop(advance, capture, history, attempt, cache, signals)
            attempt.done = True
        yield path


@contextmanager
def _bound_to_come_again(attempt: state.Attempt, recipe: dict[str, Any]) -> Iterator[None]:
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
            f"{recipe['token_budget']} (it is part of the recipe, so the run starts anew): "
            f"{(str(error).splitlines() or ['MemoryError'])[0]}"
        )
        raise TrainingFailed(attempt.failure) from error


def _loop(
    advance: Callable[[int], Any],
    capture: Callable[[], dict[str, Any]],
    history: _History,
    attempt: state.Attempt,
    cache: Cache,
    signals: _Signals,
) -> Path:
    """Update until the attempt's end, saving by time; a signal saves and ends the process."""
    progress = _Progress(attempt.start, attempt.end)
    next_save = time.monotonic() + 60 * cache.save_minutes

    def save(t: int) -> tuple[Path, str]:
        nonlocal next_save
        began = time.monotonic()
        path = state.save(cache.folder, attempt.identity, t, capture())
        attempt.saved = t
        state.prune(cache.folder, attempt.identity, t, cache.keep)
        took = time.monotonic() - began
        next_save = time.monotonic() + max(60 * cache.save_minutes, took / SAVING_SHARE)
        history.began = time.monotonic()
        said = f"saved the state of step {t} in {took:.2f} s"
        progress.say(said)
        return path, said

    def leave(t: int) -> None:
        said = save(t)[1] if t > attempt.saved else f"nothing was trained beyond step {t}"
        raise Interrupted(signals.came, f"{said}; the next attempt goes on from there")

    signals.awaited = True
    try:
        for t in range(attempt.start, attempt.end):
            done = advance(t)
            if done is None:
                leave(t)
            history.add(*done)
            progress.show(t + 1, rate_at(t, history.recipe), history)
            if time.monotonic() > next_save and t + 1 < attempt.end:
                save(t + 1)
        path = save(attempt.end)[0]
        if signals.came:
            leave(attempt.end)
        return path
    finally:
        signals.awaited = False
        progress.close()


class _Progress:
    """A bar on a terminal; else a plain line every half minute."""

    def __init__(self, start: int, end: int):
        self.start, self.end, self.began = start, end, time.monotonic()
        self.bar = None
        if sys.stdout.isatty():
            from tqdm import tqdm

            self.bar = tqdm(total=end, initial=start, unit="step", file=sys.stdout)
        self.next = self.began + (1.0 if self.bar else LOG_SECONDS)

    def say(self, text: str) -> None:
        """A line of its own, above the bar where there is one."""
        if self.bar is not None:
            self.bar.write(text, file=sys.stdout)
        else:
            print(text, flush=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()

    def show(self, step: int, rate: float, history: _History) -> None:
        if self.bar is not None:
            self.bar.update()
        if (now := time.monotonic()) < self.next:
            return
        self.next = now + (1.0 if self.bar else LOG_SECONDS)
        past = history.flush()
        recent = slice(-100, None)
        speed = past["tokens"][recent].sum() / max(past["seconds"][recent].sum(), 1e-9)
        left = (now - self.began) / (step - self.start) * (self.end - step)
        text = f"loss {past['loss'][-1]:.4f}, learning rate {rate:.3g}, {speed:.0f} tokens/s"
        if self.bar is not None:
            self.bar.set_postfix_str(text)
        else:
            self.say(f"step {step} of {self.end}: {text}, {left / 60:.1f} min left")


# ------------------------------------------------------------------------------------------------ publish


def publish(path: Path, recipe: dict[str, Any], previous: int, step: int, out: Path) -> str:
    """Write a state's weights to the declared place, and the history of its segment beside them.

    Returns:
        The SHA-256 of the weights.

    Raises:
        errors.DiskFull: there is no room for them.
    """
    import pyarrow as pa
    from safetensors import safe_open

    with safe_open(path, "pt") as tensors:
        prefix = "weights/"
        names = [name for name in tensors.keys() if name.startswith(prefix)]  # noqa: SIM118 - it is no dict
        weights = {name.removeprefix(prefix): tensors.get_tensor(name) for name in names}
        history = {name: tensors.get_tensor(f"history/{name}").numpy()[previous:step] for name in HISTORY}
    columns = {
        "step": np.arange(previous + 1, step + 1),
        "loss": history["loss"],
        "learning_rate": np.array([rate_at(t, recipe) for t in range(previous, step)]),
        "tokens": history["tokens"],
        "seconds": history["seconds"],
    }
    with state.naming_full_disk(
        f"step {step} could not be published in {out}; its state is kept. Make room, run again"
    ):
        out.mkdir(parents=True, exist_ok=True)
        for leftover in out.glob(
            f".{hf_folders.WEIGHTS}.*.tmp"
        ):  # of killed processes: the run's lock is held
            leftover.unlink(missing_ok=True)
        weight_files.save(weights, out / hf_folders.WEIGHTS)
        stored.write_table(out / "history.parquet", pa.table(columns))
    return hashing.of_file(out / hf_folders.WEIGHTS)


def finetune(
    *, start: Path, examples: Path, recipe: dict[str, Any], seed: int, previous: int, step: int,
    numerics: Numerics, cache: Cache, out: Path, trunk: Cache | None = None,
) -> None:  # fmt: skip
    """One job: bring a run from wherever its cache stands to `step`, and publish that checkpoint.

    Up to `recipe["fork_at"]` all seeds are one run, the trunk, whose states any of them makes for all.

    Args:
        start: the folder of the run's step-0 checkpoint.
        examples: the tokens of the train part.
        recipe: `Training.recipe()` of the cell.
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
    begin, anchor = hf_folders.read_record(start), architectures.anchor(start)
    config = (start / "config.json").read_text(encoding="utf-8")
    examples = tokens.read(examples)
    fork, pad = recipe["fork_at"], hf_folders.pad_token(start)

    def run(vary: list[str], fork: Fork | None = None) -> identity.Run:
        counted, seeds = identity.counted_recipe(recipe), _seeds(seed, vary)
        return identity.Run(anchor, CLASSIFICATION, examples.digest, counted, seeds, numerics, fork)

    shared = run([])
    own = run(recipe["vary"], Fork(fork, identity.key(shared)) if fork else None)

    def open_model():
        hf_folders.check_weights(start, anchor.weights)
        return classifiers.open_classifier(
            start,
            attention=numerics.attention,
            dropout=recipe["dropout"],
            attention_dropout=recipe["attention_dropout"],
        ).to(numerics.device)

    def train(of: identity.Run, end: int, where: Cache, origin=lambda: None):
        task = Classification(examples, recipe, of.seeds["order"], pad, numerics.device)
        key = identity.key(of)
        return segment(open_model, task, recipe, of.seeds["dropout"], end, key, where, numerics, origin)

    def forked() -> tuple[int, Path]:
        with train(shared, fork, trunk) as path:
            return fork, path  # the trunk keeps it

    if step <= fork:
        what, where, made = shared, trunk, train(shared, step, trunk)
    else:
        what, where, made = own, cache, train(own, step, cache, *([forked] if fork else []))
    with made as path:
        sha256 = publish(path, recipe, previous, step, out)
    stored.write_text(out / "config.json", config)
    record = {key: begin[key] for key in ("model", "dataset", "seed")} | {"step": step, "sha256": sha256}
    record |= {"architecture": anchor.architecture, "identity_of": identity.plain(what)} | _cost(what, where)
    if fork:
        record["trunk"] = _cost(shared, trunk)
    hf_folders.write_record(out / architectures.RECORD, record | {"versions": hf_folders.versions()})


def _seeds(seed: int, vary: list[str]) -> dict[str, int]:
    """The seeds of order and dropout."""
    seeds = run_seeds(seed, vary)
    return {name: seeds[name] for name in ("order", "dropout")}


def _cost(what: identity.Run, cache: Cache) -> dict[str, Any]:
    """The key of a run, or of its trunk, and what all attempts at it took."""
    key = identity.key(what)
    return {"identity": key, "spent": state.spent(cache.folder, key)}
