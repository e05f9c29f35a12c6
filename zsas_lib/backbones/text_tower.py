"""The frozen text tower with learned tokens in the place of words.

The towers are causal and read their answer at the end token, so nothing after it changes anything: sequences are cut
there, which is exact and several times as fast as the 77 tokens of the context.
"""

from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int
from open_clip.model import CLIP
from torch import Tensor

from ..base.devices import to_device
from ..base.errors import OptionError
from .backbone import Backbone

PLACEHOLDER = "X"
"""The word, one token long, that stands where learned tokens go."""

_kept: WeakKeyDictionary[Backbone, dict[tuple, tuple[Tensor, Tensor]]] = WeakKeyDictionary()


def require_causal_text_tower(backbone: Backbone, model: str) -> None:
    """Raises OptionError if the backbone's text tower is not CLIP's own."""
    if type(backbone.clip) is not CLIP:
        raise OptionError(
            f"{model} needs CLIP's own causal text tower, into which it puts learned tokens; backbone "
            f"{backbone.name!r} has another ({type(backbone.clip).__name__}). Use one such as vit-l-14-336."
        )


def word_tokens(
    backbone: Backbone, sentences: Sequence[str]
) -> tuple[Float[Tensor, "text token channel"], Int[Tensor, " text"]]:
    """Token embeddings, without positions, cut after the longest sentence's end; and where each sentence ends.

    Kept for as long as the backbone is, for they are asked for at every step; no gradient."""
    known = _kept.setdefault(backbone, {})
    key = tuple(sentences), str(backbone.device)
    if key not in known:
        ids = backbone.tokenizer(list(sentences))
        ends = ids.argmax(-1)
        with torch.inference_mode(False), torch.no_grad():
            words = backbone.clip.token_embedding(to_device(ids[:, : int(ends.max()) + 1], backbone.device))
            known[key] = words, to_device(ends, backbone.device)
    return known[key]


def with_positions(
    backbone: Backbone, tokens: Float[Tensor, "text token channel"]
) -> Float[Tensor, "text token channel"]:
    """Position embeddings added."""
    return tokens + backbone.clip.positional_embedding[: tokens.shape[1]]


def run_blocks(
    backbone: Backbone,
    tokens: Float[Tensor, "text token channel"],
    before: Callable[[int, Tensor], Tensor],
) -> Float[Tensor, "text longer channel"]:
    """The tokens through all blocks; ``before(number, tokens)`` gives what block ``number`` (from 1) reads.

    Neither the last norm nor the projection is applied. Gradients reach what ``before`` puts in.
    """
    transformer, dtype = backbone.clip.transformer, backbone.clip.transformer.get_cast_dtype()
    for number, block in enumerate(transformer.resblocks, 1):
        tokens = before(number, tokens)
        length = tokens.shape[1]
        tokens = block(tokens.to(dtype), attn_mask=backbone.clip.attn_mask[:length, :length].to(dtype)).float()
    return tokens


def read_at_end(
    backbone: Backbone, tokens: Float[Tensor, "text token channel"], ends: Int[Tensor, " text"]
) -> Float[Tensor, "text embed"]:
    """The sentence embeddings that stand at the end tokens: last norm and projection applied, not of unit length."""
    return (
        backbone.clip.ln_final(tokens[torch.arange(len(tokens), device=tokens.device), ends])
        @ backbone.clip.text_projection
    )
