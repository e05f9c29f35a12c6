"""Hue and saturation shifts in HSV, differentiable in the image and in the parameter (S sec. 2 and A.1)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from .amounts import Amount, by_parts, per_image, straight_through_clip
from .record import Perturbation

AT_ONCE = 2**18
"""How many numbers of pictures are shifted at once on the CPU, with two dozen others beside each."""
GREY = 1e-5  # a pixel whose channels differ by less has no hue
HUE_GAIN = 16.0  # how much larger than in the picture a pixel's chroma counts, at most, in the gradient of its hue


def shift_hue(images: Float[Tensor, "batch 3 height width"], radians: Amount) -> Float[Tensor, "batch 3 height width"]:
    """RGB images in [0, 1] with their HSV hue shifted by ``radians``, wrapped at 2 pi (S sec. 2).

    Greys stay as they are. Differentiable in both arguments, with bounded gradients.

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
    gradient that reaches an image through the hue of its almost grey pixels is limited (`HUE_GAIN`).

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
    grows as 1/C; in the result it counts times the new chroma C', and its limit is on C'/C.
    """
    return by_parts(_shifted, images, hue, saturation, at_once=AT_ONCE)


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
