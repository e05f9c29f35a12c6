"""Hue and saturation shifts in HSV, differentiable in the image and in the parameter (S sec. 2 and A.1)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from .amounts import Amount, per_image, straight_through_clip

GREY = 1e-5  # a pixel whose channels differ by less has no hue
HUE_GAIN = 16.0  # how much larger than in the picture a pixel's chroma counts, at most, in the gradient of its hue


def shift_hue(images: Float[Tensor, "batch 3 height width"], radians: Amount) -> Float[Tensor, "batch 3 height width"]:
    """RGB images in [0, 1] with their HSV hue shifted by ``radians``, wrapped at 2 pi (S sec. 2).

    Greys stay as they are. Differentiable in both arguments, with bounded gradients.
    """
    return shift_hsv(images, radians, 0.0)


def shift_saturation(
    images: Float[Tensor, "batch 3 height width"], shift: Amount
) -> Float[Tensor, "batch 3 height width"]:
    """RGB images in [0, 1] with ``shift`` added to their HSV saturation, clipped to [0, 1] straight-through (S A.1).

    A grey has hue 0, so a positive shift turns it red; black stays black. Differentiable in both arguments. The
    gradient that reaches an image through the hue of its almost grey pixels is limited (`HUE_GAIN`).
    """
    return shift_hsv(images, 0.0, shift)


def shift_hsv(
    images: Float[Tensor, "batch 3 height width"], radians: Amount, shift: Amount
) -> Float[Tensor, "batch 3 height width"]:
    """Both shifts in one passage through HSV.

    With value V = max, chroma C = max - min, hue H in sixths of the circle and saturation S = C/V, a channel is
    V - V S' clamp(min(k, 4 - k), 0, 1) with k = (n + H') mod 6 and n = 5, 3, 1 for red, green, blue. The gradient of
    H grows as 1/C; in the result it counts times the new chroma C', and its limit is on C'/C.
    """
    radians, shift = (per_image(amount, images)[:, None, None] for amount in (radians, shift))
    red, green, blue = images.unbind(1)
    value, lowest = images.amax(1), images.amin(1)
    chroma = value - lowest
    coloured = chroma > GREY
    divisor = torch.where(coloured, chroma, 1.0)
    hue = torch.where(
        red == value,
        (green - blue) / divisor,
        torch.where(green == value, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    hue = torch.where(coloured, hue, 0.0)
    saturation = straight_through_clip(chroma / value.clamp(min=GREY) + shift, 0.0, 1.0)

    new_chroma = value * saturation
    share = (HUE_GAIN * chroma / new_chroma.clamp(min=GREY)).clamp(max=1).detach()
    hue = share * hue + ((1 - share) * hue).detach() + radians * (3 / math.pi)
    k = (torch.tensor([5.0, 3.0, 1.0], dtype=images.dtype, device=images.device)[:, None, None] + hue[:, None]) % 6
    return value[:, None] - new_chroma[:, None] * torch.minimum(k, 4 - k).clamp(0, 1)
