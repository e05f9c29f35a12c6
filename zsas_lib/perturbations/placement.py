"""How a picture can be placed otherwise without becoming another picture: turned, mirrored, shifted, scaled.

A map that follows its picture is the same before and after, moved alike: A(T x) = T A(x). Each placement moves images,
maps of any range and masks, and knows which pixels of the moved picture were in the picture before.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from ..base.errors import OptionError, UnknownNameError
from .amounts import at_least_single
from .rotation import derotate, rotate, rotate_masks, valid_region

Planes: TypeAlias = Float[Tensor, "batch channel height width"]
How: TypeAlias = Literal["image", "map", "mask"]
SPELLED = re.compile(r"(\w+)(?:\((-?\d+(?:\.\d+)?)\))?")


@dataclass(frozen=True)
class Placement:
    """One way to place a picture; amounts lie in [``low``, ``high``] ``unit``, both None for one without an amount.

    ``move(planes, amount, how)`` moves planes (batch, channel, height, width); what comes from outside is continued
    from the border. ``shown(amount, height, width)`` is True where a moved picture shows what was inside.
    """

    name: str
    label: str
    move: Callable[[Tensor, float, How], Tensor]
    shown: Callable[[float, int, int], Tensor]
    low: float | None = None
    high: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Placed:
    """A placement with its amount, as `placed` reads it."""

    placement: Placement
    amount: float

    def images(self, images: Planes) -> Planes:
        """Images in [0, 1], moved."""
        return self.placement.move(images, self.amount, "image")

    def maps(self, maps: Float[Tensor, "batch height width"]) -> Float[Tensor, "batch height width"]:
        """Maps of any range, moved as the images are; each keeps within its own extremes."""
        return self.placement.move(maps[:, None], self.amount, "map")[:, 0]

    def masks(self, masks: Bool[Tensor, "batch height width"]) -> Bool[Tensor, "batch height width"]:
        """Masks moved as the images are, each pixel from the nearest one."""
        return self.placement.move(masks[:, None], self.amount, "mask")[:, 0]

    def shown(self, height: int, width: int) -> Bool[Tensor, "height width"]:
        """Where the moved picture shows what was inside the picture before."""
        return self.placement.shown(self.amount, height, width)


def _turned(planes: Tensor, degrees: float, how: How) -> Tensor:
    if how == "image":
        return rotate(planes, degrees)
    flat = planes.flatten(0, 1)
    turned = rotate_masks(flat, degrees) if how == "mask" else derotate(flat, -degrees, "replicate")
    return turned.view_as(planes)


def _zoomed(planes: Tensor, factor: float, how: How) -> Tensor:
    """Bilinear, masks from the nearest pixel, about the centre; the border pixels continued."""
    scale = torch.tensor([[1 / factor, 0.0, 0.0], [0.0, 1 / factor, 0.0]], device=planes.device)
    values = planes.to(torch.get_default_dtype()) if how == "mask" else at_least_single(planes)
    grid = F.affine_grid(scale.to(values.dtype).expand(len(planes), 2, 3), list(planes.shape), align_corners=False)
    mode = "nearest" if how == "mask" else "bilinear"
    moved = F.grid_sample(values, grid, mode=mode, padding_mode="border", align_corners=False)
    return moved > 0.5 if how == "mask" else moved.to(planes.dtype)


def _inside(factor: float, height: int, width: int) -> Tensor:
    down, across = (((torch.arange(side) + 0.5) / side * 2 - 1).abs() <= factor for side in (height, width))
    return down[:, None] & across


def _shift(dim: int) -> Callable[[Tensor, float, How], Tensor]:
    def move(planes: Tensor, share: float, how: How) -> Tensor:
        return planes.index_select(
            dim, _sources(share, planes.shape[dim]).clamp(0, planes.shape[dim] - 1).to(planes.device)
        )

    return move


def _shift_shown(dim: int) -> Callable[[float, int, int], Tensor]:
    def shown(share: float, height: int, width: int) -> Tensor:
        side = (height, width)[dim]
        sources = _sources(share, side)
        inside = (sources >= 0) & (sources < side)
        return (inside[:, None] if dim == -2 else inside).expand(height, width)

    return shown


def _sources(share: float, side: int) -> Tensor:
    return torch.arange(side) - round(share * side)


def _flip(dim: int) -> Callable[[Tensor, float, How], Tensor]:
    return lambda planes, amount, how: planes.flip(dim)


def _everywhere(amount: float, height: int, width: int) -> Tensor:
    return torch.ones(height, width, dtype=torch.bool)


PLACEMENTS: dict[str, Placement] = {
    own.name: own
    for own in (
        Placement("rotation", "turned by", _turned, valid_region, -180.0, 180.0, "degrees"),
        Placement("mirror", "mirrored", _flip(-1), _everywhere),
        Placement("upside_down", "upside down", _flip(-2), _everywhere),
        Placement("shift", "shifted right by", _shift(-1), _shift_shown(-1), -0.5, 0.5, "of its width"),
        Placement("shift_down", "shifted down by", _shift(-2), _shift_shown(-2), -0.5, 0.5, "of its height"),
        Placement("scale", "scaled by", _zoomed, _inside, 0.5, 2.0),
    )
}
"""Every placement by its name."""


def placed(spelled: str) -> Placed:
    """What a name such as "mirror" or "rotation(15)" means: a placement and its amount.

    Raises UnknownNameError for one that `PLACEMENTS` has not, OptionError for another spelling, an amount that is
    missing, too much or out of range.
    """
    found = SPELLED.fullmatch(spelled.strip())
    if found is None:
        raise OptionError(f"Expected a placement such as 'mirror' or 'rotation(15)', got {spelled!r}.")
    name, amount = found.groups()
    if name not in PLACEMENTS:
        raise UnknownNameError("placement", name, PLACEMENTS)
    own = PLACEMENTS[name]
    if own.low is None or own.high is None:
        if amount is not None:
            raise OptionError(f"{name} has no amount, got {spelled!r}; write {name!r}.")
        return Placed(own, 0.0)
    if amount is None or not own.low <= float(amount) <= own.high:
        raise OptionError(
            f"Expected {name}(AMOUNT) with an amount in [{own.low:g}, {own.high:g}] {own.unit}".rstrip()
            + f", got {spelled!r}."
        )
    return Placed(own, float(amount))


def placement_words(spelled: str) -> str:
    """In words: "turned by 15 degrees", "mirrored". Raises as `placed`."""
    own = placed(spelled)
    if own.placement.low is None:
        return own.placement.label
    return f"{own.placement.label} {own.amount:g} {own.placement.unit}".rstrip()
