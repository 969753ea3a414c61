"""An update is that of the field's recipe, on the whole batch, whatever the token budget."""

import pytest
import torch
from isthmus.data import tokens
from isthmus.models import classifiers
from isthmus.tasks.classification import Classification
from isthmus.tasks.task import MicroBatch
from isthmus.training.optimizer import AdamW
from isthmus.training.schedule import batch_at
from isthmus.training.step import Objective, update
from torch import nn
from torch.nn.functional import cross_entropy

from tests.unit import runs
from tests.unit.runs import STEPS, numeric, pairs, recipe


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A start and examples."""
    return runs.make(tmp_path_factory.mktemp("made"))


def opened(made, dropout=0.0):
    return classifiers.open_classifier(
        made.start, attention="eager", dropout=dropout, attention_dropout=dropout
    ).train()


def make_objective(made, wanted, dropout_seed=0):
    seeds = {"order": 7, "dropout": dropout_seed}
    return Objective(Classification(0, numeric()), tokens.read(made.examples), wanted, seeds)


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
    objective, optimizer = make_objective(made, wanted), AdamW(ours, wanted)
    reference = torch.optim.AdamW(
        theirs.parameters(), lr=0.0, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.1, fused=False
    )
    for t in range(STEPS):
        loss, _ = update(ours, optimizer, objective, t, numeric())
        inputs, labels = padded(made, batch_at(t, 8, 50, 7))
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


@pytest.mark.parametrize("missing", [(), (1,)])
def test_updates_have_the_bits_of_pytorch_s_adamw(missing):
    """Also where a parameter takes no part at first."""
    torch.manual_seed(0)
    ours = nn.ParameterList([torch.randn(7, 5), torch.randn(3), torch.randn(())])
    theirs = nn.ParameterList([own.detach().clone() for own in ours])
    mine = AdamW(ours, recipe())
    reference = torch.optim.AdamW(theirs, lr=0.0, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.1, fused=True)
    for t in range(5):
        for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            gradient = torch.randn_like(one)
            if t or place not in missing:
                one.grad, other.grad = gradient, gradient.clone()
        reference.param_groups[0]["lr"] = 0.01 * (t + 1)
        reference.step()
        reference.zero_grad()
        mine.step(0.01 * (t + 1))
        mine.zero_grad()
        assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))
        assert all(own.grad is None for own in ours)


def test_micro_batches_add_up_to_the_gradient_of_the_batch(made):
    wanted = recipe(dropout=0, attention_dropout=0)
    model, objective = opened(made), make_objective(made, wanted)
    cut = objective.micro_batches(3)
    assert len(cut) > 2
    for micro in cut:
        objective.task.loss(model, micro).backward()
    ours = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    inputs, labels = padded(made, batch_at(3, 8, 50, 7))
    cross_entropy(model(**inputs).logits, labels).backward()
    for mine, parameter in zip(ours, model.parameters(), strict=True):
        torch.testing.assert_close(mine, parameter.grad, rtol=1e-4, atol=1e-7)


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
            for micro in make_objective(made, wanted).micro_batches(t)
        )
    whole = saved_bytes(model, padded(made, batch_at(0, 32, 50, 7))[0])
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
        update(model, AdamW(model, wanted), make_objective(made, wanted), 0, numeric())
        after[decay] = dict(model.named_parameters())
    for name, start in opened(made).named_parameters():
        assert start.abs().max() > 0
        decayed = after[0.0][name] - after[0.1][name]
        torch.testing.assert_close(decayed, 1e-3 * 0.1 * start, rtol=1e-2, atol=2e-7, msg=name)


def test_dropout_is_on_in_training_and_off_in_evaluation(made):
    wanted = recipe(dropout=0.5, attention_dropout=0.5)

    def loss(model, dropout_seed):
        objective = make_objective(made, wanted, dropout_seed)
        return update(model, AdamW(model, wanted), objective, 0, numeric())[0].item()

    assert loss(opened(made, 0.5), 1) == loss(opened(made, 0.5), 1) != loss(opened(made, 0.5), 2)
    still = loss(opened(made), 1)
    model = classifiers.open_classifier(made.start, attention="eager", dropout=0.5, attention_dropout=0.5)
    assert not model.training
    assert loss(model, 1) == loss(classifiers.open_classifier(made.start, attention="eager"), 2) == still


def test_each_micro_batch_has_a_dropout_mask_of_its_own():
    """Masks are drawn anew for each micro-batch, update and seed, and again the same when asked for again."""

    class Task:
        masks: list[bytes]

        def micro_batches(self, examples, index, budget, step):
            return [MicroBatch({}, torch.empty(0), 1, 1)] * 3

        def loss(self, model, micro):
            self.masks.append(torch.nn.functional.dropout(torch.ones(200), 0.5).numpy().tobytes())
            return model.weight.sum()

    def masks(dropout_seed, t):
        model, task = torch.nn.Linear(2, 2), Task()
        task.masks = []
        objective = Objective(task, pairs(8), recipe(), {"order": 0, "dropout": dropout_seed})
        update(model, AdamW(model, recipe()), objective, t, numeric())
        return task.masks

    drawn = [mask for seed in (1, 2) for t in (0, 1, 2) for mask in masks(seed, t)]
    assert len(drawn) == len(set(drawn)) == 18
    assert masks(2, 1) == drawn[12:15]
