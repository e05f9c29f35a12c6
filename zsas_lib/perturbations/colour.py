"""Hue and saturation shifts in HSV, differentiable in the image and in the parameter (S sec. 2 and A.1)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from .amounts import Amount, per_image, straight_through_clip
from .record import Perturbation

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
    V - V S' clamp(min(k, 4 - k), 0, 1) with k = (n + H') mod 6 and n = 5, 3, 1 for red, green, blue. The gradient of
    H grows as 1/C; in the result it counts times the new chroma C', and its limit is on C'/C.
    """
    radians, shift = (per_image(amount, images)[:, None, None] for amount in (hue, saturation))
    red, green, blue = images.unbind(1)
    value, lowest = images.amax(1), images.amin(1)
    chroma = value - lowest
    coloured = chroma > GREY
    divisor = torch.where(coloured, chroma, 1.0)
    angle = torch.where(
        red == value,
        (green - blue) / divisor,
        torch.where(green == value, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    angle = torch.where(coloured, angle, 0.0)
    purity = straight_through_clip(chroma / value.clamp(min=GREY) + shift, 0.0, 1.0)

    new_chroma = value * purity
    share = (HUE_GAIN * chroma / new_chroma.clamp(min=GREY)).clamp(max=1).detach()
    angle = share * angle + ((1 - share) * angle).detach() + radians * (3 / math.pi)
    n = torch.arange(5, 0, -2, dtype=images.dtype, device=images.device)[:, None, None]
    k = (n + angle[:, None]) % 6
    return value[:, None] - new_chroma[:, None] * torch.minimum(k, 4 - k).clamp(0, 1)


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
