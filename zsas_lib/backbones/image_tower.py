"""What learned models read of the frozen image tower: its residual stream, and the value-value path beside it."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from .backbone import Backbone

LOCAL_PATHS = ("value", "query", "diagonal")
DIAGONAL_WEIGHT = 1.0
"""The gamma of paper K's A + gamma diag(A), fixed: nothing in the released code learns it."""


def layer_at(depth: int, share: float) -> int:
    """The layer, from 1, that reaches a share of a tower's depth: 6, 12, 18, 24 of 24 for quarters, 2, 3, 4, 5 of 5."""
    return max(1, math.ceil(share * depth - 1e-9))


def residual_stream(
    backbone: Backbone, tokens: Float[Tensor, "batch token channel"]
) -> list[Float[Tensor, "batch token channel"]]:
    """What stands between the blocks, from what `Backbone.embed_patches` gives (number 0) to the output of the last
    block: depth + 1 tensors of the tokens' type, class token first, neither `ln_post` nor projection applied."""
    transformer = backbone.clip.visual.transformer
    stream = [tokens.to(transformer.get_cast_dtype())]
    for block in transformer.resblocks:
        stream.append(block(stream[-1]))
    return [state.to(tokens.dtype) for state in stream]


def class_embedding(
    backbone: Backbone, last: Float[Tensor, "batch token channel"], *, normed: bool = True
) -> Float[Tensor, "batch embed"]:
    """The projected class token of the last block, not of unit length; ``normed`` applies `ln_post` before (CLIP)."""
    visual = backbone.clip.visual
    token = last[:, 0]
    return (visual.ln_post(token) if normed else token) @ visual.proj


def last_patches(
    backbone: Backbone, tokens: Float[Tensor, "batch token channel"], *, normed: bool = True
) -> Float[Tensor, "batch patch channel"]:
    """The patches after the last block, row by row, not projected; unit vectors. ``normed`` applies `ln_post`
    before."""
    last = residual_stream(backbone, tokens)[-1][:, 1:]
    return F.normalize(backbone.clip.visual.ln_post(last) if normed else last, dim=-1)


def local_embeddings(
    backbone: Backbone,
    stream: Sequence[Float[Tensor, "batch token channel"]],
    layer: int,
    first: int,
    path: str = "value",
) -> Float[Tensor, "batch patch embed"]:
    """Patch embeddings of the value-value path at ``layer``, unit vectors (AnomalyCLIP's DPAM).

    ``stream`` is that of `residual_stream`; the path begins with block ``first``, adds up what the blocks' own
    attention gives with values in the place of queries and keys, without feed-forward parts, and ends with `ln_post`
    and the projection. The class token is dropped. The chapter winclip_vs_anomalyclip has the formulas.

    ``path``: "value" as released; "query" takes queries instead of values in the softmax; "diagonal" is what paper K
    describes, ordinary attention A with its diagonal raised, A + diag(A), rows made to sum to 1.
    """
    visual = backbone.clip.visual
    local = stream[first - 1]
    for number in range(first, layer + 1):
        local = local + _self_attention(visual.transformer.resblocks[number - 1], stream[number - 1], path)
    return F.normalize((visual.ln_post(local) @ visual.proj)[:, 1:], dim=-1)


def _self_attention(block: Any, x: Tensor, path: str) -> Tensor:
    attention, dtype = block.attn, x.dtype
    x = block.ln_1(x.to(attention.in_proj_weight.dtype))
    projected = F.linear(x, attention.in_proj_weight, attention.in_proj_bias)
    query, key, value = projected.unflatten(-1, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
    if path == "diagonal":
        shares = (query * query.shape[-1] ** -0.5 @ key.mT).softmax(-1)
        shares = shares + DIAGONAL_WEIGHT * torch.diag_embed(shares.diagonal(dim1=-2, dim2=-1))
        mixed = shares / shares.sum(-1, keepdim=True) @ value
    else:
        asked = {"value": value, "query": query}[path]
        mixed = F.scaled_dot_product_attention(asked, asked, value)
    return block.ls_1(attention.out_proj(mixed.transpose(1, 2).flatten(2))).to(dtype)
