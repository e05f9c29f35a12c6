"""open_clip's own transformer blocks taken apart, plain and custom ones, of its image and its text towers alike."""

from typing import Any

from open_clip.transformer import Attention
from torch import Tensor

from .linear import linear


class OpenClipBlocks:
    """`open_clip.transformer.ResidualAttentionBlock` and its custom kin, numbered from 0; see `parts.Trunk` for the
    steps."""

    blocks: Any

    def projected(self, number: int, tokens: Tensor) -> Tensor:
        block = self.blocks[number]
        return linear(block.ln_1(tokens), block.attn.in_proj_weight, block.attn.in_proj_bias)

    def split(
        self, number: int, projected: Tensor, windows: Tensor | None = None, *, placed: bool = True
    ) -> tuple[Tensor, Tensor, Tensor]:
        attention = self.blocks[number].attn
        query, key, value = projected.unflatten(-1, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
        if isinstance(attention, Attention):
            query, key = attention.ln_q(query), attention.ln_k(key)
        return query, key, value

    def added(self, number: int, mixed: Tensor) -> Tensor:
        block = self.blocks[number]
        if not isinstance(block.attn, Attention):
            return block.ls_1(block.attn.out_proj(mixed.transpose(1, 2).flatten(2)))
        if block.attn.head_scale is not None:
            mixed = mixed * block.attn.head_scale
        joined = block.attn.ln_inner(mixed.transpose(1, 2).flatten(2))
        return block.ls_1(block.ln_attn(block.attn.out_proj(joined)))

    def feed(self, number: int, tokens: Tensor) -> Tensor:
        block = self.blocks[number]
        return tokens + block.ls_2(block.mlp(block.ln_2(tokens)))
