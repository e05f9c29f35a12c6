"""Rotation, differentiable in the image and in the angle (S sec. 2 and A.1).

It is the three-pass scheme of Unser et al.: a turn by t is a shear along x by tan(t/2), one along y by -sin(t),
and the first again. A shear displaces each row (column) by its own amount, which the Fourier transform does without
the blur of local interpolation. Quarter turns are taken out first, so only angles in [-45, 45] degrees are sheared:
little padding suffices, finer detail survives, and multiples of 90 degrees are exact.

Every amount is one number for all images or a tensor with one per image.
"""

import math
from typing import Literal, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..base.booleans import require_bool
from ..base.devices import to_device
from ..base.errors import UnknownNameError
from ..base.unit_range import require_images
from .amounts import (
    Amount,
    as_amount,
    at_least_single,
    by_parts,
    gradient_wanted,
    per_image,
    straight_through_clip,
)
from .displacement import displaced
from .record import Motion, Perturbation
from .turning import frame_of, turned

Fill: TypeAlias = Literal["replicate", "zero"]
FILLS = ("replicate", "zero")


def rotate(
    images: Float[Tensor, "batch channel height width"], degrees: Amount, fill: Fill = "replicate"
) -> Float[Tensor, "batch channel height width"]:
    """Images in [0, 1] turned clockwise by ``degrees`` (any angle) about their centre, at the same size (S A.1).

    A pixel whose source lies outside the image takes the nearest border pixel ("replicate", as S) or 0 ("zero", as
    `coverage` blends it in). Overshoot of the interpolation is clipped to [0, 1] once, at the end, with a
    straight-through gradient. Turned by 0, an image is the same to the last digit. Differentiable, once, in the images
    and in the angle; continuous in the angle but for detail finer than 0.45 cycles per pixel at 45 + 90k degrees.
    Raises UnknownNameError for another fill, ValueError for what is no batch of images of floats in [0, 1] or no
    amount for them.

    >>> images = torch.rand(1, 3, 8, 8)
    >>> turned = images.rot90(-1, (2, 3))
    >>> torch.allclose(zsas.rotate(images, 90), turned, atol=1e-5)
    True
    """
    _require_fill(fill)
    require_images(images, channels=None, may_wait=False)
    degrees = as_amount(degrees, len(images))
    return _rotated(at_least_single(images), degrees, fill).to(images.dtype)


def _rotated(
    images: Float[Tensor, "batch channel height width"], degrees: Amount, fill: Fill
) -> Float[Tensor, "batch channel height width"]:
    if _in_memory(images, degrees):
        return _turned(images, degrees, (0.0, 1.0), fill == "zero")

    def of(images: Tensor, degrees: Amount) -> Tensor:
        found = _upright_kept(straight_through_clip(_turn(images, degrees), 0.0, 1.0), images, degrees)
        return found if fill == "replicate" else found * _coverage(degrees, images).unsqueeze(-3)

    return by_parts(of, images, degrees)


def derotate(
    maps: Float[Tensor, "batch height width"], degrees: Amount, fill: Fill = "zero"
) -> Float[Tensor, "batch height width"]:
    """Anomaly maps of images that were turned by ``degrees``, turned back: f(y; -theta, 0, 0) of S eq. (3).

    What the turned image did not show is 0 as in S ("zero", as `coverage` blends it in) or continued from the border
    ("replicate"). Maps may have any range; each keeps within its own extremes, and 0 where it is filled. Raises
    UnknownNameError for another fill, ValueError for what is no batch of maps of floats or no amount for them.

    >>> maps = torch.rand(2, 8, 8)
    >>> turned = maps.rot90(-1, (1, 2))
    >>> torch.allclose(zsas.derotate(turned, 90), maps, atol=1e-5)
    True
    """
    _require_fill(fill)
    if not (isinstance(maps, Tensor) and maps.ndim == 3 and maps.is_floating_point()):
        got = f"{maps.dtype} {tuple(maps.shape)}" if isinstance(maps, Tensor) else type(maps)
        raise ValueError(f"Expected maps of floats (batch, height, width) as a torch.Tensor, got {got}.")
    degrees = as_amount(degrees, len(maps))
    return _derotated(at_least_single(maps), degrees, fill).to(maps.dtype)


