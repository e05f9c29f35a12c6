"""The trunk of open_clip's own vision transformer, with its plain and its custom blocks."""

from typing import Any

import torch
import torch.nn.functional as F
from open_clip.transformer import Attention
from torch import Tensor

from ...base.errors import OptionError
from .open_clip_blocks import OpenClipBlocks
from .parts import Trunk


class OpenClipTrunk(OpenClipBlocks, Trunk):
    """`open_clip.transformer.VisionTransformer` up to its last block. Positions are added before the first."""

    prefix = 1
    places_in_blocks = False

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
        # by `linear`, unlike torch's own attention
        query, key, value = self.split(number, self.projected(number, tokens))
        return self.feed(number, tokens + self.added(number, F.scaled_dot_product_attention(query, key, value)))
