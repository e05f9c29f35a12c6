"""What light and air do: fog, a flash, too little light or too much, a lack of contrast.

All are differentiable in the images and in the severity, but where a value is cut to [0, 1].
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from .amounts import Amount
from .sensor import grainy
from .severity import at_severity, nearness

Images = Float[Tensor, "batch 3 height width"]
Depth = Float[Tensor, "batch height width"]

TRANSMISSIONS = (1.0, 0.8, 0.65, 0.5, 0.4, 0.3)
"""Which share of the light comes through the fog from the mean depth; ours."""
AIR = 0.9
"""How bright fog is."""
FLASHES = (0.0, 0.2, 0.4, 0.7, 1.0, 1.4)
"""How much light a flash adds at the middle of the picture, in multiples of the light there was; ours."""
BLACK = 1e-6  # a pixel whose brightest channel is no more has no colour
EXPOSURES = (1.0, 0.6, 0.45, 0.3, 0.2, 0.12)
"""Which share of the light is left; ours."""
WELL, READING = 200.0, 0.01
"""Of the sensor in too little light: the electrons at white, and the noise of reading, in shares of white."""
BRIGHTER = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
"""What is added to the value V of HSV: Hendrycks and Dietterich's."""
CONTRASTS = (1.0, 0.4, 0.3, 0.2, 0.1, 0.05)
"""Which share of a picture's differences to its mean is left: Hendrycks and Dietterich's."""


def fog(images: Images, severity: Amount) -> Images:
    """The same fog everywhere: a share of the picture and the rest grey (`AIR`)."""
    return torch.lerp(images.new_full((), AIR), images, at_severity(TRANSMISSIONS, severity, images))


def fog_3d(images: Images, severity: Amount, depth: Depth | None = None) -> Images:
    """Fog that thickens with depth (Beer and Lambert): transmission ** (depth / mean depth)."""
    left = at_severity(TRANSMISSIONS, severity, images) ** (1 / nearness(depth))
    return torch.lerp(images.new_full((), AIR), images, left)


def flash(images: Images, severity: Amount) -> Images:
    """A flash at the lens over an even surface one half width away: the middle is too bright, the corners dark.

    With a = `FLASHES`, light is 1 / (1 + a), for the shorter exposure, plus a / (1 + r^2)^2, r from the middle in half
    widths.
    """
    return _flashed(images, severity, 1.0)


def flash_3d(images: Images, severity: Amount, depth: Depth | None = None) -> Images:
    """`flash`, whose light falls off with the square of depth: what is near is too bright."""
    return _flashed(images, severity, nearness(depth) ** 2)


def _flashed(images: Images, severity: Amount, near: Tensor | float) -> Images:
    added = at_severity(FLASHES, severity, images)
    height, width = images.shape[-2:]
    y, x = (
        (2 * torch.arange(size, dtype=images.dtype, device=images.device) + 1 - size) / min(height, width)
        for size in (height, width)
    )
    falloff = (1 + x**2 + y[:, None] ** 2) ** -2
    return (images * (1 / (1 + added) + added * near * falloff)).clamp(0, 1)


def low_light(images: Images, severity: Amount, seed: int | Sequence[int] = 0) -> Images:
    """Too little light: the picture gets darker and its noise does not (`sensor.grainy` with `WELL` and `READING`)."""
    dark = images * at_severity(EXPOSURES, severity, images)
    noisy = grainy(dark, images.new_full((1, 1, 1, 1), 1 / WELL), images.new_full((1, 1, 1, 1), READING), seed)
    strength = at_severity((0, 1, 1, 1, 1, 1), severity, images)
    return torch.lerp(dark, noisy, strength)


def brightness(images: Images, severity: Amount) -> Images:
    """Too much light: V of HSV is raised, hue and saturation stay; black turns grey."""
    value = images.amax(1, keepdim=True)
    raised = (value + at_severity(BRIGHTER, severity, images)).clamp(max=1)
    return torch.where(value > BLACK, images * (raised / value.clamp(min=BLACK)), raised)


def contrast(images: Images, severity: Amount) -> Images:
    """Every channel drawn towards its mean over the picture."""
    mean = images.flatten(2).mean(2)[..., None, None]
    left = at_severity(CONTRASTS, severity, images)
    return (images * left).add_((1 - left) * mean)
