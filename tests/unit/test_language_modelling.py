"""Losses of next and of masked tokens by block, against plain Transformers on single blocks."""

import numpy as np
import pytest
import torch
from isthmus.caches.identity import MaskedTokens
from isthmus.data import tokens
from isthmus.data.blocks import Blocks
from isthmus.data.rows import Rows
from isthmus.models import language_models, token_losses, weight_files
from isthmus.tasks.ensembles import ensemble
from isthmus.tasks.language_modelling import NONE, LanguageModelling
from isthmus.tasks.record import OUTPUTS
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

from tests.unit import families, tiny

TEXTS = [f"the {a} of {b} is {a}{b}" for a in ("cat", "house", "tree") for b in ("red", "blue", "a")]
WORDS = ["a big dog moved a car", "the cow heard no drum in a garden", "a cat", "an animal in the park"]
ENCODERS = [name for name in families.SIZES if name not in families.DECODERS]


def rows(texts, answers=None):
    return Rows(np.arange(len(texts)), list(texts), answers, np.zeros(len(texts), np.int64))


def task_of(model, examples, order=0):
    return LanguageModelling(examples.task, model.config.pad_token_id or 0, tiny.cpu(), order)


def causal(folder, family):
    model = AutoModelForCausalLM.from_pretrained(families.pretrained(folder / "model", family)).eval()
    prompts, answers = [text[:5] for text in TEXTS], [text[5:] for text in TEXTS]
    cut = Blocks("causal_lm", 30, prompted=True)
    examples = cut.of(families.tokenizer(family), rows(prompts, answers), "x")
    return model, examples, task_of(model, examples)


def masked(folder, family, masked=0.3, size=12):
    model = AutoModelForMaskedLM.from_pretrained(families.pretrained(folder / "model", family)).eval()
    cut = Blocks("masked_lm", size, documents="apart", masked=masked, seed=1)
    tokenizer = families.tokenizer(family)
    tokenizer.mask_token = tokenizer.mask_token or tokenizer.unk_token  # these tests' RoBERTa has none
    examples = cut.of(tokenizer, rows(WORDS), "x")
    return model, examples, task_of(model, examples)


def block(examples, i):
    return examples.ids[examples.offsets[i] : examples.offsets[i + 1]].astype(np.int64)


def test_causal_losses_are_those_of_single_blocks(tmp_path):
    for family in families.DECODERS:
        model, examples, task = causal(tmp_path / family, family)
        measured = task.place(examples, 64).measure(model, outputs=True)
        record, begin = task.record(measured, examples), 0
        for i in range(len(examples)):
            ids = torch.as_tensor(block(examples, i))
            with torch.no_grad():
                scores = model(input_ids=ids[None]).logits[0, :-1]
            first = max(int(examples.labels[i]) - 1, 0)
            each = cross_entropy(scores, ids[1:], reduction="none")[first:]
            assert record.losses[i] == pytest.approx(float(each.sum()), abs=1e-4)
            assert record.counts[i] == len(each) == len(ids) - 1 - first
            assert record.errors[i] == int((scores.argmax(-1) != ids[1:])[first:].sum())
            own = slice(begin, begin := begin + len(each))  # block by block, however they were batched
            np.testing.assert_allclose(measured[OUTPUTS][own], -each, atol=1e-5)
            assert measured["predictions"][own].tolist() == scores.argmax(-1)[first:].tolist()
        assert record.loss == pytest.approx(record.losses.sum() / record.counts.sum())
        assert begin == len(measured[OUTPUTS])


def test_training_s_shares_add_up_to_the_mean_over_tokens(tmp_path):
    model, examples, task = causal(tmp_path, "gpt2")
    index = np.array([4, 0, 7, 2])
    parts = task.micro_batches(examples, index, 40, 0)
    assert len(parts) > 1
    with torch.no_grad():
        total = sum(float(task.loss(model, part)) for part in parts)
    record = task.record(task.place(examples, 64).measure(model), examples)
    assert total == pytest.approx(record.losses[index].sum() / record.counts[index].sum(), abs=1e-5)


