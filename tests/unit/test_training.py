"""Exact training: the same bits however a run is cut, the field's recipe, failures that say what they are."""

import copy
import json
import os
import re
import shutil
import signal
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from isthmus import errors, stored
from isthmus.caches import identity, state
from isthmus.data import tokens, toy
from isthmus.data.rows import Rows
from isthmus.errors import Damaged
from isthmus.experiment.config import Training
from isthmus.machine import numerics
from isthmus.models import architectures, classifiers, hf_folders, weight_files
from isthmus.training import pretraining, training
from pyarrow import parquet
from torch.nn.functional import cross_entropy

STEPS = 14
# each example makes a run in a folder of its own, so sharing the fixtures does no harm
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def recipe(**changes):
    """A short recipe: 2 epochs of the 50 examples below, with batches that straddle them."""
    base = {"steps": STEPS, "batch_size": 8, "learning_rate": 1e-3, "warmup_steps": 4, "token_budget": 40}
    unchecked = {key: changes.pop(key) for key in ("vary", "learning_rate") if key in changes}
    return Training(**{**base, **changes}).recipe() | unchecked


def numeric(threads=1):
    """Plain float32 on the CPU."""
    wanted = {"device": "cpu", "precision": "float32", "attention": "eager", "deterministic": True}
    return numerics.setup({**wanted, "threads": threads})


def pairs(rows=50, seed=0):
    """Sentence pairs of the toy language as tokens; their ids are not their positions."""
    examples = toy.examples("paraphrase", rows, seed)
    labels = np.array([label == "paraphrase" for _, _, label in examples], np.int64)
    texts = [a for a, _, _ in examples], [b for _, b, _ in examples]
    return tokens.tokenize(
        pretraining.toy_tokenizer(), Rows(1000 + np.arange(rows), *texts, labels), [0, 1], 64
    )


def write_start(folder: Path, seed=0) -> Path:
    """A step-0 checkpoint of a very small BERT."""
    from transformers import BertForSequenceClassification

    torch.manual_seed(seed)
    config = pretraining.architecture({"width": 16, "layers": 1, "heads": 2}, "eager")
    config.num_labels = 2
    model = BertForSequenceClassification(config)
    with torch.no_grad():  # zeros would hide what weight decay does to biases
        for parameter in model.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    model.config.architectures = ["BertForSequenceClassification"]
    folder.mkdir(parents=True)
    model.config.save_pretrained(folder)
    weight_files.save(weight_files.distinct(model), folder / hf_folders.WEIGHTS)
    record = {"model": "tiny", "dataset": "toy", "seed": seed, "step": 0}
    stored.write_json(
        folder / "checkpoint.json",
        {**record, "sha256": training.hashing.of_file(folder / hf_folders.WEIGHTS)},
    )
    return folder