def _derotated(
    maps: Float[Tensor, "batch height width"], degrees: Amount, fill: Fill
) -> Float[Tensor, "batch height width"]:
    if _in_memory(maps, degrees):
        return _turned(maps.unsqueeze(1), -degrees, None, fill == "zero").squeeze(1)

    def of(maps: Tensor, degrees: Amount) -> Tensor:
        lowest, highest = (extreme(maps.detach(), (1, 2), keepdim=True) for extreme in (torch.amin, torch.amax))
        upright = straight_through_clip(_turn(maps.unsqueeze(1), degrees).squeeze(1), lowest, highest)
        upright = _upright_kept(upright, maps, degrees)
        return upright if fill == "replicate" else upright * _coverage(degrees, maps)

    return by_parts(of, maps, -degrees)


def rotate_masks(masks: Bool[Tensor, "batch height width"], degrees: Amount) -> Bool[Tensor, "batch height width"]:
    """Ground truth turned clockwise by ``degrees``, each pixel from the nearest one, False from outside.

    For the protocol of S's released code, which turns the mask instead of turning the map back. Raises TypeError for
    masks that are not bool.
    """
    require_bool(masks)
    height, width = masks.shape[-2:]
    x, y = _source(as_amount(degrees, len(masks)), height, width, masks.device)
    column = (x + (width - 1) / 2).round().long().expand(masks.shape)
    row = (y + (height - 1) / 2).round().long().expand(masks.shape)
    shown = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    flat = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    return masks.flatten(1).gather(1, flat.flatten(1)).view_as(masks) & shown


def coverage(degrees: Amount, height: int, width: int) -> Float[Tensor, "*batch height width"]:
    """How much of each pixel of an image turned clockwise by ``degrees`` was in the image before: 1 inside, 0 in the
    corners, linear over one pixel between them; a differentiable edge."""
    x, y = _source(degrees, height, width)
    return _edge(x, y, height, width)


def valid_region(degrees: Amount, height: int, width: int) -> Bool[Tensor, "*batch height width"]:
    """The pixels of an image turned clockwise by ``degrees`` that are not extrapolated: coverage of at least one half.

    (height, width) for one angle, (batch, height, width) for several. Of a square, ``1 - 2/(1 + |sin| + |cos|)`` is
    extrapolated, 17 % at 45 degrees, where the rest is the mask m of S eq. (6). A derotated map is valid on
    ``valid_region(-degrees, height, width)``.

    >>> round(zsas.valid_region(45, 240, 240).float().mean().item(), 2)
    0.83
    """
    return coverage(degrees, height, width) >= 0.5


def _coverage(degrees: Amount, planes: Float[Tensor, "batch *channel height width"]) -> Float[Tensor, "..."]:
    """`coverage` of some planes, beside them."""
    height, width = planes.shape[-2:]
    return _edge(*_source(degrees, height, width, planes.device), height, width).to(planes.dtype)


def _edge(x: Tensor, y: Tensor, height: int, width: int) -> Tensor:
    return (0.5 + torch.minimum(width / 2 - x.abs(), height / 2 - y.abs())).clamp(0, 1)


def _shown(degrees: Amount, height: int, width: int) -> Bool[Tensor, "*batch height width"]:
    """Where a map that `derotate` turned back was shown."""
    return valid_region(-degrees, height, width)


def _require_fill(fill: str) -> None:
    if fill not in FILLS:
        raise UnknownNameError("fill", fill, FILLS)


def _in_memory(planes: Tensor, degrees: Amount) -> bool:
    """Whether planes are turned without torch, which only gradients and devices are in need of."""
    return planes.device.type == "cpu" and not gradient_wanted(planes, degrees)


def _turned(
    planes: Float[Tensor, "batch channel height width"],
    degrees: Amount,
    limits: tuple[float, float] | None,
    covered: bool,
) -> Float[Tensor, "batch channel height width"]:
    """`turning.turned` of tensors."""
    amounts = per_image(degrees, planes).detach().numpy()
    return torch.from_numpy(turned(planes.detach().numpy(), amounts, limits, covered))


def _upright_kept(found: Float[Tensor, "*shape"], planes: Float[Tensor, "*shape"], degrees: Amount) -> Tensor:
    """What was turned, but for planes turned by 0, which are what they were; their gradient is a turned one's."""
    still = per_image(degrees, planes if planes.dim() == 4 else planes.unsqueeze(1)) == 0
    exact = planes.detach() + (found - found.detach())
    return torch.where(still.reshape(-1, *[1] * (planes.dim() - 1)), exact, found)


