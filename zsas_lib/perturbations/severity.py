"""Severities: 1 to 5 as the benchmarks of corruptions have them, 0 for the picture itself, any number between."""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from ..base.devices import to_device
from ..base.options import is_whole
from .amounts import Amount, per_image

SEVERITIES = (1, 2, 3, 4, 5)
ROUNDING = 1e-6  # of a severity
SIDE = 224
"""The shorter side, in pixels, of the pictures that lengths are given for; on others they grow with the side, so that a
severity looks alike in every size."""


def at_severity(
    values: Sequence[int | float], severity: Amount, images: Float[Tensor, "batch channel height width"]
) -> Float[Tensor, "#batch 1 1 1"]:
    """A parameter whose ``values`` are of severities 0 to 5, at one severity for all images or one each. Raises
    ValueError for another severity, but on a device, where it would have to be waited for."""
    amount, highest = per_image(severity, images), len(values) - 1
    if amount.device.type == "cpu" and not ((amount >= -ROUNDING) & (amount <= highest + ROUNDING)).all():
        raise ValueError(f"Expected severities in [0, {highest}], got {amount.tolist()}.")
    table = to_device(torch.tensor(values, dtype=images.dtype), images.device)
    below = amount.detach().floor().clamp(0, len(values) - 2).long()
    return torch.lerp(table[below], table[below + 1], amount - below).reshape(-1, 1, 1, 1)


def in_pixels(images: Float[Tensor, "batch channel height width"]) -> float:
    """How many pixels of these images one pixel of a picture with the side `SIDE` is."""
    return min(images.shape[-2:]) / SIDE


def kept_at_zero(
    corrupted: Float[Tensor, "batch 3 height width"], images: Float[Tensor, "batch 3 height width"], severity: Amount
) -> Float[Tensor, "batch 3 height width"]:
    """The images themselves where the severity is 0, of what rounds them even there."""
    return torch.where(per_image(severity, images).reshape(-1, 1, 1, 1) > 0, corrupted, images)


def nearness(depth: Float[Tensor, "batch height width"] | None) -> Float[Tensor, "batch 1 height width"]:
    """How much nearer than the mean depth of its picture a pixel is: mean / depth.

    Raises ValueError without depth, or where one is not positive and finite.
    """
    if depth is None:
        raise ValueError(
            "Expected the depth of every pixel, got pictures without: give depth=..., or take the corruption's twin, "
            "which needs none (defocus, motion_x, zoom_blur, fog or flash)."
        )
    if not bool(((depth > 0) & depth.isfinite()).all()):
        raise ValueError("Expected depths that are positive and finite, got others; give the distance from the lens.")
    return (depth.mean((1, 2), keepdim=True) / depth)[:, None]


def own_noise(
    images: Float[Tensor, "batch channel height width"], seed: int | Sequence[int]
) -> Float[Tensor, "batch channel height width"]:
    """Standard normal noise, drawn on the CPU so that it is the same on every device.

    Picture i of a batch draws from ``seed`` + i, or from its own of a sequence of seeds. Raises ValueError for as many
    seeds as there are not images.
    """
    alone = is_whole(seed, -(2**63))
    seeds = range(int(cast(int, seed)), int(cast(int, seed)) + len(images)) if alone else [*cast(Sequence[int], seed)]
    if len(seeds) != len(images):
        raise ValueError(f"Expected one seed, or one for each of {len(images)} images, got {len(seeds)} seeds.")
    noise = torch.empty(images.shape, dtype=torch.float32)
    for plane, own in zip(noise, seeds):
        torch.randn(images.shape[1:], generator=torch.Generator().manual_seed(int(own)), out=plane)
    return noise.to(images.device, images.dtype)