@pytest.mark.parametrize("family", ENCODERS)
def test_masked_losses_are_those_of_single_blocks(tmp_path, family):
    model, examples, task = masked(tmp_path, family)
    records = [task.record(task.place(examples, budget).measure(model), examples) for budget in (13, 10**6)]
    np.testing.assert_array_equal(records[0].counts, records[1].counts)  # however they are batched
    np.testing.assert_allclose(records[0].losses, records[1].losses, atol=1e-4)
    for i in range(len(examples)):
        inputs, targets = task.ask(examples, np.array([i]))
        with torch.no_grad():
            scores = model(input_ids=torch.as_tensor(inputs["input_ids"])).logits[0]
        where, original = targets[0] != NONE, block(examples, i)
        np.testing.assert_array_equal(targets[0][where], original[where])
        np.testing.assert_array_equal(inputs["input_ids"][0][~where], original[~where])
        assert not np.isin(targets[0][where], examples.task.special).any()
        each = cross_entropy(scores[where], torch.as_tensor(targets[0][where]), reduction="none")
        assert records[0].losses[i] == pytest.approx(float(each.sum()), abs=1e-4)
        assert where.sum() == records[0].counts[i] >= 1


def test_masks_are_fixed_where_measured_and_new_at_each_update():
    many = [" ".join(WORDS[i % 4] for i in range(k, k + 9)) for k in range(40)]
    cut = Blocks("masked_lm", 40, documents="apart", masked=0.15, seed=3)
    examples = cut.of(families.tokenizer("bert"), rows(many), "x")
    task, index = LanguageModelling(examples.task, 0, tiny.cpu(), order=7), np.arange(40)
    inputs, targets = task.ask(examples, index)
    again = LanguageModelling(examples.task, 0, tiny.cpu(), order=8).ask(examples, index)
    np.testing.assert_array_equal(targets, again[1])  # another run measures the same
    chosen = targets != NONE
    free = ~np.isin(examples.ids, examples.task.special)
    assert chosen.sum() / free.sum() == pytest.approx(0.15, abs=0.03)
    seen, own = inputs["input_ids"][chosen], targets[chosen]
    assert (seen == examples.task.mask).mean() == pytest.approx(0.8, abs=0.1)
    assert (seen == own).mean() == pytest.approx(0.1, abs=0.07)
    steps = [task.ask(examples, index, step)[1] for step in (0, 1)]
    other = LanguageModelling(examples.task, 0, tiny.cpu(), order=8).ask(examples, index, 0)[1]
    assert (steps[0] != steps[1]).any()
    assert (steps[0] != other).any()
    part = task.ask(examples, index[5:9], 0)[1]  # however a batch is cut
    np.testing.assert_array_equal(part, steps[0][5:9, : part.shape[1]])
    other_seed = Blocks("masked_lm", 40, documents="apart", masked=0.15, seed=4)
    elsewhere = other_seed.of(families.tokenizer("bert"), rows(many), "x")
    assert (LanguageModelling(elsewhere.task, 0, tiny.cpu()).ask(elsewhere, index)[1] != targets).any()


def test_an_ensemble_is_the_mean_of_probabilities(tmp_path):
    model, examples, task = causal(tmp_path, "gpt2")
    measured, each = [], []
    for seed in (0, 1, 2):
        torch.manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.05 * torch.randn_like(parameter)
        measured.append(task.place(examples, 64).measure(model, outputs=True))
        with torch.no_grad():
            each.append([model(input_ids=torch.as_tensor(block(examples, i))[None]).logits[0].softmax(-1)
                         for i in range(len(examples))])  # fmt: skip
    found = ensemble(task, measured, examples)
    for i in range(len(examples)):
        mean = torch.stack([own[i] for own in each]).mean(0)[:-1].log()
        first, ids = max(int(examples.labels[i]) - 1, 0), torch.as_tensor(block(examples, i))
        expected = -mean.gather(1, ids[1:, None])[first:].sum()
        assert found.losses[i] == pytest.approx(float(expected), abs=1e-4)
    assert np.isnan(found.error)


def test_it_is_scored_against_the_commonest_token(tmp_path):
    model, examples, task = causal(tmp_path, "gpt2")
    scored = task.scored(task.place(examples, 64).measure(model), examples)
    asked = [block(examples, i)[max(int(examples.labels[i]), 1) :].tolist() for i in range(len(examples))]
    every = [token for own in asked for token in own]
    commonest = max(set(every), key=lambda token: (every.count(token), -token))
    assert scored["common"].tolist() == [own.count(commonest) for own in asked]
    assert scored["count"].tolist() == [len(own) for own in asked]


