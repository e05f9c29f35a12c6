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
    reach = min(int(TRUNCATE * sigma + 0.5), *planes.shape[1:])
    offsets = torch.arange(-reach, reach + 1, dtype=planes.dtype, device=planes.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum())[None, None, None]
    for dim in (1, 2):
        low, high = planes.narrow(dim, 0, reach).flip(dim), planes.narrow(dim, planes.shape[dim] - reach, reach).flip(dim)
        planes = torch.cat([low, planes, high], dim)
    return F.conv2d(F.conv2d(planes[:, None], kernel), kernel.mT)[:, 0]
