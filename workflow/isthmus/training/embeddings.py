"""Gradients of embeddings on a CPU that cost what their batch's tokens do, and not what the vocabulary does.

PyTorch fills, and adds up, a gradient as large as the vocabulary for each micro-batch, which is nearly a
tenth of an update where micro-batches are small. Here the rows that occur are added to one gradient, in the
same order, so to the same bits. On a GPU this would wait for the device and gain nothing; a tied weight
gets other gradients too.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

SMALL = 1000  # rows up to which PyTorch's own gradient is as good


def prepare(model: nn.Module) -> nn.Module:
    """Put a model into training mode, with such gradients where they serve; returns it."""
    owners = [id(own) for module in model.modules() for own in module.parameters(recurse=False)]
    for layer in model.modules():
        if type(layer) is nn.Embedding and layer.weight.device.type == "cpu":
            plain = layer.max_norm is None and not layer.scale_grad_by_freq and not layer.sparse
            if plain and layer.num_embeddings > SMALL and owners.count(id(layer.weight)) == 1:
                layer.forward = _Layer(layer)
    return model.train()


class _Layer:
    """The forward pass of an embedding."""

    def __init__(self, layer: nn.Embedding):
        self.layer, self.gradient = layer, _RowsOfGradient()
        self.padding = -1 if layer.padding_idx is None else layer.padding_idx

    def __call__(self, ids: Tensor) -> Tensor:
        return _Lookup.apply(self.layer.weight, ids, self.padding, self.gradient)


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(context, weight, ids, padding, gradient):
        context.save_for_backward(ids)
        context.weight, context.padding, context.gradient = weight, padding, gradient
        return embedding(ids, weight)

    @staticmethod
    def backward(context, gradient):
        (ids,), weight = context.saved_tensors, context.weight
        rows, places = torch.unique(ids, return_inverse=True)
        unused = (rows == context.padding).nonzero().flatten().tolist() or [-1]  # gets no gradient
        added = torch.ops.aten.embedding_dense_backward(gradient, places, len(rows), unused[0], False)
        if weight.grad is None:
            weight.grad = context.gradient.cleared(weight)
        weight.grad.index_add_(0, rows, added)
        context.gradient.filled.append(rows)
        return None, None, None, None


class _RowsOfGradient:
    """A gradient's memory from update to update; only the rows that were filled are cleared."""

    def __init__(self) -> None:
        self.memory: Tensor | None = None
        self.filled: list[Tensor] = []

    def cleared(self, weight: Tensor) -> Tensor:
        """A gradient of zeros for `weight`."""
        if self.memory is None:
            self.memory = torch.zeros_like(weight)
        for rows in self.filled:
            self.memory.index_fill_(0, rows, 0.0)
        self.filled.clear()
        return self.memory
