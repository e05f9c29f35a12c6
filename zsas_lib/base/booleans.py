"""Masks that are to be bool: numbers count wrong silently in sums, and NaN is neither true nor false."""

import numpy as np
import torch
from torch import Tensor


def require_bool(masks: Tensor | np.ndarray) -> None:
    """Raises TypeError, which says how to make them so, for masks that are not bool."""
    if masks.dtype not in (torch.bool, np.dtype(bool)):
        raise TypeError(
            f"Expected bool masks, True where anomalous, got {masks.dtype}; compare with a level, such as masks > 0.5 "
            "(and look for NaN first, which exceeds none)."
        )
