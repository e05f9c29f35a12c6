"""Masks: which pixels of a picture are anomalous.

A mask is a picture, or an array of NumPy (.npy). Its levels are its grey values. Colours count by their largest
channel, a palette is looked up, transparency counts as normal: levels are multiplied by the alpha channel. An alpha
channel that is zero everywhere is ignored; where nothing but alpha shows anything, as in what is drawn in black on
nothing, alpha is the levels. An array may have channels first or last. A mask of one level beside zero is anomalous
where it is not zero. For all others, in whatever format, one of `MASK_RULES` decides:

half-maximum
    Above half of the highest level of its region, a region being a connected part of what lies above half of its own
    highest level; see `soft_masks`. Edges are where they were before smoothing, resizing or JPEG, and a region that is
    drawn in a weaker grade keeps its size. Flat parts of a grade of their own count whole, also where a stronger one
    touches them, and so do all levels of a mask of whole numbers below 32, which are numbers of kinds, not grey values.
half-of-file
    Above half of the highest level of the file. What is drawn in a weaker grade than that is normal.
nonzero
    Every level above zero. Smooth edges, and the ripples that JPEG leaves around what is drawn, are anomalous.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from ..base.errors import DataError, UnknownNameError
from .pictures import converted, decoded, is_deep, upright_size
from .soft_masks import above_half

MASK_RULES = ("half-maximum", "half-of-file", "nonzero")

_ARRAY = b"\x93NUMPY"  # how a file of NumPy begins


def read_mask(path: Path, rule: str = MASK_RULES[0]) -> Bool[Tensor, "height width"]:
    """The mask in ``path``, True where anomalous; ``rule`` is one of `MASK_RULES`, see the top of this module.

    :raises DataError: it is missing, truncated, too large, no picture or array of a mask's shape, or holds NaN,
        infinity or levels below zero.
    :raises UnknownNameError: the rule is none.
    """
    check_rule(rule)
    levels = mask_levels(path)
    highest = levels.max()
    if rule == "nonzero" or ((levels == 0) | (levels == highest)).all():
        found = levels > 0
    elif rule == "half-of-file":
        found = levels > highest / 2
    else:
        found = above_half(levels)
    return torch.from_numpy(found)


def check_rule(rule: str) -> None:
    """Raises UnknownNameError for a rule that is none."""
    if rule not in MASK_RULES:
        raise UnknownNameError("mask rule", rule, MASK_RULES)


def mask_levels(path: Path) -> Shaped[np.ndarray, "height width"]:
    """The levels of a mask, at least 0; raises DataError as `read_mask`."""
    levels = _array_levels(path) if _is_array(path) else _picture_levels(path)
    if levels.dtype == bool:
        levels = levels.astype(np.uint8)
    if not (np.isfinite(levels).all() and levels.min() >= 0):
        raise DataError(
            f"{path} holds NaN, infinity or values below zero, which say nothing of a pixel; expected 0 where it is "
            "normal and more where it is anomalous. Write the mask anew."
        )
    return levels


def mask_size(path: Path) -> tuple[int, int]:
    """Width and height of a mask, turned upright, without reading all of a picture; raises DataError as `read_mask`."""
    if not _is_array(path):
        return upright_size(path)
    height, width = _array_levels(path).shape
    return width, height


def _picture_levels(path: Path) -> np.ndarray:
    picture = decoded(path, single=True)
    if picture.mode in ("1", "L") and not picture.has_transparency_data or is_deep(picture):
        return np.array(picture)
    if not picture.has_transparency_data:
        return np.array(converted(picture, "RGB", path)).max(axis=-1)
    colours = np.array(converted(picture, "RGBA", path))
    colour, alpha = colours[..., :3].max(axis=-1), colours[..., 3]
    if not alpha.any() or alpha.min() == 255:
        return colour
    seen = colour.astype(np.float32) * (alpha.astype(np.float32) / 255)
    return seen if seen.any() or alpha.min() == alpha.max() else alpha


def _is_array(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_ARRAY)) == _ARRAY


def _array_levels(path: Path) -> np.ndarray:
    try:
        levels = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(
            f"{path} cannot be read as an array ({error}); it may be truncated. Copy or download it again."
        ) from error
    if levels.ndim == 3 and min(levels.shape[0], levels.shape[-1]) <= 4:
        levels = levels.max(axis=0 if levels.shape[0] <= 4 else -1)
    if levels.ndim != 2 or not levels.size or levels.dtype.kind not in "buif":
        raise DataError(
            f"{path} holds an array of {levels.dtype} and shape {levels.shape}; expected numbers or bool of (height, "
            "width), with or without up to 4 channels."
        )
    return levels
