"""Gradients of embeddings that cost less have the bits of PyTorch's own."""

import copy

import pytest
import torch
from isthmus.training.embeddings import prepare


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("padding", [None, 0, 3])
def test_gradients_of_large_embeddings_have_the_bits_of_pytorch_s_own(padding, threads):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    plain = torch.nn.Sequential(
        torch.nn.Embedding(2000, 24, padding), torch.nn.Tanh(), torch.nn.Linear(24, 1)
    )
    quick = prepare(copy.deepcopy(plain))
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
        assert "forward" not in vars(prepare(model)[0])
        assert model.training
