"""The two overlapping tiles at the ends of a long picture that AnoVL looks at, and their maps as one."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..backbones.backbone import Backbone


@dataclass(frozen=True)
class Tiles:
    """Pictures are made ``size`` pixels (height, width), of which each tile has ``side``: all of the shorter side."""

    size: tuple[int, int]
    side: tuple[int, int]
    interpolation: str

    @classmethod
    def of(cls, images: Float[Tensor, "batch 3 height width"], backbone: Backbone) -> "Tiles":
        """For pictures of this shape. Raises ValueError for those that two tiles do not cover."""
        height, width = images.shape[-2:]
        rows, columns = backbone.size
        share = max(rows / max(height, 1), columns / max(width, 1))
        size = (max(rows, int(height * share + 1e-6)), max(columns, int(width * share + 1e-6)))
        if size[0] > 2 * rows or size[1] > 2 * columns:
            raise ValueError(
                f"Two tiles of {rows} x {columns} pixels do not cover a picture of {height} x {width}; expected one at "
                "most twice as long as wide, or tiled=False."
            )
        return cls(size, (rows, columns), backbone.interpolation)

    def cut(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "tile 3 rows columns"]:
        """Both tiles of each picture, one picture after the other."""
        if tuple(images.shape[-2:]) != self.size:
            images = F.interpolate(images, self.size, mode=self.interpolation, antialias=True).clamp(0, 1)
        (rows, columns), (height, width) = self.side, self.size
        return torch.stack([images[..., :rows, :columns], images[..., height - rows :, width - columns :]], 1).flatten(
            0, 1
        )

    def joined(self, maps: Float[Tensor, "tile rows columns"]) -> Float[Tensor, "batch height width"]:
        """The maps of both tiles of each picture as one, their mean where they overlap."""
        down, right = self.size[0] - self.side[0], self.size[1] - self.side[1]
        of_first, of_last = (0, right, 0, down), (right, 0, down, 0)
        first, last = maps.unflatten(0, (-1, 2)).unbind(1)
        weight = F.pad(torch.ones_like(first[:1]), of_first) + F.pad(torch.ones_like(last[:1]), of_last)
        return (F.pad(first, of_first) + F.pad(last, of_last)) / weight