def test_a_file_of_tokens_says_what_is_asked(tmp_path):
    _, examples, _ = masked(tmp_path, "bert")
    tokens.write(examples, tmp_path / "tokens.safetensors")
    found = tokens.read(tmp_path / "tokens.safetensors")
    assert found.task == examples.task
    assert isinstance(found.task, MaskedTokens)
    assert found.digest == examples.digest
    assert found.select(np.array([1])).task == examples.task


def test_no_replacement_is_special():
    many = [" ".join(WORDS) for _ in range(60)]
    cut = Blocks("masked_lm", 40, documents="apart", masked=0.9, seed=3)
    examples = cut.of(families.tokenizer("bert"), rows(many), "x")
    task = LanguageModelling(examples.task, 0, tiny.cpu())
    inputs, targets = task.ask(examples, np.arange(60))
    chosen = targets != NONE
    replaced = inputs["input_ids"][chosen]
    replaced = replaced[(replaced != examples.task.mask) & (replaced != targets[chosen])]
    assert len(replaced) > 50
    assert not np.isin(replaced, examples.task.special).any()
    assert replaced.max() < examples.task.vocabulary
    assert len(set(replaced.tolist())) > 20


def test_blocks_without_a_token_to_ask_for_are_left_out(tmp_path):
    words = families.tokenizer("bert")
    examples = Blocks("masked_lm", 9, documents="apart", masked=0.2).of(
        words, rows(["a cat", "zzz qqq", "a dog"]), "x"
    )
    assert examples.rows.tolist() == [0, 2]


def test_a_batch_in_which_nothing_is_asked_has_no_loss(tmp_path):
    model = AutoModelForCausalLM.from_pretrained(families.pretrained(tmp_path / "model", "gpt2"))
    found = torch.zeros(0, model.config.hidden_size, requires_grad=True)
    nothing = torch.zeros(0, dtype=torch.int64)
    loss = token_losses.summed(model, found, nothing)
    loss.backward()
    assert loss.item() == 0
    assert [len(part) for part in token_losses.each(model, found, nothing)] == [0, 0]


def test_the_end_of_text_is_trained_where_it_stands_for_padding(tmp_path):
    copy = families.fetched(tmp_path, "llama")  # without a padding token of its own
    language_models.write_checkpoint(copy, "llama", "causal_lm", tmp_path / "start")
    model = language_models.open_language_model(tmp_path / "start", "causal_lm", attention="eager")
    end = families.tokenizer("llama").eos_token_id
    assert model.config.pad_token_id == end
    states = token_losses.states(model, {"input_ids": torch.tensor([[9, end, 11]])}, torch.ones(1, 3) > 0)
    states[2].sum().backward()
    assert model.get_input_embeddings().weight.grad[end].abs().sum() > 0


def test_a_head_is_tied_or_not_whatever_the_file_holds(tmp_path):
    copy = families.fetched(tmp_path, "gpt2")
    path, head = copy / "model.safetensors", "lm_head.weight"
    state = weight_files.load(path)
    embedding = state["transformer.wte.weight"]
    weight_files.save(state | {head: embedding.clone()}, path)
    language_models.write_checkpoint(copy, "gpt2", "causal_lm", tmp_path / "same")
    assert head not in weight_files.load(tmp_path / "same" / "model.safetensors")
    weight_files.save(state | {head: embedding + 1.0}, path)
    language_models.write_checkpoint(copy, "gpt2", "causal_lm", tmp_path / "other")
    ids = torch.tensor([[5, 6, 7]])
    plain = AutoModelForCausalLM.from_pretrained(copy).eval()
    ours = language_models.open_language_model(tmp_path / "other", "causal_lm", attention="eager")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "other").eval()
    with torch.no_grad():
        torch.testing.assert_close(ours(ids).logits, plain(ids).logits, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(again(ids).logits, plain(ids).logits, atol=1e-5, rtol=1e-5)
    assert not again.config.tie_word_embeddings
