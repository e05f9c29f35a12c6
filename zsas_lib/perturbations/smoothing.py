"""Gaussian smoothing of maps and pictures, as scipy's `gaussian_filter` does it, differentiable and in batches."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

TRUNCATE = 4
"""Standard deviations after which the kernel is cut."""


def gaussian_smoothed(planes: Float[Tensor, "plane height width"], sigma: float) -> Float[Tensor, "plane height width"]:
    """Every plane smoothed with ``sigma`` pixels; edges are mirrored, the edge pixel repeated. 0 changes nothing."""
    if not sigma:
        return planes
    reach = int(TRUNCATE * sigma + 0.5)
    offsets = torch.arange(-reach, reach + 1, dtype=planes.dtype, device=planes.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum())[None, None, None]
    for dim in (1, 2):
        size = planes.shape[dim]
        places = torch.arange(-reach, size + reach, device=planes.device) % (2 * size)
        planes = planes.index_select(dim, torch.minimum(places, 2 * size - 1 - places))
    return F.conv2d(F.conv2d(planes[:, None], kernel), kernel.mT)[:, 0]
