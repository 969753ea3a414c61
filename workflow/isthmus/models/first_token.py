"""A classifier that reads the first token needs no other token of its last layer.

BERT and its kin classify by the last layer's first token: there the query, the output projection and the
feed-forward network of all others are computed for nothing, most of a layer, forward and backward.
"""

from typing import Any

from torch.nn.functional import scaled_dot_product_attention

# Their `ForSequenceClassification` reads the first token, and their layers have the same parts.
FAMILY = ("bert", "camembert", "electra", "roberta", "xlm-roberta")


def spare_the_rest(model) -> None:
    """Let the last layer of such a classifier compute the first token only; other models stay as they are.

    The logits are those of the whole layer, up to rounding.

    Args:
        model: a Transformers sequence classifier.
    """
    if model.config.model_type in FAMILY and not model.config.is_decoder:
        layer = model.base_model.encoder.layer[-1]
        layer.forward = lambda hidden_states, attention_mask=None, *_, **__: _first(
            layer, hidden_states, attention_mask
        )


def compute_all(model):
    """Take `spare_the_rest` back, for whoever asks for the last layer's other tokens; returns the model."""
    if model.config.model_type in FAMILY:
        vars(model.base_model.encoder.layer[-1]).pop("forward", None)
    return model


def _first(layer, hidden, mask) -> Any:
    """The layer's output at the first token.

    Args:
        hidden: of all tokens, shape (examples, tokens, width).
        mask: what is added to the scores, or which tokens are seen, shape (examples, 1, tokens or 1, tokens).

    Returns:
        Shape (examples, 1, width).
    """
    own, first = layer.attention.self, hidden[:, :1]

    def heads(projected):
        return projected.unflatten(-1, (own.num_attention_heads, -1)).transpose(1, 2)

    seen = scaled_dot_product_attention(
        heads(own.query(first)),
        heads(own.key(hidden)),
        heads(own.value(hidden)),
        attn_mask=None if mask is None else mask[:, :, :1],
        dropout_p=own.dropout.p if own.training else 0.0,
        scale=own.scaling,
    )
    return layer.feed_forward_chunk(layer.attention.output(seen.transpose(1, 2).flatten(2), first))
