"""Maps of patches at the size of pictures, enlarged bilinearly: where they are differentiated, one axis after the other
as products with the weights of its places, for torch's own takes five times as long there and back on a processor."""

from collections.abc import Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

PRODUCTS = (torch.float32, torch.float64)


def enlarged(
    planes: Float[Tensor, "batch plane rows columns"], size: Sequence[int], *, corners_aligned: bool = False
) -> Float[Tensor, "batch plane height width"]:
    """Planes at ``size`` (height, width), to rounding what `torch.nn.functional.interpolate` makes of them: with the
    middles of the outer patches at the corners, or the outer edges at the edges."""
    differentiated = planes.requires_grad and torch.is_grad_enabled() and not torch.compiler.is_compiling()
    on_processor = planes.device.type == "cpu" and planes.dtype in PRODUCTS and not torch.is_autocast_enabled("cpu")
    if not (differentiated and on_processor):
        return F.interpolate(planes, tuple(size), mode="bilinear", align_corners=corners_aligned)
    down, across = (
        _weights(old, new, corners_aligned, planes.dtype) for old, new in zip(planes.shape[-2:], size, strict=True)
    )
    return down @ planes @ across.T


@lru_cache(64)
def _weights(old: int, new: int, corners_aligned: bool, dtype: torch.dtype) -> Float[Tensor, "new old"]:
    with torch.inference_mode(False), torch.no_grad():
        rows = torch.eye(old, dtype=dtype)[None]
        return F.interpolate(rows, new, mode="linear", align_corners=corners_aligned)[0].T.contiguous()
