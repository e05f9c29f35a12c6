"""Towers of stages with ever fewer, wider cells: ConvNeXt, FastViT (MobileCLIP), Swin, and CLIP's ResNets.

A cell of the last map has seen the whole picture, and positions are in the convolutions, so that a window cannot be
encoded by itself: it is a region of the last map, put through the head. The dense map is the head at single cells;
of a ResNet, whose head is attention, the head's values without it (MaskCLIP: Zhou et al., ECCV 2022).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .tower import ImageTower
from .windows import attend_windows_by_own_queries, window_means

STAGES = "hierarchical"
RESNET = "ResNet"
NOT_ENCODED = (
    "windows='encoded' needs a tower of tokens, each with a position of its own; this one is {}, whose windows are "
    "regions of its last map: use windows='pooled'."
)
NO_TOKENS = "it learns tokens or changes of tokens between the blocks, and a tower of stages has maps of several sizes."
NO_VALUES = "it compares patches of a value-value path beside the blocks' attention, and a tower of stages has none."
NOT_SOME = "it reads some patches without the others, and a cell of a tower of stages has seen its neighbours."


class StageTower(ImageTower):
    """What both kinds share: states are maps in between and (batch, cell, channel) outside; number 0 are pictures."""

    def __init__(self, family: str, size: tuple[int, int], strides: list[int], widths: list[int], embed_dim: int):
        self.family, self.size, self.embed_dim, self.patch_size = family, size, embed_dim, strides[-1]
        self.grids = (size, *((size[0] // stride, size[1] // stride) for stride in strides))
        self.widths = (3, *widths)
        self.cannot = {
            "encoded": NOT_ENCODED.format(family),
            "value path": NO_VALUES,
            "changed tokens": NO_TOKENS,
            "some patches": NOT_SOME,
        }

    def start(self, images: Tensor) -> Tensor:
        return images

    def maps(self, images: Tensor) -> list[Tensor]:
        """(batch, channel, row, column) behind each stage."""
        raise NotImplementedError

    def stream(self, start: Tensor, last: int | None = None) -> list[Tensor]:
        maps = self.maps(start.to(self.dtype))
        states = [start, *(map_.flatten(2).mT.to(start.dtype) for map_ in maps)]
        return states if last is None else states[-last:]

    @property
    def dtype(self) -> torch.dtype:
        raise NotImplementedError

    def _last_map(self, last: Tensor) -> Tensor:
        return last.mT.unflatten(2, self.grid)


class FeatureMaps(StageTower):
    """A hierarchical trunk of timm with an averaging head."""

    def __init__(self, visual: Any, embed_dim: int):
        self.visual, self.trunk = visual, visual.trunk
        strides = [info["reduction"] for info in self.trunk.feature_info]
        widths = [info["num_chs"] for info in self.trunk.feature_info]
        widths[-1] = self.trunk.num_features
        super().__init__(STAGES, tuple(visual.image_size), strides, widths, embed_dim)
        self.channels_last = getattr(self.trunk, "output_fmt", "NCHW") == "NHWC"

    @property
    def dtype(self) -> torch.dtype:
        return next(self.trunk.parameters()).dtype

    def cast(self, dtype: torch.dtype) -> None:
        for name, child in self.trunk.named_children():
            if name != "head":
                child.to(dtype)

    def maps(self, images: Tensor) -> list[Tensor]:
        last, maps = self.trunk.forward_intermediates(images)
        return [*maps[:-1], last.permute(0, 3, 1, 2) if self.channels_last else last]

    def embedding(self, last: Tensor, normed: bool = True) -> Tensor:
        return self._read(last.mean(1))

    def dense(self, state: Tensor) -> Tensor:
        return self._read(state)

    def normed(self, last: Tensor) -> Tensor:
        norm = getattr(self.trunk.head, "norm", None)
        return last if norm is None else norm(self._last_map(last)).flatten(2).mT

    def pooled_windows(self, tail: list[Tensor], side: int) -> Tensor:
        return self._read(window_means(tail[-1], self.grid, side))

    def _read(self, means: Tensor) -> Tensor:
        """The head on maps of one cell."""
        cells = means.flatten(0, -2)
        cells = cells[:, None, None] if self.channels_last else cells[:, :, None, None]
        return self.visual.head(self.trunk.forward_head(cells)).unflatten(0, means.shape[:-1])


class AttentionPooledResNet(StageTower):
    """open_clip's `ModifiedResNet`: the mean cell asks itself and all cells. A window's mean asks itself and the
    window's cells, with the whole picture's positions."""

    def __init__(self, visual: Any):
        self.visual, self.pool = visual, visual.attnpool
        size = visual.image_size
        size = (size, size) if isinstance(size, int) else tuple(size)
        widths = [getattr(visual, f"layer{number}")[-1].conv3.out_channels for number in range(1, 5)]
        super().__init__(RESNET, size, [4, 8, 16, 32], widths, visual.output_dim)

    @property
    def dtype(self) -> torch.dtype:
        return self.visual.conv1.weight.dtype

    def cast(self, dtype: torch.dtype) -> None:
        for name, child in self.visual.named_children():
            if name != "attnpool":
                child.to(dtype)

    def maps(self, images: Tensor) -> list[Tensor]:
        map_ = self.visual.stem(images)
        found = []
        for number in range(1, 5):
            map_ = getattr(self.visual, f"layer{number}")(map_)
            found.append(map_)
        return found

    def embedding(self, last: Tensor, normed: bool = True) -> Tensor:
        return self.pool(self._last_map(last))

    def dense(self, state: Tensor) -> Tensor:
        return self.pool.c_proj(self.pool.v_proj(state))

    def pooled_windows(self, tail: list[Tensor], side: int) -> Tensor:
        return self._windows(self._projected(tail[-1]), side)

    def pooled(
        self, start: Tensor, sides: Sequence[int], begun: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        (last,) = self.stream(start, last=1)
        projected, (rows, columns) = self._projected(last), self.grid
        whole = self._windows(projected, rows)[:, 0] if rows == columns else self.embedding(last)
        return whole, [self._windows(projected, side) for side in sides]

    def _projected(self, cells: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Queries, keys and values of the cells without positions, and what positions add to them: all is linear, so
        that a window's mean has the mean of its cells'."""
        pool = self.pool
        projections = pool.q_proj, pool.k_proj, pool.v_proj
        return [(own(cells), F.linear(pool.positional_embedding, own.weight)) for own in projections]

    def _windows(self, projected: list[tuple[Tensor, Tensor]], side: int) -> Tensor:
        heads = self.pool.num_heads
        means = [window_means(cells, self.grid, side) + added[0] for cells, added in projected]
        cells = [cells + added[1:] for cells, added in projected[1:]]
        query, *own = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in means)
        key, value = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in cells)
        mixed = attend_windows_by_own_queries(query, key, value, self.grid, side, (own[0], own[1]))
        return self.pool.c_proj(mixed.transpose(1, 2).flatten(2))
