"""Pictures of other sizes than a tower was made for: positions are interpolated once, when it is loaded."""

import warnings
from collections.abc import Mapping, Sequence
from math import isqrt
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from torch import Tensor, nn

from ...base.errors import OptionError
from ...base.options import plain

RESNET_STRIDE = 32
RESNET_POSITIONS = "visual.attnpool.positional_embedding"
TIMM_POSITIONS = "visual.trunk.pos_embed"
Size = int | Sequence[int]
"""In pixels or patches: one number, or height and width."""


def asked_size(owner: str, size: Any) -> Size:
    """A size that somebody asked for, numpy's whole numbers as Python's own.

    Raises OptionError, naming ``owner``, if it is neither a whole number nor two.
    """
    alone = isinstance(size, str) or not isinstance(size, Sequence)
    parts = [plain(part) for part in ([size] if alone else size)]
    if len(parts) != (1 if alone else 2) or not all(isinstance(part, int) for part in parts):
        raise OptionError(f"{owner} got image_size={size!r}; expected pixels, a whole number or (height, width).")
    return parts[0] if alone else parts


def pair(size: Size) -> tuple[int, int]:
    """Height and width of a size that may be one number."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def interpolated(
    table: Float[Tensor, "old channel"], old: tuple[int, int], new: tuple[int, int], prefix: int, positions: str
) -> Float[Tensor, "new channel"]:
    """A table of positions, the prefix's first, of another grid: "bicubic", antialiased as open_clip and timm do, or
    not antialiased "bicubic_plain" or "bilinear"."""
    if old == new:
        return table
    planes = table[prefix:].reshape(1, *old, -1).permute(0, 3, 1, 2)
    mode, antialias = positions.removesuffix("_plain"), positions == "bicubic"
    planes = F.interpolate(planes, size=new, mode=mode, antialias=antialias, align_corners=False)
    return torch.cat([table[:prefix], planes.permute(0, 2, 3, 1).reshape(new[0] * new[1], -1)], dim=0)


def square_grid(table: Tensor, prefix: int) -> tuple[int, int] | None:
    """The grid of a table of positions if it is square."""
    side = isqrt(len(table) - prefix)
    return (side, side) if table.ndim == 2 and side**2 == len(table) - prefix else None


def built_size(visual: Any) -> tuple[int, int]:
    """Height and width in pixels of the pictures that a tower takes as it is; of one that takes all, those it says."""
    if isinstance(visual, TimmModel):
        embed = getattr(visual.trunk, "patch_embed", None)
        return pair(cast(Any, visual.image_size if embed is None else embed.img_size))
    return pair(visual.image_size)


def match(visual: Any, tensors: Mapping[str, Tensor]) -> None:
    """Have a tower that is still without weights take the size that a file's positions are for, where these are not
    interpolated when they are read (open_clip's own transformer) but afterwards, by `resize`."""
    kind, pooled, plain = type(visual), tensors.get(RESNET_POSITIONS), tensors.get(TIMM_POSITIONS)
    if kind is ModifiedResNet and pooled is not None and (grid := square_grid(pooled, 1)):
        visual.attnpool.positional_embedding = nn.Parameter(torch.empty_like(pooled, device="meta"))
        visual.image_size = grid[0] * RESNET_STRIDE
    own = getattr(getattr(visual, "trunk", None), "pos_embed", None)
    if kind is TimmModel and own is not None and plain is not None and plain.ndim == 3 and plain.shape != own.shape:
        trunk = visual.trunk
        if grid := square_grid(plain[0], 0 if trunk.no_embed_class else trunk.num_prefix_tokens):
            visual.set_input_size(grid[0] * trunk.patch_embed.feat_ratio())


def resize(visual: Any, size: tuple[int, int], positions: str) -> bool:
    """Have a tower of open_clip take pictures of ``size``; whether positions were interpolated for it."""
    own, kind = built_size(visual), type(visual)
    if own == size or kind not in (TimmModel, ModifiedResNet):
        return False  # open_clip's own transformer is built for its size
    if kind is ModifiedResNet:
        old, new = ((height // RESNET_STRIDE, width // RESNET_STRIDE) for height, width in (own, size))
        table = visual.attnpool.positional_embedding.detach()
        visual.attnpool.positional_embedding = nn.Parameter(interpolated(table, old, new, 1, positions))
        visual.image_size = size
        return True
    trunk = visual.trunk
    table = getattr(trunk, "pos_embed", None)
    old = None if table is None else tuple(trunk.patch_embed.grid_size)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"timm\.layers\.interpolate")  # timm's way of using torch
        visual.set_input_size(size)
    if table is None or old is None:
        return hasattr(trunk, "set_input_size")  # relative positions, if there are any
    prefix, new = 0 if trunk.no_embed_class else trunk.num_prefix_tokens, tuple(trunk.patch_embed.grid_size)
    trunk.pos_embed = nn.Parameter(interpolated(table.detach()[0], pair(old), pair(new), prefix, positions)[None])
    return True
