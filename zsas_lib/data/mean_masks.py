"""The mean of many masks, kept in the cache folder for the processes that follow.

A page of the book that sets a model beside the mean of other categories' masks reads hundreds of them, a millisecond
each, for that alone. What is found depends on nothing but the masks, the sizes of their pictures and the code that
reads them, which name the file, so that what is kept is never stale. Nothing is kept where the folder cannot be
written, and nobody misses a file that is removed.
"""

import hashlib
import io
import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from .cache import cache_folder, keep_last, put
from .dataset import AnomalyDataset, whole_mask
from .known_masks import MANY, looking
from .pictures import upright_size

KEPT_MEANS = 200
"""Of so many categories, the last ones."""
SUFFIX = ".npy"

Sizes = list[tuple[int, int]]


def mean_mask(dataset: AnomalyDataset, side: int) -> Float[Tensor, "{side} {side}"]:
    """What share of each cell of a grid is anomalous, in [0, 1]: the mean over the pictures, in float64. A mask smaller
    than the grid is repeated. Raises DataError for a mask that cannot be read or is not of its picture's size."""
    sizes = [upright_size(record.path) for record in dataset.records]
    file = _file(dataset, sizes, side)
    with suppress(OSError, ValueError, EOFError):
        kept = np.load(file, allow_pickle=False)
        if kept.shape == (side, side) and kept.dtype == np.float64:
            return torch.from_numpy(kept)
    masks = [whole_mask(record, size, dataset.mask_rule) for record, size in zip(dataset.records, sizes)]
    mean = torch.stack([F.interpolate(m[None, None].double(), (side, side), mode="area")[0, 0] for m in masks]).mean(0)
    if len(masks) >= MANY:
        written = io.BytesIO()
        np.save(written, mean.numpy())
        with suppress(OSError):
            put(file, written.getvalue())
            keep_last(file.parent.glob(f"*{SUFFIX}"), KEPT_MEANS)
    return mean


def _file(dataset: AnomalyDataset, sizes: Sizes, side: int) -> Path:
    code = Path(__file__).read_bytes()
    what = json.dumps([dataset.masks_digest, sizes, side, looking(), hashlib.sha256(code).hexdigest()])
    return cache_folder() / "masks" / f"{hashlib.sha256(what.encode()).hexdigest()[:32]}{SUFFIX}"
