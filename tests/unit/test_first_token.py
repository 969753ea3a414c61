"""The last layer of a classifier that reads the first token: the same logits and gradients for less work."""

import pytest
import torch
from isthmus.models.first_token import FAMILY, spare_the_rest


def made(family: str, attention: str):
    """A random classifier with three layers, its scores far from uniform."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
    config = AutoConfig.for_model(family, vocab_size=90, num_labels=3, initializer_range=0.3, **sizes)
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(config, attn_implementation=attention).eval()


def inputs(padded: bool) -> dict:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 90, (4, 13), generator=generator)
    mask = (torch.arange(13) < torch.tensor([13, 4, 9, 1])[:, None]).long()
    return {"input_ids": ids} | ({"attention_mask": mask} if padded else {})


def logits_and_gradients(model, given):
    model.zero_grad()
    logits = model(**given).logits
    logits.square().sum().backward()
    return logits.detach(), {
        name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None
    }


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("family", FAMILY)
def test_logits_and_gradients_are_those_of_the_whole_layer(family, attention, padded):
    model, given = made(family, attention), inputs(padded)
    logits, gradients = logits_and_gradients(model, given)
    widths = []
    model.base_model.encoder.layer[-1].intermediate.register_forward_hook(
        lambda _, arguments, __: widths.append(arguments[0].shape[1])
    )
    spare_the_rest(model)
    spared, spared_gradients = logits_and_gradients(model, given)
    assert widths == [1]  # of 13 tokens
    torch.testing.assert_close(spared, logits, rtol=1e-5, atol=1e-5)
    assert spared_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(spared_gradients[name], gradient, rtol=1e-4, atol=1e-4)


def test_its_attention_drops_out_in_training():
    model, given = made("bert", "eager"), inputs(padded=False)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    spare_the_rest(model.train())
    still = model(**given).logits
    assert torch.equal(model(**given).logits, still)
    model.base_model.encoder.layer[-1].attention.self.dropout.p = 0.5
    assert not torch.equal(model(**given).logits, still)
    assert torch.equal(model.eval()(**given).logits, still)


def test_other_architectures_stay_as_they_are():
    from transformers import AutoConfig, AutoModelForSequenceClassification

    sizes = {"n_layers": 2, "dim": 16, "n_heads": 2, "hidden_dim": 24, "vocab_size": 90}
    model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model("distilbert", **sizes))
    before = [module.forward for module in model.modules()]
    spare_the_rest(model)
    assert [module.forward for module in model.modules()] == before
