"""The trunks of timm's transformers: plain ones, those with rotary positions (EVA02, PE-Core) and those with a
learned bias for relative ones, with or without a convolutional stem (ViTamin, MobileCLIP-B)."""

from typing import Any

import torch
import torch.nn.functional as F
from timm.layers.pos_embed_sincos import apply_rot_embed_cat
from timm.models.eva import Eva, EvaBlock, EvaBlockPostNorm
from timm.models.vision_transformer import Block, VisionTransformer
from timm.models.vision_transformer_relpos import RelPosBlock, VisionTransformerRelPos
from torch import Tensor, nn

from ...base.errors import OptionError
from .linear import QuickLinear, linear
from .parts import Trunk

KINDS = (VisionTransformer, Eva, VisionTransformerRelPos)
BLOCKS = (Block, EvaBlock, EvaBlockPostNorm, RelPosBlock)


class TimmTrunk(Trunk):
    """A transformer of timm up to its last block. A convolutional stem sees the whole picture, so that windows are
    confined in the blocks alone."""

    def __init__(self, trunk: Any):
        self.trunk, self.blocks = trunk, trunk.blocks
        embed = trunk.patch_embed
        self.size, self.grid = tuple(embed.img_size), tuple(embed.grid_size)
        self.patch_size: int = embed.feat_ratio()
        self.prefix: int = trunk.num_prefix_tokens
        self.width: int = trunk.embed_dim
        self.depth = len(self.blocks)
        layers = [part for part in self.blocks[0].mlp.modules() if isinstance(part, nn.Linear)]
        self.hidden = max(layer.out_features for layer in layers)
        for block in self.blocks:
            attention = block.attn
            grouped = getattr(attention, "num_kv_heads", attention.num_heads) != attention.num_heads
            if type(block) not in BLOCKS or grouped or getattr(attention, "gate", None) is not None:
                raise OptionError(
                    f"blocks {type(block).__name__} with {type(attention).__name__}, which this book does not know; "
                    f"expected {', '.join(kind.__name__ for kind in BLOCKS)} with plain heads."
                )

    @property
    def dtype(self) -> torch.dtype:
        return self.blocks[0].norm1.weight.dtype

    def cast(self, dtype: torch.dtype) -> None:
        self.blocks.to(dtype)

    def start(self, images: Tensor) -> Tensor:
        trunk = self.trunk
        patches = trunk.patch_embed(images)
        if isinstance(trunk, VisionTransformerRelPos):
            if trunk.cls_token is None:
                return patches
            return torch.cat([trunk.cls_token.expand(len(patches), -1, -1), patches], 1)
        tokens = trunk._pos_embed(patches)
        return trunk.norm_pre(tokens[0] if isinstance(trunk, Eva) else tokens)

    def block(self, number: int, tokens: Tensor) -> Tensor:
        block = self.blocks[number]
        if isinstance(self.trunk, Eva):
            return block(tokens, rope=self._rotation(None, len(tokens)))
        if isinstance(self.trunk, VisionTransformerRelPos):
            shared = self.trunk.shared_rel_pos
            return block(tokens, shared_rel_pos=None if shared is None else shared.get_bias().to(tokens.dtype))
        return block(tokens)

    def projected(self, number: int, tokens: Tensor) -> Tensor:
        block = self.blocks[number]
        attention = block.attn
        normed = tokens if isinstance(block, EvaBlockPostNorm) else block.norm1(tokens)
        if attention.qkv is None:
            return torch.cat([part(normed) for part in (attention.q_proj, attention.k_proj, attention.v_proj)], -1)
        if getattr(attention, "q_bias", None) is None:
            return attention.qkv(normed)
        product = linear if isinstance(attention.qkv, QuickLinear) else F.linear
        return product(normed, attention.qkv.weight, torch.cat([attention.q_bias, attention.k_bias, attention.v_bias]))

    def split(
        self, number: int, projected: Tensor, windows: Tensor | None = None, *, placed: bool = True
    ) -> tuple[Tensor, Tensor, Tensor]:
        attention = self.blocks[number].attn
        query, key, value = projected.unflatten(-1, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
        query, key = attention.q_norm(query), attention.k_norm(key)
        rotation = self._rotation(windows, len(projected)) if placed else None
        if rotation is not None:
            half = getattr(attention, "rotate_half", False)
            query, key = (self._rotated(part, rotation, half).type_as(value) for part in (query, key))
        return query, key, value

    def _rotated(self, part: Tensor, rotation: Tensor, half: bool) -> Tensor:
        patches = apply_rot_embed_cat(part[:, :, self.prefix :], rotation, half=half)
        return torch.cat([part[:, :, : self.prefix], patches], dim=2)

    def _rotation(self, windows: Tensor | None, sequences: int) -> Tensor | None:
        """The rotary embedding of the patches (patch, channel), or of the windows' (sequence, 1, patch, channel)."""
        rope = getattr(self.trunk, "rope", None)
        if rope is None:
            return None
        whole = rope.get_embed() if hasattr(rope, "feat_shape") else rope.get_embed(shape=self.grid)
        if windows is None:
            return whole
        own = whole[windows][:, None]
        return own.repeat(sequences // len(own), 1, 1, 1)

    def bias(self, number: int, windows: Tensor | None, sequences: int) -> Tensor | None:
        positions = getattr(self.blocks[number].attn, "rel_pos", None) or getattr(self.trunk, "shared_rel_pos", None)
        if positions is None:
            return None
        whole = positions.get_bias().to(self.dtype)
        if windows is None:
            return whole
        first = torch.arange(self.prefix, device=whole.device).expand(len(windows), -1)
        index = torch.cat([first, windows + self.prefix], 1)
        own = whole[0][:, index[:, :, None], index[:, None]].transpose(0, 1)
        return own.repeat(sequences // len(own), 1, 1, 1)

    def added(self, number: int, mixed: Tensor) -> Tensor:
        block = self.blocks[number]
        joined = getattr(block.attn, "norm", _SAME)(mixed.transpose(1, 2).flatten(2))
        return _scaled(block, 1, block.attn.proj(joined))

    def feed(self, number: int, tokens: Tensor) -> Tensor:
        block = self.blocks[number]
        if isinstance(block, EvaBlockPostNorm):
            return tokens + block.norm2(block.mlp(tokens))
        return tokens + _scaled(block, 2, block.mlp(block.norm2(tokens)))


_SAME = nn.Identity()


def _scaled(block: Any, place: int, values: Tensor) -> Tensor:
    """What the block does to its attention's (1) or feed-forward part's (2) output before it is added."""
    if isinstance(block, EvaBlockPostNorm):
        return block.norm1(values)
    if isinstance(block, EvaBlock):
        gamma = getattr(block, f"gamma_{place}")
        return values if gamma is None else gamma * values
    return getattr(block, f"ls{place}")(values)
