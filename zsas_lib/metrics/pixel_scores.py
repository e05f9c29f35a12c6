"""The pixels of one category, gathered picture by picture, so that no map outlives its own picture.

A category of 2,000 pictures of 518 x 518 pixels has two gigabytes of scores. Here they are held once: the normal ones
in one array that grows in place, picture after picture, and is sorted in place; the anomalous ones, which are few,
beside it.
"""

from collections.abc import Iterator
from typing import cast

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from torch import Tensor

Picture = Float[Tensor, "..."] | Float[np.ndarray, "..."] | np.generic
Truth = Bool[Tensor, "..."] | Bool[np.ndarray, "..."] | np.generic


def numbered_regions(
    mask: Bool[np.ndarray, "height width"],
) -> tuple[Int[np.ndarray, "height width"], int]:
    """The regions of a mask, its 8-connected components, numbered from 1, with 0 elsewhere; and their number."""
    found = ndimage.label(mask, np.ones((3, 3), dtype=bool))
    return cast(tuple[np.ndarray, int], found)  # scipy gives the number alone where told to


class PixelScores:
    """Scores of normal and of anomalous pixels, and which region each of the latter belongs to.

    A region is an 8-connected component of one mask.
    """

    def __init__(self):
        self._normal = np.empty(0, np.float32)
        self._ends = [0]
        self._anomalous: list[np.ndarray] = []
        self._regions: list[np.ndarray] = []
        self._found = 0
        self._given_away = False

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self._ends) - 1

    def add(self, scores: Picture, truth: Truth) -> None:
        """Take in one picture: its map, larger = more anomalous, and its mask, both of shape (height, width).

        Raises ValueError for a NaN or infinite score and for differing shapes, TypeError for a mask that is not bool;
        the message gives the picture's number. Raises RuntimeError after `pooled`.
        """
        self._refuse_given_away()
        scores, truth = checked_picture(scores, truth, len(self))
        own = scores[truth]
        others = scores[~truth] if own.size else scores.ravel()
        if others.dtype != self._normal.dtype:
            self._normal = self._normal.astype(np.result_type(self._normal, others) if self._ends[-1] else others.dtype)
        self._ends.append(self._ends[-1] + others.size)
        self._normal.resize(self._ends[-1], refcheck=False)
        self._normal[self._ends[-2] :] = others
        self._anomalous.append(own)
        if own.size:
            labels, count = numbered_regions(truth)
            self._regions.append(labels[truth] + (self._found - 1))
            self._found += count

    def pictures(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The normal and the anomalous scores of each picture. Raises RuntimeError after `pooled`."""
        self._refuse_given_away()
        for start, stop, anomalous in zip(self._ends, self._ends[1:], self._anomalous):
            yield self._normal[start:stop], anomalous

    def shares(self) -> Iterator[tuple[np.ndarray, int]]:
        """For each picture, 1 / pixels of its region for each anomalous score, and the number of its regions. Raises
        RuntimeError after `pooled`."""
        self._refuse_given_away()
        regions = iter(self._regions)
        for anomalous in self._anomalous:
            if not anomalous.size:
                yield np.empty(0), 0
                continue
            own = next(regions)
            sizes = np.bincount(own - own.min())
            yield 1 / sizes[own - own.min()], len(sizes)

    def pooled(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All normal scores; all anomalous scores, ascending; for each of these 1 / (pixels of its region x number of
        regions). The arrays are the caller's to sort in place, so nothing can be added or asked for afterwards.

        Raises RuntimeError when called again.
        """
        self._refuse_given_away()
        self._given_away = True
        anomalous = np.concatenate(self._anomalous or [self._normal[:0]])
        regions = np.concatenate(self._regions or [np.empty(0, np.int32)])
        self._anomalous.clear()
        self._regions.clear()
        sizes, order = np.bincount(regions), np.argsort(anomalous)
        return self._normal, anomalous[order], 1 / (sizes[regions[order]] * self._found)

    def _refuse_given_away(self) -> None:
        if self._given_away:
            raise RuntimeError("These scores were pooled, so they no longer stand picture by picture; pool them last.")


def checked_picture(scores: Picture, truth: Truth, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The scores and the ground truth of the picture of this number as arrays, half precision as float32.

    Raises ValueError for differing shapes and scores that are not finite, TypeError for ground truth that is not bool.
    """
    scores, truth = _array(scores), _array(truth)
    if scores.shape != truth.shape:
        raise ValueError(
            f"Image {number}: scores of shape {scores.shape}, but ground truth of shape {truth.shape}; "
            "resize one to the other first."
        )
    if truth.dtype != bool:
        raise TypeError(f"Image {number}: ground truth must be bool, got {truth.dtype}; compare it with 0 first.")
    if not np.isfinite(scores).all():
        raise ValueError(f"Image {number}: scores must be finite, got NaN or infinity; it cannot be ranked.")
    return scores, truth


def _array(values: Tensor | np.ndarray | np.generic) -> np.ndarray:
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = values.float() if values.is_floating_point() and values.element_size() < 4 else values
    values = np.asarray(values)
    return values.astype(np.float32) if values.dtype == np.float16 else values
