"""The trunk of open_clip's own vision transformer, with its plain and its custom blocks."""

from typing import Any

import torch
import torch.nn.functional as F
from open_clip.transformer import Attention
from torch import Tensor

from ...base.errors import OptionError
from .linear import linear
from .parts import Trunk


class OpenClipTrunk(Trunk):
    """`open_clip.transformer.VisionTransformer` up to its last block. Positions are added before the first."""

    prefix = 1

    def __init__(self, visual: Any):
        self.visual, self.blocks = visual, visual.transformer.resblocks
        self.size, self.grid = tuple(visual.image_size), tuple(visual.grid_size)
        self.patch_size: int = visual.patch_size[0]
        self.width: int = visual.transformer.width
        self.depth = len(self.blocks)
        self.hidden: int = self.blocks[0].mlp.c_fc.out_features
        if any(isinstance(block.attn, Attention) and block.attn.logit_scale is not None for block in self.blocks):
            raise OptionError("scaled-cosine attention, which open_clip 3.3 itself cannot run.")

    @property
    def dtype(self) -> torch.dtype:
        return self.visual.transformer.get_cast_dtype()

    def cast(self, dtype: torch.dtype) -> None:
        self.visual.transformer.to(dtype)

    def start(self, images: Tensor) -> Tensor:
        visual = self.visual
        patches = visual.conv1(images).flatten(2).mT
        class_token = visual.class_embedding.expand(len(images), 1, -1)
        return visual.ln_pre(torch.cat([class_token, patches], dim=1) + visual.positional_embedding)

    def block(self, number: int, tokens: Tensor) -> Tensor:
        if isinstance(self.blocks[number].attn, Attention):
            return self.blocks[number](tokens)
        query, key, value = self.split(
            number, self.projected(number, tokens)
        )  # by `linear`, unlike torch's own attention
        return self.feed(number, tokens + self.added(number, F.scaled_dot_product_attention(query, key, value)))

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
