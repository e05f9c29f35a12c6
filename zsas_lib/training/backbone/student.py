"""The small CLIP in training: open_clip's own weights and architecture, encoded as fast as training needs."""

from collections.abc import Sequence
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ...backbones.precision import DTYPES, FAST, precision_on

COARSER = 2
"""Side in pixels of the squares in which the student says what damage did."""
PERIOD = 2
"""Patches, across and down, after which positions repeat in the third stage: too few to tell where in the picture a
patch is. All windows of 2x2 then have the same positions."""


class Student(torch.nn.Module):
    """open_clip's CLIP with the two encodings that training needs: sampled windows, and sentences cut at their end."""

    mean: Tensor
    std: Tensor

    def __init__(self, architecture: dict):
        super().__init__()
        self.clip: Any = open_clip.CLIP(**architecture)
        self.patch = architecture["vision_cfg"]["patch_size"]
        self.side = architecture["vision_cfg"]["image_size"]
        self.grid = self.side // self.patch
        width = architecture["vision_cfg"]["width"]
        self.explain = torch.nn.Linear(width, 3 * (self.patch // COARSER) ** 2)
        for name, values in (("mean", open_clip.OPENAI_DATASET_MEAN), ("std", open_clip.OPENAI_DATASET_STD)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def start_periods(self) -> None:
        """Repeat the positions of the patches in the middle, ``PERIOD`` by ``PERIOD``, over the whole picture."""
        begin = (self.grid - PERIOD) // 2
        grid = self.clip.visual.positional_embedding[1:].detach().unflatten(0, (self.grid, self.grid))
        middle = grid[begin : begin + PERIOD, begin : begin + PERIOD].roll((begin, begin), (0, 1))
        self._repeat(middle)

    def tie_periods(self) -> None:
        """Give all patches that lie a multiple of ``PERIOD`` apart the mean of their positions."""
        grid = self.clip.visual.positional_embedding[1:].detach()
        blocks = grid.unflatten(0, (self.grid // PERIOD, PERIOD, self.grid // PERIOD, PERIOD))
        self._repeat(blocks.mean((0, 2)))

    def positions(self, moved: Float[Tensor, "patch patch"] | None) -> Float[Tensor, "token channel"]:
        """The class token's own, and those of the patches, mixed by ``moved`` if there is one."""
        own = self.clip.visual.positional_embedding
        return own if moved is None else torch.cat([own[:1], moved @ own[1:]])

    def stretched(self, grid: int, top: int, left: int) -> Float[Tensor, "patch patch"]:
        """How positions are mixed in a part of a larger picture of ``grid`` x ``grid`` patches: as bicubic
        interpolation mixes them."""
        planes = torch.eye(self.grid**2).unflatten(1, (self.grid, self.grid))[None]
        large = F.interpolate(planes, (grid, grid), mode="bicubic", antialias=True, align_corners=False)[0]
        return large[:, top : top + self.grid, left : left + self.grid].flatten(1).mT

    def _repeat(self, block: Float[Tensor, "period period channel"]) -> None:
        times = self.grid // len(block)
        with torch.no_grad():
            self.clip.visual.positional_embedding[1:] = block.repeat(times, times, 1).flatten(0, 1)

    def embed_patches(
        self, images: Float[Tensor, "batch 3 height width"], moved: Float[Tensor, "patch patch"] | None = None
    ) -> Float[Tensor, "batch token channel"]:
        visual = self.clip.visual
        patches = visual.conv1((images - self.mean) / self.std).flatten(2).mT
        first = visual.class_embedding.expand(len(images), 1, -1)
        return visual.ln_pre(torch.cat([first, patches], 1) + self.positions(moved))

    def encode(
        self, tokens: Float[Tensor, "sequence token channel"]
    ) -> tuple[Float[Tensor, "sequence embedding embed"], Float[Tensor, "sequence patch colour"]]:
        """Unit embeddings: of the class token (CLIP's), of the patches, and of the patches one block earlier, where
        the class token reads them; and what damage is thought to have done to each patch."""
        visual, dtype = self.clip.visual, DTYPES[precision_on(tokens.device, FAST)]
        for block in visual.transformer.resblocks:
            before, tokens = tokens, _block(block, tokens, dtype)
        states = visual.ln_post(torch.cat([tokens, before[:, 1:]], 1))
        return F.normalize(states @ visual.proj, dim=-1), self.explain(states[:, 1 : tokens.shape[1]])

    def encode_windows(
        self, parts: Sequence[tuple[Float[Tensor, "batch token channel"], Int[Tensor, "batch count"]]], side: int
    ) -> list[list[Tensor]]:
        """What `encode` gives of windows of ``side`` patches, (batch, count, ...), for each of several parts: the
        tokens of whole pictures, and the numbers of the windows in them."""
        sequences = []
        for tokens, index in parts:
            patches = 1 + window_patches(self.grid, side, index.device)[index].flatten(1)
            chosen = tokens.gather(1, patches[..., None].expand(-1, -1, tokens.shape[-1]))
            chosen = chosen.unflatten(1, (index.shape[1], side**2)).flatten(0, 1)
            first = tokens[:, None, :1].expand(-1, index.shape[1], -1, -1).flatten(0, 1)
            sequences.append(torch.cat([first, chosen], 1))
        lengths = [len(sequence) for sequence in sequences]
        split = [encoded.split(lengths) for encoded in self.encode(torch.cat(sequences))]
        return [
            [encoded[i].unflatten(0, tuple(index.shape)) for encoded in split] for i, (_, index) in enumerate(parts)
        ]

    def encode_text(self, words: Int[Tensor, "text token"]) -> Float[Tensor, "text embed"]:
        end, length = words.argmax(-1), words.shape[1]
        x = self.clip.token_embedding(words) + self.clip.positional_embedding[:length]
        x = self.clip.transformer(x, attn_mask=self.clip.attn_mask[:length, :length])
        x = self.clip.ln_final(x)[torch.arange(len(x), device=x.device), end]
        return F.normalize(x @ self.clip.text_projection, dim=-1)


def window_patches(grid: int, side: int, device: torch.device | None = None) -> Int[Tensor, "window patch"]:
    """Patch indices (row by row, from 0) of every window of ``side`` patches on a ``grid`` x ``grid`` grid."""
    corner = torch.arange(grid - side + 1, device=device)
    inside = torch.arange(side, device=device)
    top_left = (corner[:, None] * grid + corner).flatten()
    return top_left[:, None] + (inside[:, None] * grid + inside).flatten()


def _linear(layer: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.linear(layer, weight.to(layer.dtype), bias.to(layer.dtype))


def _block(
    block: Any, x: Float[Tensor, "sequence token channel"], dtype: torch.dtype
) -> Float[Tensor, "sequence token channel"]:
    """open_clip's residual attention block with its own weights, in ``dtype`` between float32 norms and sums."""
    attention, mlp = block.attn, block.mlp
    heads = _linear(block.ln_1(x).to(dtype), attention.in_proj_weight, attention.in_proj_bias)
    query, key, value = heads.unflatten(-1, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
    mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
    x = x + _linear(mixed, attention.out_proj.weight, attention.out_proj.bias).float()
    hidden = mlp.gelu(_linear(block.ln_2(x).to(dtype), mlp.c_fc.weight, mlp.c_fc.bias))
    return x + _linear(hidden, mlp.c_proj.weight, mlp.c_proj.bias).float()
