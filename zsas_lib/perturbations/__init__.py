"""What is done to pictures: the perturbations, their ranges, and all of them at once (S eq. 1)."""

import math
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from ..base.errors import UnknownNameError
from .amounts import Amount, is_zero
from .colour import shift_hsv
from .rotation import rotate


class Range(NamedTuple):
    """The closed interval that a perturbation's amount may come from."""

    low: float
    high: float
    unit: str


# The boxes of S eq. (5); the hue has none there, and wraps.
RANGES = {
    "rotation": Range(-90.0, 90.0, "degrees"),
    "hue": Range(-math.pi, math.pi, "radians"),
    "saturation": Range(-0.5, 0.5, "fraction"),
}


def check_amount(perturbation: str, amount: int | float) -> None:
    """Raises UnknownNameError for a perturbation not in `RANGES` and ValueError for an amount outside its range."""
    if perturbation not in RANGES:
        raise UnknownNameError("perturbation", perturbation, RANGES)
    low, high, unit = RANGES[perturbation]
    if not low - 1e-6 <= amount <= high + 1e-6:
        raise ValueError(
            f"Expected a {perturbation} in [{low:g}, {high:g}] {unit}, got {amount:g}; leave that value out."
        )


def perturb(
    images: Float[Tensor, "batch 3 height width"], degrees: Amount = 0, hue: Amount = 0, saturation: Amount = 0
) -> Float[Tensor, "batch 3 height width"]:
    """The perturbed images x_aug = f(x; theta, d_h, d_s) of S eq. (1): `rotate`, then both shifts in HSV at once.

    ``hue`` is in radians as in `shift_hue`, ``saturation`` as in `shift_saturation`. A Python 0 leaves a step out, so
    without colour shifts nothing passes through HSV, as S says below eq. (3).
    """
    if not is_zero(degrees):
        images = rotate(images, degrees)
    return images if is_zero(hue) and is_zero(saturation) else shift_hsv(images, hue, saturation)
