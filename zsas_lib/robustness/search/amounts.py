"""Amounts of several perturbations at once: one column each, in the box of `perturbations.RANGES`."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ...perturbations import RANGES

COLUMNS = {"rotation": "degrees", "hue": "hue", "saturation": "saturation"}
"""What the amount of a perturbation is called in tables."""


def into_box(over: Sequence[str], amounts: Float[Tensor, "*point over"]) -> Float[Tensor, "*point over"]:
    """Amounts inside their ranges: the hue, an angle, wrapped, the others clipped."""
    low, high = box(over)
    wrapped = torch.remainder(amounts - low, high - low) + low
    circular = torch.tensor([name == "hue" for name in over], device=amounts.device)
    return torch.where(circular, wrapped, amounts.clamp(low, high))


def box(over: Sequence[str]) -> tuple[Float[Tensor, " over"], Float[Tensor, " over"]]:
    """The lowest and the highest amounts."""
    return tuple(torch.tensor([getattr(RANGES[name], end) for name in over]) for end in ("low", "high"))


def random_amounts(over: Sequence[str], count: int, seeds: Sequence[int]) -> Float[Tensor, "image {count} over"]:
    """Uniform amounts, for each image from its own seed."""
    low, high = box(over)
    shares = np.stack([np.random.default_rng(seed).random((count, len(over)), dtype=np.float32) for seed in seeds])
    return low + (high - low) * torch.from_numpy(shares)


def even_shares(count: int, dimensions: int, start: int = 0) -> Float[Tensor, "{count} {dimensions}"]:
    """Points that fill the unit cube evenly whatever their number: the additive recurrence whose steps are powers of
    the root of x^(dimensions + 1) = x + 1 (the golden ratio in one dimension). The first ``start`` are left out."""
    root = 2.0
    for _ in range(50):
        root = (1 + root) ** (1 / (dimensions + 1))
    steps = root ** -np.arange(1, dimensions + 1)
    return torch.from_numpy(((0.5 + np.arange(start + 1, start + count + 1)[:, None] * steps) % 1).astype(np.float32))
