"""Hue and saturation shifts in HSV, differentiable in the image and in the parameter (S sec. 2 and A.1)."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

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
from .record import Perturbation

AT_ONCE = 2**18
"""How many numbers of pictures are shifted at once on the CPU, with two dozen others beside each."""
BAND = 2**18
"""How many pixels are shifted at once on the CPU where no gradient is wanted: with fewer, the two dozen operations take
longer to begin than to end."""
GREY = 1e-5  # a pixel whose channels differ by less has no hue
HUE_GAIN = 16.0  # how much larger than in the picture a pixel's chroma counts, at most, in the gradient of its hue


def shift_hue(images: Float[Tensor, "batch 3 height width"], radians: Amount) -> Float[Tensor, "batch 3 height width"]:
    """RGB images in [0, 1] with their HSV hue shifted by ``radians``, wrapped at 2 pi (S sec. 2).

    Greys stay as they are. Differentiable in both arguments, with bounded gradients. Raises ValueError for what is no
    batch of RGB images of floats in [0, 1] or no amount for them.

    >>> red = torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1)
    >>> green = zsas.shift_hue(red, 2 * torch.pi / 3)
    >>> green.flatten().round(decimals=4).abs()
    tensor([0., 1., 0.])
    """
    return shift_hsv(images, hue=radians)


def shift_saturation(
    images: Float[Tensor, "batch 3 height width"], shift: Amount
) -> Float[Tensor, "batch 3 height width"]:
    """RGB images in [0, 1] with ``shift`` added to their HSV saturation, clipped to [0, 1] straight-through (S A.1).

    A grey has hue 0, so a positive shift turns it red; black stays black. Differentiable in both arguments. The
    gradient that reaches an image through the hue of its almost grey pixels is limited (`HUE_GAIN`). Raises ValueError
    for what is no batch of RGB images of floats in [0, 1] or no amount for them.

    >>> red = torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1)
    >>> zsas.shift_saturation(red, -0.5).flatten()
    tensor([1.0000, 0.5000, 0.5000])
    """
    return shift_hsv(images, saturation=shift)


def shift_hsv(
    images: Float[Tensor, "batch 3 height width"], hue: Amount = 0.0, saturation: Amount = 0.0
) -> Float[Tensor, "batch 3 height width"]:
    """Both shifts, ``hue`` in radians, in one passage through HSV.

    With value V = max, chroma C = max - min, hue H in sixths of the circle and saturation S = C/V, a channel is
    V - V S' clamp(w, 0, 1) with w = 2 - |H' - 3|, |H' - 2| - 1, |H' - 4| - 1 for red, green, blue. The gradient of H
    grows as 1/C; in the result it counts times the new chroma C', and its limit is on C'/C. Raises as `shift_hue`.
    """
    require_images(images, may_wait=False)
    hue, saturation = as_amount(hue, len(images)), as_amount(saturation, len(images))
    single = at_least_single(images)
    if gradient_wanted(images, hue, saturation):
        return by_parts(_shifted, single, hue, saturation, at_once=AT_ONCE).to(images.dtype)
    return _shifted_in_bands(single, hue, saturation).to(images.dtype)


def _shifted(
    images: Float[Tensor, "batch 3 height width"], hue: Amount, saturation: Amount
) -> Float[Tensor, "batch 3 height width"]:
    radians, shift = (per_image(amount, images)[:, None, None] for amount in (hue, saturation))
    red, green, blue = images.unbind(1)
    value = images.amax(1)
    chroma = value - images.amin(1)
    is_red, is_green, coloured = _equal(red, value), _equal(green, value), chroma.detach().clone().gt_(GREY)
    is_green = is_green * (1 - is_red)
    is_blue = 1 - is_red - is_green
    difference = torch.addcmul(is_red * (green - blue), is_green, blue - red)
    difference = torch.addcmul(difference, is_blue, red - green)
    angle = coloured * torch.addcdiv(2 * is_green + 4 * is_blue, difference, chroma.clamp(min=GREY))
    purity = straight_through_clip(torch.addcdiv(shift, chroma, value.clamp(min=GREY)), 0.0, 1.0)

    new_chroma = value * purity
    if angle.requires_grad:
        share = (HUE_GAIN * chroma / new_chroma.clamp(min=GREY)).clamp(max=1).detach()
        angle = share * angle + ((1 - share) * angle).detach()
    angle = angle + radians * (3 / math.pi)
    angle = angle.sub((angle / 6).floor(), alpha=6)
    lacking = 2 - (angle - 3).abs(), (angle - 2).abs() - 1, (angle - 4).abs() - 1
    return torch.stack([torch.addcmul(value, part.clamp(0, 1), new_chroma, value=-1) for part in lacking], 1)


def _shifted_in_bands(
    images: Float[Tensor, "batch 3 height width"], hue: Amount, saturation: Amount
) -> Float[Tensor, "batch 3 height width"]:
    """`_shifted` without gradients, on the CPU a few pictures at once, or some rows of one."""
    radians, shift = (per_image(amount, images)[:, None, None] for amount in (hue, saturation))
    found = torch.empty_like(images)
    if images.device.type != "cpu":
        _shift_band(images, radians, shift, found)
        return found
    height, width = images.shape[-2:]
    count = max(1, BAND // max(1, height * width))
    rows = max(1, BAND // max(1, count * width))
    amounts = (own.expand(len(images), 1, 1).split(count) for own in (radians, shift))
    for *pictures, turn, added in zip(images.split(count), found.split(count), *amounts):
        for band, out in zip(*(planes.split(rows, -2) for planes in pictures)):
            _shift_band(band, turn, added, out)
    return found


def _shift_band(images: Float[Tensor, "*batch 3 height width"], radians: Tensor, shift: Tensor, out: Tensor) -> None:
    """With m = min, the hue is the sign of G - B times ((G - m) + (B - m) + (V - R)) / C, whichever channel is largest:
    each of the three differences is clamped to [0, C] by itself."""
    red, green, blue = images.unbind(-3)
    value, least = torch.max(red, green), torch.min(red, green)
    torch.max(value, blue, out=value)
    torch.min(least, blue, out=least)
    chroma, spare = value - least, blue - least
    angle = least.sub_(green).neg_().add_(spare).add_(torch.sub(value, red, out=spare))
    angle /= F.threshold(chroma, GREY, math.inf)
    angle.copysign_(torch.sub(green, blue, out=spare)).add_(radians * (3 / math.pi))
    angle.sub_(torch.div(angle, 6, out=spare).floor_(), alpha=6)
    new_chroma = chroma.div_(value.clamp(min=GREY)).add_(shift).clamp_(0, 1).mul_(value)
    for channel, (centre, sign, edge) in zip(out.unbind(-3), ((3, -1, 2), (2, 1, -1), (4, 1, -1))):
        lacking = torch.sub(angle, centre, out=spare).abs_()
        lacking = (lacking.neg_() if sign < 0 else lacking).add_(edge).clamp_(0, 1)
        torch.addcmul(value, lacking, new_chroma, value=-1, out=channel)


def _equal(channel: Float[Tensor, "*shape"], value: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """1 where they are equal, else 0: in numbers this takes a fraction of the time of `torch.where`."""
    return channel.detach().clone().eq_(value.detach())


HUE = Perturbation(
    name="hue",
    function=shift_hsv,
    low=-math.pi,
    high=math.pi,
    unit="radians",
    column="hue",
    label="hue shift (radians)",
    colour="amber",
    rate=0.1,  # as in S's released code, like the other two
    sweep_values=13,
    wraps=True,
)
SATURATION = Perturbation(
    name="saturation",
    function=shift_hsv,
    low=-0.5,
    high=0.5,
    unit="fraction",
    column="saturation",
    label="saturation shift",
    colour="teal",
    rate=0.1,
    sweep_values=11,
)
