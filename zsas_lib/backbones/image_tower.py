"""What models read of the frozen image tower: its residual stream, the value-value path beside it, and its maps."""

import math
from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from .backbone import Backbone
from .families.tower import LOCAL_PATHS as LOCAL_PATHS


def layer_at(depth: int, share: float) -> int:
    """The layer, from 1, that reaches a share of a tower's depth: 6, 12, 18, 24 of 24 for quarters, 2, 3, 4, 5 of 5."""
    return max(1, math.ceil(share * depth - 1e-9))


def residual_stream(backbone: Backbone, start: Float[Tensor, "batch *start"], last: int | None = None) -> list[Tensor]:
    """What stands between the blocks, from what `Backbone.embed_patches` gives (number 0) to the output of the last
    block: depth + 1 tensors (batch, token, channel) of the start's type, or only the ``last`` ones; tokens that are no
    patches first, neither the last norm nor a projection applied. Of a tower of stages, whose number 0 are the
    pictures, each stage has a grid and a width of its own, ``backbone.image.grids`` and ``.widths``."""
    return backbone.image.stream(start, last)


def class_embedding(
    backbone: Backbone, last: Float[Tensor, "batch token channel"], *, normed: bool = True
) -> Float[Tensor, "batch embed"]:
    """The picture's embedding, from the last block's output, not of unit length; ``normed`` applies the last norm to a
    class token before it is projected (CLIP). Towers that pool otherwise have their own norms in any case."""
    return backbone.image.embedding(last, normed)


def patches_of(backbone: Backbone, state: Float[Tensor, "batch token channel"]) -> Float[Tensor, "batch patch channel"]:
    """The patches of a state of the stream, row by row, without the tokens that are none."""
    return state[:, backbone.image.prefix :]


def last_patches(
    backbone: Backbone, tail: Sequence[Tensor], *, normed: bool = True
) -> Float[Tensor, "batch patch channel"]:
    """The patches after the last block, row by row, not projected; unit vectors. ``tail`` ends with the last state of
    the stream; ``normed`` applies the norm before pooling or projection, where there is one."""
    last = tail[-1]
    return F.normalize(backbone.image.normed(last) if normed else patches_of(backbone, last), dim=-1)


def dense_embeddings(
    backbone: Backbone, last: Float[Tensor, "batch token channel"]
) -> Float[Tensor, "batch patch embed"]:
    """Every patch in the space of the sentences, from the last block's output; unit vectors. How a family takes a patch
    there stands with the family."""
    return F.normalize(backbone.image.dense(last), dim=-1)


def local_embeddings(
    backbone: Backbone,
    stream: Sequence[Tensor],
    layer: int,
    first: int,
    path: str = "value",
    unit: bool = True,
) -> Float[Tensor, "batch patch embed"]:
    """Patch embeddings of the value-value path at ``layer`` (AnomalyCLIP's DPAM), of length one or, without ``unit``,
    as they come.

    ``stream`` is that of `residual_stream`; the path begins with block ``first``, adds up what the blocks' own
    attention gives with values in the place of queries and keys, without feed-forward parts, and ends as
    `dense_embeddings` does: with a class token's norm and projection, or with the values of the pool. Tokens that are
    no patches are dropped. The chapter winclip_vs_anomalyclip has the formulas. Raises OptionError for a tower that has
    no such path.

    ``path``: "value" as released; "query" takes queries instead of values in the softmax; "diagonal" is what paper K
    describes, ordinary attention A with its diagonal raised, A + diag(A), rows made to sum to 1.
    """
    backbone.image.require("value path")
    local = stream[first - 1]
    for number in range(first, layer + 1):
        local = local + backbone.image.local_step(number, stream[number - 1], path)
    return dense_embeddings(backbone, local) if unit else backbone.image.dense(local)