def _turn(
    images: Float[Tensor, "batch channel height width"], degrees: Amount
) -> Float[Tensor, "batch channel height width"]:
    """Images turned clockwise, continued by their border pixels, not clipped.

    The pixel at (x, y) from the centre comes from x0 = x2 + a y1, y1 = y - s x2, x2 = x + a y, with a = tan(t/2) and
    s = sin(t): the last of these is the last pass. All of them lie within half a diagonal of the centre.
    """
    height, width = images.shape[-2:]
    known = torch.as_tensor(degrees).reshape(-1).detach()  # to the host at once where it is not on a device
    turns = (known.to(images.dtype) / 90).round()
    degrees, quarters = per_image(degrees, images), to_device(turns, images.device)
    rest = torch.deg2rad(degrees - 90 * quarters)
    slope, sine = torch.tan(rest / 2)[:, None], torch.sin(rest)[:, None]

    frame = frame_of(height, width)
    square, top, left, margin, odd = frame.square, frame.top, frame.left, frame.margin, frame.odd
    images = _continued(_continued(images, -1, left, square - width - left), -2, top, top)
    images = _quarter_turned(images, turns)

    # The centre is `odd` right of the square's, 0 or -1/2, and at (odd_x, odd_y) after the quarter turns.
    odd_x, odd_y = ((odd * f(quarters * math.pi / 2))[:, None] for f in (torch.cos, torch.sin))
    steps = torch.arange(frame.side, dtype=images.dtype, device=images.device) - (frame.side - 1) / 2
    shown = slice(margin + top, margin + top + height)
    images = displaced(images, odd_x - odd + slope * (steps - odd_y), -1, margin)
    images = displaced(images, odd_y - sine * (steps - odd), -2)[..., shown, :]
    return displaced(images, slope * steps[shown], -1)[..., margin + left : margin + left + width]


def _quarter_turned(
    images: Float[Tensor, "batch channel side side"], turns: Float[Tensor, " #batch"]
) -> Float[Tensor, "batch channel side side"]:
    """Images turned clockwise by whole quarters. Where only a device knows how many, it chooses among the turned, which
    takes longer than knowing but does not hold the host up."""
    if turns.device.type != "cpu":
        turns = turns.to(images.device)[:, None, None, None]
        images = torch.where(turns.remainder(4) >= 2, images.flip(-2, -1), images)
        return torch.where(turns.remainder(2) == 1, images.rot90(-1, (-2, -1)), images)
    quarters = turns.int().tolist()
    if len(set(quarters)) == 1:
        return images.rot90(-quarters[0], (-2, -1))
    return torch.stack([image.rot90(-quarter, (-2, -1)) for image, quarter in zip(images, quarters)])


def _continued(
    images: Float[Tensor, "batch channel height width"], dim: int, before: int, after: int
) -> Float[Tensor, "batch channel higher wider"]:
    """Images with their border repeated along ``dim``; `torch.nn.functional.pad` is not reproducible on a GPU."""
    if before == after == 0:
        return images
    first, last = images.narrow(dim, 0, 1), images.narrow(dim, -1, 1)
    return torch.cat([first] * before + [images] + [last] * after, dim)


def _source(
    degrees: Amount, height: int, width: int, device: torch.device | None = None
) -> tuple[Float[Tensor, "*batch height width"], Float[Tensor, "*batch height width"]]:
    """Where each pixel of a turned image comes from, right of and below the centre, in pixels."""
    degrees = as_amount(degrees)
    if not isinstance(degrees, Tensor):
        degrees = torch.full((), degrees, dtype=torch.get_default_dtype(), device=device)
    elif not degrees.is_floating_point():
        degrees = degrees.to(torch.get_default_dtype())
    device = device or degrees.device
    angle = torch.deg2rad(at_least_single(to_device(degrees, device)))[..., None, None]
    x = torch.arange(width, dtype=angle.dtype, device=device) - (width - 1) / 2
    y = torch.arange(height, dtype=angle.dtype, device=device)[:, None] - (height - 1) / 2
    return x * torch.cos(angle) + y * torch.sin(angle), y * torch.cos(angle) - x * torch.sin(angle)


ROTATION = Perturbation(
    name="rotation",
    function=rotate,
    low=-90.0,
    high=90.0,
    unit="degrees",
    column="degrees",
    label="rotation, clockwise (degrees)",
    colour="blue",
    rate=5.0,  # as in S's released code
    sweep_values=13,
    repeats=90.0,
    motion=Motion(masks_along=rotate_masks, maps_back=derotate, shown=_shown),
)
