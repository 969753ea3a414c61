"""Dropout's mask on a CPU: its share, its mean, a function of the seed, and in the place of PyTorch's own."""

import pytest
import torch
from isthmus.training.dropout import cheap, dropout, mask
from torch.nn import functional


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(400_000,), (3, 7, 19_001)])
def test_the_share_that_is_dropped_is_p(p, shape):
    torch.manual_seed(1)
    stays = mask(torch.Size(shape), p)
    assert stays.shape == shape
    # Six standard deviations; where neighbours hung together, so would the two halves of pairs.
    n = stays.numel()
    assert (~stays).float().mean().item() == pytest.approx(p, abs=6 * (p * (1 - p) / n) ** 0.5)
    pairs = stays.flatten()[: n // 2 * 2].view(-1, 2).float()
    both = (pairs[:, 0] * pairs[:, 1]).mean().item()
    share = (1 - p) ** 2
    assert both == pytest.approx(share, abs=6 * (share * (1 - share) / len(pairs)) ** 0.5 + 1e-5)


def test_the_mask_is_a_function_of_the_generator_s_seed():
    def drawn(seed):
        torch.manual_seed(seed)
        return mask(torch.Size([1000]), 0.3)

    assert torch.equal(drawn(5), drawn(5))
    assert not torch.equal(drawn(5), drawn(6))


def test_what_stays_is_scaled_so_that_the_mean_is_kept_and_the_gradient_follows():
    torch.manual_seed(2)
    x = torch.ones(65_536, dtype=torch.float64, requires_grad=True)
    y = dropout(x, 0.1)
    y.sum().backward()
    values = sorted(set(y.tolist()))
    kept = 1 - round(0.1 * 2**16) / 2**16
    assert values == [0.0, pytest.approx(1 / kept, rel=1e-7)]
    assert torch.equal(x.grad, y.detach())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_takes_the_place_of_pytorch_s_own_in_modules_and_in_functions(dtype):
    x = torch.ones(1000, dtype=dtype)
    module = torch.nn.Dropout(0.4)
    with cheap("cpu"):
        torch.manual_seed(3)
        by_module, by_function = module(x), functional.dropout(x, 0.4)
        assert functional.dropout(x, 0.4, training=False) is x
        assert torch.equal(module.eval()(x), x)
        assert functional.dropout(x, 1.0).sum() == 0
        assert functional.dropout(x, 0.0) is x
    torch.manual_seed(3)
    assert torch.equal(by_module, dropout(x, 0.4))
    assert torch.equal(by_function, dropout(x, 0.4))
    assert by_module.dtype == dtype
    torch.manual_seed(3)
    assert not torch.equal(by_module, functional.dropout(x, 0.4))  # outside the context it is PyTorch's


def test_on_a_gpu_pytorch_s_own_stays():
    torch.manual_seed(3)
    x = torch.ones(1000)
    with cheap("cuda"):
        found = functional.dropout(x, 0.4)
    torch.manual_seed(3)
    assert torch.equal(found, functional.dropout(x, 0.4))
