"""How far chance moves a category's metrics: a bootstrap over images, from one histogram per image.

All models that are measured on the same images with the same seed meet the same resamples, so that the replicates of
their metrics can be subtracted from each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array, vstack

from ..base.options import is_whole
from .pixel_scores import PixelScores
from .ranking import Labels, Maps, Masks, Scores, checked

AT_ONCE = 256
"""Of how many images the counts are numbers with fractions at once, for the sake of memory."""
QUANTILES_OF = 2**20
"""Of how many scores the bins of a bootstrap are quantiles: of more, every so many are looked at."""


def bootstrap_std(maps: Maps, masks: Masks, resamples: int = 200, seed: int = 0, bins: int = 4096) -> float:
    """Standard error of `pixel_auroc` by a bootstrap over images: its standard deviation over ``resamples`` samples
    of as many images, drawn with replacement. Resamples that hold one class only are left out; nan with fewer than
    two others. A single image has no spread: 0 up to rounding.

    The pixels of each image are counted once, in ``bins`` bins: every other one holds a quantile of all scores or of
    the anomalous ones and nothing else, the rest what lies between. Only pairs within a bin are taken for ties, which
    moves the AUROC of all images by at most 2 / (``bins`` - 2), in practice by about 1e-6, and the standard error by
    about 1e-5 of itself. Of more than `QUANTILES_OF` scores the quantiles are those of every so many.

    Raises ValueError for fewer than 2 resamples or 4 bins and a seed below 0; other input and errors as `pixel_auroc`.

    >>> right = torch.linspace(0, 1, 100).reshape(10, 10)
    >>> maps = torch.stack([right, 1 - right])
    >>> masks = torch.stack([right > 0.8, right > 0.8])
    >>> zsas.metrics.bootstrap_std(maps, masks) > 0.3
    True
    """
    require_resamples(resamples, seed)
    _require_bins(bins)
    return _spread(_wins(*checked(maps, masks), bins), resamples, seed)


class Pairs(NamedTuple):
    """Pairs of a normal and an anomalous pixel: how many with the normal one in one image (row) and the anomalous one
    in another (column) are ranked right, ties counting one half, and how many of either class each image has."""

    right: Float[np.ndarray, "image image"]
    normal: Int[np.ndarray, " image"]
    anomalous: Int[np.ndarray, " image"]

    def aurocs(self, drawn: Int[np.ndarray, "resample image"]) -> Float[np.ndarray, " resample"]:
        """The AUROC of each resample, nan where it holds one class only. ``drawn`` says how often each image is in it:
        0 for those that are left out."""
        comparisons = (drawn @ self.normal) * (drawn @ self.anomalous)
        right = np.sum((drawn @ self.right) * drawn, axis=1)
        return np.divide(right, comparisons, out=np.full(len(drawn), np.nan), where=comparisons > 0)


@dataclass(frozen=True)
class Counts:
    """A category's pixels, counted in bins of rising scores: the normal and the anomalous ones of each image, what
    share of regions the latter are (1 / pixels of its region each), and how many regions each image has. The pixels in
    a bin of ``ties`` all have one score; in another one their order is not known."""

    normal: Int[np.ndarray, "image bin"]
    anomalous: Int[np.ndarray, "image bin"]
    shares: csr_array
    regions: Int[np.ndarray, " image"]
    ties: Bool[np.ndarray, " bin"]


def counted(pixels: PixelScores, bins: int = 4096, pictures: Sequence[int] | None = None) -> Counts:
    """The counts of a category that was gathered picture by picture, before `gathered_metrics`; the bins are those of
    `bootstrap_std`. ``pictures`` has the number of each gathered piece's picture, from 0, where pictures were cut.

    Raises RuntimeError after it, ValueError for fewer than 4 bins.
    """
    _require_bins(bins)
    edges = _edges(pixels, bins)
    ties = edges[1:] == np.nextafter(edges[:-1], np.inf)
    normal, anomalous = _histograms(pixels, edges)
    shares, regions = [], []
    for scores, (weights, number) in zip(pixels.anomalous(), pixels.shares()):
        places = np.searchsorted(edges, scores, side="right") - 1
        own = np.bincount(places, weights, minlength=len(edges) - 1)[: len(edges) - 1]
        shares.append(csr_array(own[None]))
        regions.append(number)
    parts = [normal, anomalous, vstack(shares, "csr"), np.array(regions)]
    if pictures is not None:
        pieces_of = csr_array(np.eye(max(pictures) + 1, dtype=np.int32)[:, list(pictures)])
        parts = [pieces_of @ part for part in parts]
    return Counts(*parts, ties=ties)


def pairs_of(counts: Counts) -> Pairs:
    """The pairs of pixels of what was `counted`."""
    return _compared(counts.normal, counts.anomalous)


def image_pairs(scores: Scores, labels: Labels) -> Pairs:
    """The pairs of images, by their scores. Raises as `image_auroc`."""
    values, truth = (np.array(part) for part in checked(scores, labels))
    right = (values > values[:, None]) + 0.5 * (values == values[:, None])
    return Pairs(right * (~truth[:, None] & truth), (~truth).astype(int), truth.astype(int))


@lru_cache(maxsize=32)
def resampled(images: int, resamples: int, seed: int) -> Int[np.ndarray, "resample image"]:
    """How often each image is in each of ``resamples`` samples of as many images, drawn with replacement; to be read,
    for it is drawn once for all who ask."""
    drawn = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=resamples)
    drawn.flags.writeable = False
    return drawn


def require_resamples(resamples: int, seed: int = 0) -> None:
    """Raises ValueError for fewer than 2 resamples, which have no spread, or a seed below 0."""
    if not is_whole(resamples, 2):
        raise ValueError(f"Expected at least 2 resamples, got {resamples!r}.")
    if not is_whole(seed, 0):
        raise ValueError(f"Expected a seed that is a whole number from 0 on, got {seed!r}.")


def _require_bins(bins: int) -> None:
    if not is_whole(bins, 4):
        raise ValueError(f"Expected at least 4 bins, got {bins!r}.")


def _spread(pairs: Pairs, resamples: int, seed: int) -> float:
    """The standard deviation of the AUROC over resampled images."""
    return deviation(pairs.aurocs(resampled(len(pairs.normal), resamples, seed)))


def deviation(replicates: Float[np.ndarray, " resample"]) -> float:
    """The standard deviation of replicates that are numbers; nan for fewer than two."""
    known = replicates[~np.isnan(replicates)]
    return float(np.std(known, ddof=1)) if len(known) > 1 else float("nan")


def _wins(maps: list[Float[np.ndarray, "_ _"]], masks: list[Bool[np.ndarray, "_ _"]], bins: int) -> Pairs:
    """The pairs of pixels of maps and masks."""
    pixels = PixelScores()
    for scores, mask in zip(maps, masks):
        pixels.add(scores, mask)
    return _compared(*_histograms(pixels, _edges(pixels, bins)))


def _compared(normal: Int[np.ndarray, "image bin"], anomalous: Int[np.ndarray, "image bin"]) -> Pairs:
    """The pairs of pixels that were counted in bins of rising scores."""
    images = [slice(first, first + AT_ONCE) for first in range(0, len(normal), AT_ONCE)]
    right = np.empty((len(normal), len(anomalous)))
    for rows in images:
        beaten = np.cumsum(normal[rows], axis=1, dtype=float)
        beaten -= normal[rows] / 2  # normal pixels that an anomalous one in this bin outscores
        for columns in images:
            right[rows, columns] = beaten @ anomalous[columns].T.astype(float)
    return Pairs(right, *(own.sum(axis=1, dtype=np.int64) for own in (normal, anomalous)))


def _edges(pixels: PixelScores, bins: int) -> np.ndarray:
    """Where bins begin and end: at quantiles of all scores, from lowest to highest, and of the anomalous ones, which
    may be few, and right above each."""
    step, anomalous = -(-pixels.pixels() // QUANTILES_OF), pixels.anomalous()
    hits, everything = (
        np.concatenate(anomalous),
        np.concatenate([*pixels.normal(step), *(own[::step] for own in anomalous)]),
    )
    of_hits = bins // 4 + 1 if len(hits) and bins >= 12 else 0
    quantiles = [_quantiles(everything, bins // 2 - of_hits), np.array(pixels.extremes(), everything.dtype)]
    if of_hits:
        quantiles.append(_quantiles(hits[:: -(-len(hits) // QUANTILES_OF)], of_hits))
    lower = np.unique(np.concatenate(quantiles))
    return np.sort(np.concatenate([lower, np.nextafter(lower, np.inf)]))


def _quantiles(scores: np.ndarray, count: int) -> np.ndarray:
    """So many scores between which equally many lie, from the lowest to the highest."""
    scores.sort()
    return scores[np.linspace(0, len(scores) - 1, count).astype(int)]


def _histograms(
    pixels: PixelScores, edges: np.ndarray
) -> tuple[Int[np.ndarray, "image bin"], Int[np.ndarray, "image bin"]]:
    """How many of each picture's normal, and of its anomalous scores are in each bin."""
    found = np.empty((2, len(pixels), len(edges) - 1), np.int16)  # hundreds, if scores are not the same
    for image, kinds in enumerate(pixels.pictures()):
        for kind, scores in enumerate(kinds):
            own = np.diff(np.searchsorted(scores, edges))
            if own.max(initial=0) > np.iinfo(found.dtype).max:
                found = found.astype(np.int32)
            found[kind, image] = own
    return found[0], found[1]
