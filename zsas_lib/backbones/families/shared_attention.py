"""Attention in two parts: to some tokens, kept with the sums of its weights, and later to a few more tokens besides."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

_ON_CPU = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)


def attended(
    query: Float[Tensor, "batch head asked channel"],
    key: Float[Tensor, "batch head token channel"],
    value: Float[Tensor, "batch head token channel"],
) -> tuple[Float[Tensor, "batch head asked channel"], Float[Tensor, "batch head asked"]]:
    """Softmax attention, and the logarithms of the sums that its weights were divided by. No gradient reaches the
    sums."""
    if query.device.type == "cpu" and _ON_CPU is not None:
        return _ON_CPU(query, key, value)
    scores = query * query.shape[-1] ** -0.5 @ key.mT
    return scores.softmax(-1) @ value, scores.logsumexp(-1)


def with_more(
    query: Float[Tensor, "batch head asked channel"],
    mixed: Float[Tensor, "batch head asked channel"],
    sums: Float[Tensor, "batch head asked"],
    key: Float[Tensor, "batch head more channel"],
    value: Float[Tensor, "batch head more channel"],
) -> Float[Tensor, "batch head asked channel"]:
    """What attention to these tokens too would have given; ``mixed`` and ``sums`` are what `attended` gave."""
    scores = key * key.shape[-1] ** -0.5 @ query.mT  # down columns: along short rows torch's softmax is slow
    weights = torch.cat([sums[:, :, None], scores], 2).softmax(2).mT
    return torch.addcmul(weights[..., 1:] @ value, mixed, weights[..., :1])


if _ON_CPU is not None:

    @register_flop_formula(_ON_CPU)
    def _operations(query, key, value, *_, **__) -> int:
        """Of the shapes: a multiplication and an addition count one each."""
        return 2 * math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])