class Run:
    """A run whose segments are trained one after the other, as the workflow's jobs do."""

    def __init__(self, folder: Path, start: Path, examples: Path, **changes):
        self.folder, self.start, self.examples = folder, start, examples
        self.keep = changes.pop("keep", frozenset())
        self.save_minutes = changes.pop("save_minutes", 10.0)
        self.seed, self.threads = changes.pop("seed", 42), changes.pop("threads", 1)
        self.trunk = changes.pop("trunk", folder / "trunk")
        self.recipe, self.at = recipe(**changes), 0

    @property
    def cache(self) -> Path:
        return self.folder / "state"

    def to(self, step: int) -> str:
        """Train to a step and return the SHA-256 of the published weights."""
        out = self.folder / f"step{step}"
        training.finetune(
            start=self.start,
            examples=self.examples,
            recipe=self.recipe,
            seed=self.seed,
            previous=self.at,
            step=step,
            numerics=numeric(self.threads),
            cache=training.Cache(self.cache, self.keep, self.save_minutes),
            trunk=training.Cache(self.trunk, frozenset({self.recipe["fork_at"]}), self.save_minutes),
            out=out,
        )
        self.at = step
        return training.hashing.of_file(out / hf_folders.WEIGHTS)

    def states(self) -> list[int]:
        return sorted(int(path.name[4:12]) for path in self.cache.glob("step*"))

    def history(self, *steps: int) -> dict[str, list]:
        tables = [
            parquet.read_table(self.folder / f"step{step}" / "history.parquet").to_pydict() for step in steps
        ]
        return {name: [value for table in tables for value in table[name]] for name in tables[0]}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The start and the examples of all runs here."""
    folder = tmp_path_factory.mktemp("made")
    tokens.write(pairs(), folder / "train.safetensors")
    tokens.write(pairs(seed=1), folder / "other.safetensors")
    start = write_start(folder / "start")
    body = shutil.copytree(start, folder / "body")
    weights = weight_files.load(start / hf_folders.WEIGHTS)
    body_only = {name: tensor for name, tensor in weights.items() if name.startswith("bert.")}
    weight_files.save(body_only, body / hf_folders.WEIGHTS)
    other_heads = shutil.copytree(start, folder / "other_heads")  # the same weights, another function
    settings = json.loads((start / "config.json").read_text())
    (other_heads / "config.json").write_text(json.dumps(settings | {"num_attention_heads": 4}))
    return SimpleNamespace(
        start=start,
        body=body,
        other_start=write_start(folder / "other_start", seed=1),
        other_heads=other_heads,
        examples=folder / "train.safetensors",
        other_examples=folder / "other.safetensors",
    )


@pytest.fixture
def run(made, tmp_path):
    """Makes runs, each in a folder of its own."""
    count = iter(range(10_000))

    def make(**changes):
        start, examples = changes.pop("start", made.start), changes.pop("examples", made.examples)
        return Run(tmp_path / f"run{next(count)}", start, examples, **changes)

    return make


@pytest.fixture(scope="module")
def whole(made, tmp_path_factory):
    """The weights' hash and the history of a run in one piece, for each number of threads."""
    results = {}
    for threads in (1, 2):
        one = Run(tmp_path_factory.mktemp("whole"), made.start, made.examples, threads=threads)
        results[threads] = (one.to(STEPS), one.history(STEPS))
    return results


