"""The pixels of one category, gathered picture by picture, so that no map outlives its own picture.

A category of 2,000 pictures of 518 x 518 pixels has two gigabytes of scores. Here they are held once: the normal ones
picture by picture (`sorted_scores`), packed where there are many, the anomalous ones, which are few, beside them. All
are ranked in bands, from the lowest scores to the highest, so that never more than a band of them is unfolded.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from torch import Tensor

from ..base.freed import give_back
from .arena import Arena
from .sorted_scores import ORDERS, SortedScores, counted_below, orders

AT_ONCE, OF_EACH = 2**20, 2**11
"""How many normal scores are sorted at once, for the sake of memory, and how many of each picture, if that is more."""
PER_SORTED, CALL = 10, 100
"""Looking a number up in sorted scores takes as long as sorting so many, and a call as long as looking so many up."""
MANY = 2**26
"""From how many normal scores on they are packed, and the system is asked to take back what lies between them."""

Picture = Float[Tensor, "..."] | Float[np.ndarray, "..."] | np.generic
Truth = Bool[Tensor, "..."] | Bool[np.ndarray, "..."] | np.generic


def numbered_regions(
    mask: Bool[np.ndarray, "height width"],
) -> tuple[Int[np.ndarray, "height width"], int]:
    """The regions of a mask, its 8-connected components, numbered from 1, with 0 elsewhere; and their number. Raises
    ValueError for what is no mask (height, width)."""
    if mask.ndim != 2:
        raise ValueError(
            f"Expected masks (height, width), whose regions can be told apart, got {tuple(mask.shape)}; give maps and "
            "masks as (image, height, width)."
        )
    found = ndimage.label(mask, np.ones((3, 3), dtype=bool))
    return cast(tuple[np.ndarray, int], found)  # scipy gives the number alone where told to


class Pooled(NamedTuple):
    """All pixels of a category: the ``anomalous`` scores, ascending, for each 1 / (pixels of its region x number of
    regions), how many normal scores are lower (``below``) and how many are no higher (``up_to``); of the ``normals``
    normal ones how many exceed each of ``steps``."""

    anomalous: Float[np.ndarray, " anomalous"]
    shares: Float[np.ndarray, " anomalous"]
    below: Int[np.ndarray, " anomalous"]
    up_to: Int[np.ndarray, " anomalous"]
    normals: int
    steps: Float[np.ndarray, " step"]
    exceeding: Int[np.ndarray, " step"]


class PixelScores:
    """Scores of normal and of anomalous pixels, and which region each of the latter belongs to.

    A region is an 8-connected component of one mask.
    """

    def __init__(self):
        self._normal: list[SortedScores] = []
        self._normals = 0
        self._anomalous: list[np.ndarray] = []
        self._regions: list[np.ndarray] = []
        self._arena, self._few, self._of_regions = Arena(), Arena(), Arena()
        self._found = 0
        self._kind = np.dtype(np.float32)
        self._given_away = False

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self._normal)

    def add(self, scores: Picture, truth: Truth) -> tuple[np.ndarray, np.ndarray]:
        """Take in one picture: its map, larger = more anomalous, and its mask, both of shape (height, width). Returns
        its normal and its anomalous scores, ascending.

        Raises ValueError for a NaN or infinite score and for differing shapes, TypeError for a mask that is not bool;
        the message gives the picture's number. Raises RuntimeError after `pooled`.
        """
        self._refuse_given_away()
        scores, truth = checked_picture(scores, truth, len(self))
        own = scores[truth]
        normal, order = np.sort(scores[~truth] if own.size else scores, axis=None), np.argsort(own, kind="stable")
        kind = np.result_type(self._kind, scores.dtype if scores.dtype.kind == "f" else np.float64)
        if kind != self._kind and len(self):
            self._kind = kind
            self._hold_anew()
            self._anomalous = [held.astype(kind) for held in self._anomalous]
        self._kind = kind
        normal, own = normal.astype(kind, copy=False), own[order].astype(kind)
        for part in (normal, own):
            part += kind.type(0)  # no -0
        few = self._normals < MANY
        self._normals += len(normal)
        if few and self._normals >= MANY:
            self._hold_anew()
        self._normal.append(self._held(normal))
        self._anomalous.append(own := self._few.keep(own))
        if own.size:
            labels, count = numbered_regions(truth)
            self._regions.append(self._of_regions.keep(labels[truth][order] + (self._found - 1)))
            self._found += count
        return normal, own

    def tidy(self) -> None:
        """Give the system back what was freed while pictures were added, where there are `MANY` scores."""
        if self._normals >= MANY:
            give_back()

    def pictures(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The normal and the anomalous scores of each picture, ascending. Raises RuntimeError after `pooled`."""
        self._refuse_given_away()
        for normal, anomalous in zip(self._normal, self._anomalous):
            yield normal.values(), anomalous

    def normal(self, step: int = 1) -> list[np.ndarray]:
        """Of each picture every so many of its normal scores, ascending. Raises RuntimeError after `pooled`."""
        self._refuse_given_away()
        return [normal.every(step) for normal in self._normal]

    def anomalous(self) -> list[np.ndarray]:
        """The anomalous scores of each picture, ascending. Raises RuntimeError after `pooled`."""
        self._refuse_given_away()
        return list(self._anomalous)

    def pixels(self) -> int:
        """How many there are. Raises RuntimeError after `pooled`."""
        self._refuse_given_away()
        return self._normals + sum(map(len, self._anomalous))

    def extremes(self) -> tuple[float, float]:
        """The lowest and the highest score. Raises RuntimeError after `pooled`."""
        self._refuse_given_away()
        ends = [
            normal.values(place, place + 1) for normal in self._normal for place in (0, len(normal) - 1) if len(normal)
        ]
        ends = np.concatenate(ends + [own[[0, -1]] for own in self._anomalous if own.size])
        return float(ends.min()), float(ends.max())

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

    def pooled(self, steps: Float[np.ndarray, " step"] | Sequence[float] = ()) -> Pooled:
        """All scores ranked. Their pictures are forgotten, so nothing can be added or asked for afterwards.

        Raises RuntimeError when called again.
        """
        self._refuse_given_away()
        self._given_away = True
        self.tidy()
        anomalous = np.concatenate(self._anomalous or [np.empty(0, self._kind)])
        self._anomalous.clear()
        self._few = Arena()
        order = np.argsort(anomalous)
        anomalous = anomalous[order]
        kind = np.uint16 if self._found <= 2**16 else np.int32
        regions = np.concatenate(self._regions or [np.empty(0, kind)], dtype=kind, casting="unsafe")
        self._regions.clear()
        self._of_regions = Arena()
        regions = regions[order]
        del order
        steps = np.sort(np.asarray(steps, self._kind))
        (below, ties), (not_lower, tied) = self._counts(anomalous, steps)
        normals = self._normals
        self._normal.clear()
        self._arena = Arena()
        up_to, not_above = below + ties, not_lower + tied
        shares = 1 / (np.bincount(regions) * self._found)[regions] if len(regions) else np.empty(0)
        return Pooled(anomalous, shares, below, up_to, normals, steps[::-1], normals - not_above[::-1])

    def _counts(self, *asked: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """How many normal scores are lower than each of some ascending numbers, and how many are the same."""
        kind = np.int32 if 2 * self._normals < 2**31 else np.int64
        found = [(np.zeros(len(numbers), kind), np.zeros(len(numbers), np.uint8)) for numbers in asked]
        count, at_once = np.zeros(ORDERS, np.int64), self._at_once()
        for normal in self._normal:
            own, lengths = normal.runs()
            count[own] += lengths
        up_to = np.cumsum(count)
        bands = np.append(np.flatnonzero(np.diff((up_to - count) // at_once, prepend=-1)), ORDERS)
        places = np.array([normal.places(bands) for normal in self._normal], int).reshape(-1, len(bands))
        edges = [_below(numbers, bands) for numbers in asked]
        for number, lower in enumerate(np.append(0, up_to)[bands[:-1]]):
            own = [slice(*edge[number : number + 2]) for edge in edges]
            for (below, _), part in zip(found, own):
                below[part] = lower
            if any(part.start < part.stop for part in own):
                self._count_band(places[:, number], places[:, number + 1], asked, own, found)
        return found

    def _count_band(
        self,
        start: np.ndarray,
        stop: np.ndarray,
        asked: Sequence[np.ndarray],
        parts: Sequence[slice],
        found: list[tuple[np.ndarray, np.ndarray]],
    ) -> None:
        """Count what stands between two places of each picture beside the parts of the numbers that lie there."""
        lengths = stop - start
        few = len(lengths) * (sum(part.stop - part.start for part in parts) + CALL) * PER_SORTED < lengths.sum()
        for scores in self._in_turn(start, stop) if few else self._sorted(start, stop):
            for place, part in enumerate(parts):
                for first in range(part.start, part.stop, AT_ONCE):
                    piece = slice(first, min(first + AT_ONCE, part.stop))
                    found[place] = _counted_among(scores, asked[place], *found[place], piece)

    def _held(self, ascending: np.ndarray) -> SortedScores:
        return SortedScores(ascending, self._arena if self._normals >= MANY else None)

    def _hold_anew(self) -> None:
        """Hold what is held in another way: packed, or in another precision."""
        self._arena = Arena()
        for number, held in enumerate(self._normal):
            self._normal[number] = self._held(held.values().astype(self._kind, copy=False))
        self.tidy()

    def _in_turn(self, first: np.ndarray, stop: np.ndarray) -> Iterator[np.ndarray]:
        """What stands between two places of each picture, one picture after the other, ascending."""
        for number in np.flatnonzero(stop > first):
            yield self._normal[number].values(int(first[number]), int(stop[number]))

    def _sorted(self, first: np.ndarray, stop: np.ndarray) -> Iterator[np.ndarray]:
        """What stands between two places of each picture, some pictures at once, ascending."""
        lengths = stop - first
        parts = np.cumsum(lengths) // self._at_once()
        sizes = np.bincount(parts, lengths).astype(int) if len(parts) else np.zeros(0, int)
        room = np.empty(sizes.max(initial=0), self._kind)  # one for all parts
        for part in np.unique(parts):
            scores, filled = room[: sizes[part]], 0
            for number in np.flatnonzero((parts == part) & (lengths > 0)):
                own = self._normal[number].values(int(first[number]), int(stop[number]))
                scores[filled : filled + len(own)] = own
                filled += len(own)
            scores.sort()
            yield scores

    def _at_once(self) -> int:
        return max(AT_ONCE, OF_EACH * len(self._normal))

    def _refuse_given_away(self) -> None:
        if self._given_away:
            raise RuntimeError("These scores were pooled, so they no longer stand picture by picture; pool them last.")


def _counted_among(
    scores: np.ndarray, numbers: np.ndarray, below: np.ndarray, ties: np.ndarray, piece: slice
) -> tuple[np.ndarray, np.ndarray]:
    """How many scores are below a piece of the numbers, and how many are the same, beside those of others."""
    left, right = counted_below(scores, numbers[piece])
    below[piece] += left
    same = ties[piece] + (right - left)
    if same.max(initial=0) > np.iinfo(ties.dtype).max:
        ties = ties.astype(below.dtype)
    ties[piece] = same
    return below, ties


def _below(numbers: np.ndarray, bands: np.ndarray) -> np.ndarray:
    """How many ascending numbers have lower `orders` than each of some; a part of them at once for memory's sake."""
    found = np.zeros(len(bands), int)
    for first in range(0, len(numbers), AT_ONCE):
        found += np.searchsorted(orders(numbers[first : first + AT_ONCE]), bands)
    return found


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