def damage(path: Path, truncate=False) -> None:
    """Flip one bit in the middle of a file, or cut off its last byte."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content[:-1] if truncate else content)


# ------------------------------------------------------------------------------------------ the same bits


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("length", [1, STEPS // 2, 5])
def test_segments_of_any_length_give_the_same_bits(run, whole, length, threads):
    one = run(threads=threads)
    for step in [*range(length, STEPS, length), STEPS]:
        last = one.to(step)
    assert last == whole[threads][0]


@FEW
@given(cuts=st.sets(st.integers(1, STEPS - 1)), lost=st.sets(st.integers(1, STEPS - 1), max_size=2))
def test_cuts_and_a_lost_cache_give_the_same_bits(run, whole, cuts, lost):
    one = run()
    for step in [*sorted(cuts), STEPS]:
        if step in lost:
            shutil.rmtree(one.cache, ignore_errors=True)
        last = one.to(step)
    assert last == whole[1][0]


class Signalled:
    """Sends this process a signal before the given micro-batches of all that are computed."""

    def __init__(self, monkeypatch, at: set[int], number=signal.SIGTERM):
        self.seen, original = 0, training.Classification.loss

        def loss(task, model, micro):
            if self.seen in at:
                os.kill(os.getpid(), number)
            self.seen += 1
            return original(task, model, micro)

        monkeypatch.setattr(training.Classification, "loss", loss)


@FEW
@given(at=st.sets(st.integers(0, 60), max_size=4))
def test_signals_at_any_moment_give_the_same_bits_and_a_history_without_repeats(run, whole, at):
    one, interruptions = run(), 0
    with pytest.MonkeyPatch.context() as patch:
        signalled = Signalled(patch, at)
        while True:
            try:
                last = one.to(STEPS)
                break
            except training.Interrupted:
                interruptions += 1
    assert interruptions == sum(number < signalled.seen for number in at)
    assert last == whole[1][0]
    history = one.history(STEPS)
    assert history["step"] == list(range(1, STEPS + 1))
    for column in ("step", "loss", "learning_rate", "tokens"):
        assert history[column] == whole[1][1][column]


def test_the_history_of_segments_is_that_of_the_whole_run(run, whole):
    one = run()
    for step in (3, 4, STEPS):
        one.to(step)
    history = one.history(3, 4, STEPS)
    for column in ("step", "loss", "learning_rate", "tokens"):
        assert history[column] == whole[1][1][column]
    speed = sum(history["tokens"]) / sum(history["seconds"])
    assert np.isfinite(speed)
    assert speed > 0


def test_a_signal_says_the_step_and_how_long_the_save_took(run, capsys, monkeypatch):
    one = run()
    with monkeypatch.context() as patch:
        Signalled(patch, {20}, signal.SIGINT)
        with pytest.raises(training.Interrupted):
            one.to(STEPS)
    said = re.search(
        r"SIGINT: saved the state of step (\d+) in \d+\.\d\d s; the next attempt", capsys.readouterr().out
    )
    step = int(said[1])
    assert one.states() == [step]
    one.to(STEPS)
    assert f"goes on from step {step} to {STEPS}" in capsys.readouterr().out


def test_a_signal_while_the_model_opens_ends_the_process_at_once(run, capsys, monkeypatch):
    one = run()
    monkeypatch.setattr(classifiers, "open_classifier", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(training.Interrupted):
        one.to(STEPS)
    assert "SIGTERM: nothing new was there to save" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


# --------------------------------------------------------------------------------------------------- vary


def initialized(made, folder: Path, seed: int, vary: list[str]) -> Path:
    head = training.run_seeds(seed, vary)["head"]
    sha256 = classifiers.initialize(made.body, ["no", "yes"], 0, head, folder)
    stored.write_json(
        folder / "checkpoint.json", {"model": "m", "dataset": "d", "seed": seed, "sha256": sha256}
    )
    return folder


@pytest.mark.parametrize("vary", [[], ["order"], ["dropout"], ["head"]])
def test_vary_says_what_a_seed_changes(made, run, tmp_path, vary):
    starts = [initialized(made, tmp_path / f"start{seed}", seed, vary) for seed in (42, 43)]
    runs = [run(start=start, seed=seed, vary=vary) for start, seed in zip(starts, (42, 43), strict=True)]
    first, second = (start / hf_folders.WEIGHTS for start in starts)
    assert (first.read_bytes() == second.read_bytes()) == ("head" not in vary)
    assert (runs[0].to(5) == runs[1].to(5)) == (vary == [])
    assert (runs[0].history(5)["tokens"] == runs[1].history(5)["tokens"]) == ("order" not in vary)


# -------------------------------------------------------------------------------------------------- fork


def test_seeds_are_one_run_up_to_the_fork(made, run, tmp_path):
    trunk = tmp_path / "trunk"
    runs = [run(seed=seed, fork_at=4, trunk=trunk) for seed in (42, 43)]
    assert runs[0].to(3) == runs[1].to(3)
    assert runs[0].to(4) == runs[1].to(4)
    assert runs[0].to(8) != runs[1].to(8)
    assert runs[0].history(3, 4, 8)["loss"][:4] == runs[1].history(3, 4, 8)["loss"][:4]
    # Up to there it is the run in which nothing varies, and apart from there each is its seed's own.
    assert runs[0].history(3, 4)["loss"] == run_history(run(vary=[]), 4)
    assert runs[0].history(8)["tokens"] == [
        int(pairs().lengths[training.batch_at(t, 8, 50, training.run_seeds(42, ["order"])["order"])].sum())
        for t in range(4, 8)
    ]


def run_history(one, step):
    one.to(step)
    return one.history(step)["loss"]


def test_the_trunk_is_trained_once(run, tmp_path, capsys):
    trunk = tmp_path / "trunk"
    for seed in (42, 43):
        run(seed=seed, fork_at=4, trunk=trunk).to(8)
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("training goes on")]
    assert said.count("training goes on from step 0 to 4") == 1
    assert said.count("training goes on from step 4 to 8") == 2


@pytest.mark.parametrize("cuts", [(8,), (2, 8), (4, 8), (5, 8), (1, 2, 3, 4, 5, 6, 7, 8)])
@pytest.mark.parametrize("lost", ["nothing", "trunk", "own", "both"])
def test_forked_bits_do_not_depend_on_cuts_or_caches(run, cuts, lost):
    one = run(fork_at=4)
    for step in cuts:
        if lost in ("trunk", "both"):
            shutil.rmtree(one.trunk, ignore_errors=True)
        if lost in ("own", "both"):
            shutil.rmtree(one.cache, ignore_errors=True)
        end = one.to(step)
    whole = run(fork_at=4)
    assert end == whole.to(8)
    assert end != run(fork_at=3).to(8)
    assert sum(len(one.history(step)["loss"]) for step in cuts) == 8


# ----------------------------------------------------------------------------------------------- the recipe


def opened(made, dropout=0.0):
    return classifiers.open_classifier(
        made.start, attention="eager", dropout=dropout, attention_dropout=dropout
    ).train()


def make_task(made, wanted):
    return training.Classification(tokens.read(made.examples), wanted, 7, 0, "cpu")


def padded(made, index):
    """A batch as one padded block, made by hand."""
    examples = tokens.read(made.examples)
    rows = [examples.ids[examples.offsets[i] : examples.offsets[i + 1]].tolist() for i in index]
    kinds = [examples.types[examples.offsets[i] : examples.offsets[i + 1]].tolist() for i in index]
    longest = max(map(len, rows))
    inputs = {
        "input_ids": [row + [0] * (longest - len(row)) for row in rows],
        "token_type_ids": [kind + [0] * (longest - len(kind)) for kind in kinds],
        "attention_mask": [[1] * len(row) + [0] * (longest - len(row)) for row in rows],
    }
    return {name: torch.tensor(value) for name, value in inputs.items()}, torch.tensor(examples.labels[index])


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_each_update_is_that_of_plain_adamw_on_the_whole_batch(made, power):
    wanted = recipe(dropout=0, attention_dropout=0, power=power)
    ours, theirs = opened(made), opened(made)
    task, optimizer = make_task(made, wanted), training.make_optimizer(ours, wanted)
    reference = torch.optim.AdamW(
        theirs.parameters(), lr=0.0, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.1, fused=False
    )
    for t in range(STEPS):
        loss, _ = training.update(ours, optimizer, task, wanted, 0, t, numeric())
        inputs, labels = padded(made, training.batch_at(t, 8, 50, 7))
        expected = cross_entropy(theirs(**inputs).logits, labels)
        expected.backward()
        rate = 1e-3 * (max(t, 1) / 4 if t <= 4 else ((STEPS - t) / (STEPS - 4)) ** power)
        for group in reference.param_groups:
            group["lr"] = rate
        reference.step()
        reference.zero_grad()
        torch.testing.assert_close(loss, expected.detach(), rtol=1e-5, atol=1e-6)
        for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            # Adam divides by the gradient's own size, so where that is rounding only, so is the direction
            torch.testing.assert_close(mine, other, rtol=1e-4, atol=2e-2 * rate, msg=f"{name} at step {t}")


def test_micro_batches_add_up_to_the_gradient_of_the_batch(made):
    wanted = recipe(dropout=0, attention_dropout=0)
    model, task = opened(made), make_task(made, wanted)
    cut = task.micro_batches(3)
    assert len(cut) > 2
    for micro in cut:
        task.loss(model, micro).backward()
    ours = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    inputs, labels = padded(made, training.batch_at(3, 8, 50, 7))
    cross_entropy(model(**inputs).logits, labels).backward()
    for mine, parameter in zip(ours, model.parameters(), strict=True):
        torch.testing.assert_close(mine, parameter.grad, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("padding", [None, 0, 3])
def test_gradients_of_large_embeddings_have_the_bits_of_pytorch_s_own(padding, threads):
    numeric(threads)
    torch.manual_seed(0)
    plain = torch.nn.Sequential(
        torch.nn.Embedding(2000, 24, padding), torch.nn.Tanh(), torch.nn.Linear(24, 1)
    )
    quick = training.prepare(copy.deepcopy(plain))
    assert "forward" in vars(quick[0])
    for _ in range(3):  # updates: what one leaves behind must not reach the next
        for _ in range(3):  # micro-batches, with ids that occur often, and often across them
            ids = (torch.rand(16, 40) ** 4 * 2000).long()
            outputs = [model(ids).square().mean() for model in (plain, quick)]
            assert torch.equal(*outputs)
            for output in outputs:
                output.backward()
        for ours, theirs in zip(quick.parameters(), plain.parameters(), strict=True):
            assert torch.equal(ours.grad, theirs.grad)
        for model in (plain, quick):
            model.zero_grad()


def test_tied_and_small_embeddings_are_left_to_pytorch():
    tied = torch.nn.Sequential(torch.nn.Embedding(2000, 8), torch.nn.Linear(8, 2000, bias=False))
    tied[1].weight = tied[0].weight
    small = torch.nn.Sequential(torch.nn.Embedding(2, 8))
    for model in (tied, small):
        assert "forward" not in vars(training.prepare(model)[0])
        assert model.training


def saved_bytes(model, inputs) -> int:
    """The memory that the backward pass of a micro-batch needs, besides the weights."""
    own = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage  # held, so that no other storage takes its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = model(**inputs).logits
    del logits
    return sum(storage.nbytes() for storage in kept.values())


def test_the_token_budget_bounds_memory_whatever_the_batch(made):
    model = opened(made, 0.1)
    peaks = {}
    for batch in (8, 32):
        wanted = recipe(batch_size=batch, token_budget=80)
        peaks[batch] = max(
            saved_bytes(model, micro.inputs)
            for t in range(3)
            for micro in make_task(made, wanted).micro_batches(t)
        )
    whole = saved_bytes(model, padded(made, training.batch_at(0, 32, 50, 7))[0])
    assert peaks[32] < 1.2 * peaks[8]
    assert whole > 4 * peaks[32]


@pytest.mark.parametrize(("budget", "length", "gigabytes"), [(512, 128, 12), (512, 512, 12), (256, 128, 8)])
def test_roberta_large_fits_a_card_by_its_token_budget(budget, length, gigabytes):
    """Weights, gradients, two moments and what a micro-batch keeps, from the shapes; nothing is allocated."""
    from transformers import RobertaConfig, RobertaForSequenceClassification

    large = {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    }
    config = RobertaConfig(
        **large, vocab_size=50_265, max_position_embeddings=514, attn_implementation="eager"
    )
    with torch.device("meta"):
        model = RobertaForSequenceClassification(config).train()
        inputs = {"input_ids": torch.ones(budget // length, length, dtype=torch.int64)}
        kept = saved_bytes(model, inputs)
    weights = sum(4 * parameter.numel() for parameter in model.parameters())
    print(kept / 1e9, (4 * weights + 1.2 * kept + 0.6e9) / 1e9)
    assert 1.4e9 < weights < 1.5e9
    assert kept > 0.2e9
    assert 4 * weights + 1.2 * kept + 0.6e9 < gigabytes * 1e9  # a fifth and 0.6 GB for what libraries need


def test_weight_decay_is_decoupled_and_reaches_every_parameter(made):
    after = {}
    for decay in (0.0, 0.1):
        wanted = recipe(weight_decay=decay, warmup_steps=0)
        model = opened(made)
        training.update(
            model, training.make_optimizer(model, wanted), make_task(made, wanted), wanted, 0, 0, numeric()
        )
        after[decay] = dict(model.named_parameters())
    for name, start in opened(made).named_parameters():
        assert start.abs().max() > 0
        decayed = after[0.0][name] - after[0.1][name]
        torch.testing.assert_close(decayed, 1e-3 * 0.1 * start, rtol=1e-2, atol=2e-7, msg=name)


def test_the_schedule_is_a_warm_up_and_a_decay_to_zero():
    shape = {"peak": 2.0, "warmup_steps": 10, "steps": 110}
    rates = [training.learning_rate(t, power=1.0, **shape) for t in range(111)]
    assert rates[0] == rates[1] == 0.2  # as fairseq: the first update has the rate of the second
    assert rates[5] == 1.0
    assert rates[10] == 2.0
    assert rates[60] == 1.0
    assert rates[110] == 0.0
    assert training.learning_rate(60, power=2.0, **shape) == 0.5
    assert training.learning_rate(0, peak=2.0, warmup_steps=0, steps=4, power=1.0) == 2.0


@settings(deadline=None)
@given(n=st.integers(1, 40), batch=st.integers(1, 50), seed=st.integers(0, 2**63 - 1))
def test_each_epoch_visits_each_example_once(n, batch, seed):
    stream = np.concatenate([training.batch_at(t, batch, n, seed) for t in range(-(-3 * n // batch))])
    for epoch in range(3):
        assert sorted(stream[epoch * n : (epoch + 1) * n]) == list(range(n))


def test_batches_do_not_depend_on_which_were_asked_for_before():
    forward = [training.batch_at(t, 8, 50, 7).tolist() for t in range(30)]
    assert [training.batch_at(t, 8, 50, 7).tolist() for t in reversed(range(30))] == forward[::-1]
    assert [training.batch_at(t, 8, 50, 8).tolist() for t in range(30)] != forward


def test_dropout_is_on_in_training_and_off_in_evaluation(made):
    wanted = recipe(dropout=0.5, attention_dropout=0.5)
    task = make_task(made, wanted)

    def loss(model, dropout_seed):
        return training.update(
            model, training.make_optimizer(model, wanted), task, wanted, dropout_seed, 0, numeric()
        )[0].item()

    assert loss(opened(made, 0.5), 1) == loss(opened(made, 0.5), 1) != loss(opened(made, 0.5), 2)
    still = loss(opened(made), 1)
    model = classifiers.open_classifier(made.start, attention="eager", dropout=0.5, attention_dropout=0.5)
    assert not model.training
    assert loss(model, 1) == loss(classifiers.open_classifier(made.start, attention="eager"), 2) == still


# ---------------------------------------------------------------------------------------------- the cache


def test_a_state_of_another_recipe_data_or_start_is_not_used(made, run, capsys):
    for other in (
        {"learning_rate": 2e-3},
        {"token_budget": 80},
        {"threads": 2},
        {"examples": made.other_examples},
        {"start": made.other_start},
        {"start": made.other_heads},
        {"seed": 43},
    ):
        one, fresh = run(), run(**other)
        expected = fresh.to(6)
        one.to(5)
        changed = run(**other)
        shutil.copytree(one.cache, changed.cache)
        capsys.readouterr()
        assert changed.to(6) == expected
        said = capsys.readouterr().out
        assert "from step 0 to 6" in said
        assert said.count(f"{changed.cache} holds states of other settings or of an earlier version; ") == 1
        # what another recipe spent is not this run's
        assert json.loads((changed.folder / "step6/checkpoint.json").read_text())["spent"]["attempts"] == 1


@pytest.mark.parametrize("truncate", [True, False])
def test_a_damaged_state_is_named_and_not_used(run, whole, capsys, truncate):
    one = run(keep=frozenset({3, 6}))
    one.to(3)
    one.to(6)
    assert one.states() == [3, 6]
    path = next(one.cache.glob("step00000006*"))
    damage(path, truncate)
    assert one.to(STEPS) == whole[1][0]
    said = capsys.readouterr().out
    assert f"{path} is damaged" in said
    assert f"from step 3 to {STEPS}" in said


def test_a_damaged_start_is_named_and_a_retry_ends_at_once(made, run, tmp_path, monkeypatch):
    monkeypatch.setenv("ISTHMUS_CALL", "one")
    start = shutil.copytree(made.start, tmp_path / "start")
    damage(start / hf_folders.WEIGHTS)
    one = run(start=start)
    with pytest.raises(Damaged, match=rf"{start / hf_folders.WEIGHTS} is damaged"):
        one.to(3)
    with pytest.raises(errors.GivenUp, match="is damaged"):
        one.to(3)


def test_publishing_opens_no_model(run, monkeypatch, capsys):
    one = run()
    expected = one.to(6)
    shutil.rmtree(one.folder / "step6")
    one.at = 0
    monkeypatch.setattr(classifiers, "open_classifier", None)
    assert one.to(6) == expected
    assert "step 6 is in the cache" in capsys.readouterr().out
    assert one.history(6)["step"] == [1, 2, 3, 4, 5, 6]


def test_what_killed_processes_left_is_cleared_away(run):
    one = run()
    one.to(3)
    (one.cache / ".saving-0.tmp").touch()
    (one.folder / "step6").mkdir()
    (one.folder / "step6" / f".{hf_folders.WEIGHTS}.1.tmp").touch()
    one.to(6)
    assert {path.name for path in (one.folder / "step6").iterdir()} == {
        "checkpoint.json",
        "config.json",
        "history.parquet",
        hf_folders.WEIGHTS,
    }
    assert {path.name.split("-")[0] for path in one.cache.iterdir()} == {"attempts", "lock", "step00000006"}


def test_states_are_kept_as_asked(run):
    steps = (4, 9, STEPS)
    for keep, expected in ((frozenset(), [STEPS]), (frozenset(steps), list(steps))):
        one = run(keep=keep)
        for step in steps:
            one.to(step)
        assert one.states() == expected


def test_states_are_saved_by_time_and_cost_at_most_a_fiftieth(run, monkeypatch):
    seconds = iter(
        range(1_000_000)
    )  # each look at the clock takes a second, so a save takes one, an update two
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    saved, original = [], state.save

    def save(folder, identity, step, tensors):
        saved.append(step)
        return original(folder, identity, step, tensors)

    monkeypatch.setattr(state, "save", save)
    one = run(save_minutes=0.1, steps=100)
    one.to(100)
    assert len(saved) > 2
    assert saved[0] < 5
    assert all(2 * (after - before) >= 50 for before, after in pairwise(saved[:-1]))


def test_a_log_has_a_line_each_half_minute_and_a_terminal_a_bar(run, monkeypatch, capsys):
    seconds = iter(range(1_000_000))
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    line = r"loss \d\.\d{4}, learning rate \d\S+, \d+ tokens/s"
    run(steps=60).to(60)
    said = capsys.readouterr().out
    assert 1 < len(re.findall(rf"^step \d+ of 60: {line}, \d+\.\d min left$", said, re.M)) < 8
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    run(steps=60).to(60)
    said = capsys.readouterr().out
    assert re.search(rf"\d+/60 .*{line}\]", said)
    assert "saved the state of step 60 in" in said


def test_a_parameter_without_gradient_has_no_moments_and_resumes(made, run, monkeypatch):
    original = classifiers.open_classifier

    def with_idle_parameter(*args, **settings):
        model = original(*args, **settings)
        model.idle = torch.nn.Parameter(torch.ones(3))
        return model

    monkeypatch.setattr(classifiers, "open_classifier", with_idle_parameter)
    whole, cut = run(), run()
    cut.to(3)
    assert whole.to(6) == cut.to(6)


# ---------------------------------------------------------------------------------------------- failures


def test_a_loss_that_is_not_finite_stops_the_run_and_its_retries(run, monkeypatch):
    monkeypatch.setenv("ISTHMUS_CALL", "one")
    one = run(learning_rate=1e30, warmup_steps=0)
    with pytest.raises(errors.TrainingFailed) as failure:
        one.to(STEPS)
    said = re.search(
        r"from step (\d+) to \d+ is (nan|inf).*learning rate was (\S+), its batch the rows \[(.*?)\]",
        str(failure.value),
    )
    t, rows = int(said[1]), [int(row) for row in said[4].split(", ")]
    assert float(said[3]) == pytest.approx(training.rate_at(t, one.recipe), rel=1e-2)
    order = training.run_seeds(42, one.recipe["vary"])["order"]
    assert rows == (1000 + training.batch_at(t, 8, 50, order)).tolist()
    monkeypatch.setattr(classifiers, "open_classifier", None)  # the retry must not come so far
    with pytest.raises(errors.GivenUp, match="not a finite number"):
        one.to(STEPS)
    monkeypatch.setenv("ISTHMUS_CALL", "two")
    with pytest.raises(TypeError):  # a new call tries again
        one.to(STEPS)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore"),
            "Tried to allocate 2 GiB",
        ),
        (
            RuntimeError("alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory\nmore"),
            "allocate memory",
        ),
        (MemoryError(), "MemoryError"),
    ],
    ids=["GPU", "CPU", "Python"],
)
def test_no_memory_names_the_token_budget(run, monkeypatch, error, said):
    def loss(*_):
        raise error

    monkeypatch.setenv("ISTHMUS_CALL", "one")
    monkeypatch.setattr(training.Classification, "loss", loss)
    one = run()
    with pytest.raises(errors.TrainingFailed, match=rf"training.token_budget`, which is 40.*{said}$"):
        one.to(STEPS)
    with pytest.raises(errors.GivenUp, match="token_budget"):
        one.to(STEPS)


def test_two_attempts_without_progress_are_enough_for_one_call(run, monkeypatch):
    def fail(*_):
        raise RuntimeError("the cable is loose")

    monkeypatch.setenv("ISTHMUS_CALL", "one")
    one = run()
    one.to(4)
    monkeypatch.setattr(training.Classification, "loss", fail)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="cable"):
            one.to(STEPS)
    with pytest.raises(
        errors.GivenUp, match=r"two attempts in a row ended without a new state \(at step 4\)"
    ):
        one.to(STEPS)
    monkeypatch.setenv("ISTHMUS_CALL", "two")
    with pytest.raises(RuntimeError, match="cable"):
        one.to(STEPS)


def test_a_published_checkpoint_is_known_by_what_it_is(made, run):
    one = run(fork_at=4)
    records = []
    for step in (3, 6):
        one.to(step)
        records.append(json.loads((one.folder / f"step{step}" / "checkpoint.json").read_text()))
    for step, record in zip((3, 6), records, strict=True):
        found = architectures.anchor(one.folder / f"step{step}")
        assert found == identity.Anchor(record["sha256"], architectures.anchor(made.start).architecture)
        assert record["identity"] == training.hashing.of_data(record["identity_of"])
        assert record["identity_of"]["recipe"]["batch_size"] == 8
    assert records[1]["identity_of"]["fork"] == {"is": "Fork", "at": 4, "trunk": records[0]["identity"]}
    # What the trunk took is said of every run that leaves it: two calls trained it, to step 3 and to 4.
    assert records[1]["trunk"]["identity"] == records[0]["identity"]
    assert records[1]["trunk"]["spent"]["attempts"] == 2


@pytest.mark.parametrize("change", [{}, {"heads": 4}, {"masked": 0.3}, {"seed": 1}, {"rows": 61}])
def test_a_pretraining_of_other_settings_begins_anew(tmp_path, capsys, change):
    wanted = {"layers": 1, "width": 16, "heads": 2, "rows": 60, "seed": 0, "masked": 0.2}
    for number, settings_of in enumerate((wanted, wanted | change)):
        pretraining.pretrain(
            settings=settings_of,
            recipe=recipe(steps=6),
            step=2,
            numerics=numeric(),
            cache=training.Cache(tmp_path / "state", frozenset({2}), 10.0),
            out=tmp_path / str(number),
        )
    said = capsys.readouterr().out
    assert ("step 2 is in the cache" in said) == (change == {})
    assert ("holds states of other settings" in said) == (change != {})


def test_a_pretraining_whose_body_is_drawn_otherwise_begins_anew(tmp_path, capsys, monkeypatch):
    from transformers import BertForMaskedLM

    wanted = {"layers": 1, "width": 16, "heads": 2, "rows": 60, "seed": 0, "masked": 0.2}
    cache = training.Cache(tmp_path / "state", frozenset({2}), 10.0)
    arguments = {
        "settings": wanted,
        "recipe": recipe(steps=6),
        "step": 2,
        "numerics": numeric(),
        "cache": cache,
    }
    pretraining.pretrain(**arguments, out=tmp_path / "a")
    original = BertForMaskedLM.__init__

    def drawn_otherwise(self, config):
        original(self, config)
        with torch.no_grad():
            self.bert.embeddings.word_embeddings.weight.mul_(2)

    monkeypatch.setattr(BertForMaskedLM, "__init__", drawn_otherwise)
    pretraining.pretrain(**arguments, out=tmp_path / "b")
    assert "step 2 is in the cache" not in capsys.readouterr().out


def test_pretraining_in_segments_gives_the_same_bits(tmp_path):
    wanted = {"layers": 1, "width": 16, "heads": 2, "rows": 60, "seed": 0, "masked": 0.2}
    hashes = []
    for name, steps in (("whole", [6]), ("cut", [0, 1, 4, 6])):
        cache = training.Cache(tmp_path / name / "state", frozenset(), 10.0)
        for step in steps:
            out = tmp_path / name / str(step)
            pretraining.pretrain(
                settings=wanted, recipe=recipe(steps=6), step=step, numerics=numeric(), cache=cache, out=out
            )
        hashes.append(training.hashing.of_file(out / hf_folders.WEIGHTS))
    assert hashes[0] == hashes[1]


# ------------------------------------------------------------------------ what is drawn anew, and what is not


def test_each_epoch_and_each_seed_has_an_order_of_its_own():
    orders = [tuple(training.batch_at(t, 50, 50, seed)) for seed in (0, 1, 2, 7) for t in range(4)]
    assert len(set(orders)) == len(orders)


def test_each_micro_batch_has_a_dropout_mask_of_its_own():
    """Masks are drawn anew for each micro-batch, update and seed, and again the same when asked for again."""

    class Task:
        masks: list[bytes]

        def micro_batches(self, t):
            return [training.Micro({}, None, 1)] * 3

        def loss(self, model, micro):
            self.masks.append(torch.nn.functional.dropout(torch.ones(200), 0.5).numpy().tobytes())
            return model.weight.sum()

    def masks(dropout_seed, t):
        model, task = torch.nn.Linear(2, 2), Task()
        task.masks = []
        training.update(
            model, training.make_optimizer(model, recipe()), task, recipe(), dropout_seed, t, numeric()
        )
        return task.masks

    drawn = [mask for seed in (1, 2) for t in (0, 1, 2) for mask in masks(seed, t)]
    assert len(drawn) == len(set(drawn)) == 18
    assert masks(2, 1) == drawn[12:15]
