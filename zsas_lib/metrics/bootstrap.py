"""How far chance moves a category's metrics: a bootstrap over images, from one histogram per image.

All models that are measured on the same images with the same seed meet the same resamples, so that the replicates of
their metrics can be subtracted from each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int

from .pixel_scores import PixelScores
from .ranking import Maps, Masks, checked

QUANTILES_OF = 2**22
"""Of how many scores the bins of a bootstrap are quantiles: of more, every so many are looked at."""


def bootstrap_std(maps: Maps, masks: Masks, resamples: int = 200, seed: int = 0, bins: int = 4096) -> float:
    """Standard error of `pixel_auroc` by a bootstrap over images: its standard deviation over ``resamples`` samples
    of as many images, drawn with replacement. Resamples that hold one class only are left out; nan with fewer than
    two others. A single image has no spread: 0 up to rounding.

    The pixels of each image are counted once, in ``bins`` bins: every other one holds a quantile of all scores or of
    the anomalous ones and nothing else, the rest what lies between. Only pairs within a bin are taken for ties, which
    moves the AUROC of all images by at most 2 / (``bins`` - 2), in practice by about 1e-6, and the standard error by
    about 1e-5 of itself. Of more than `QUANTILES_OF` scores the quantiles are those of every so many.

    Raises ValueError for fewer than 2 resamples or 4 bins; other input and errors as in `pixel_auroc`.

    >>> right = torch.linspace(0, 1, 100).reshape(10, 10)
    >>> maps = torch.stack([right, 1 - right])
    >>> masks = torch.stack([right > 0.8, right > 0.8])
    >>> zsas.metrics.bootstrap_std(maps, masks) > 0.3
    True
    """
    _refuse_options(resamples, bins)
    return _spread(*_wins(*checked(maps, masks), bins), resamples, seed)


@dataclass(frozen=True)
class Counts:
    """A category's pixels, counted in bins of rising scores: the normal and the anomalous ones of each image, what
    share of regions the latter are (1 / pixels of its region each), and how many regions each image has. The pixels in
    a bin of ``ties`` all have one score; in another one their order is not known."""

    normal: Int[np.ndarray, "image bin"]
    anomalous: Int[np.ndarray, "image bin"]
    shares: Float[np.ndarray, "image bin"]
    regions: Int[np.ndarray, " image"]
    ties: Bool[np.ndarray, " bin"]


def counted(pixels: PixelScores, bins: int = 4096, pictures: Sequence[int] | None = None) -> Counts:
    """The counts of a category that was gathered picture by picture, before `gathered_metrics`; the bins are those of
    `bootstrap_std`. ``pictures`` has the number of each gathered piece's picture, from 0, where pictures were cut.

    Raises RuntimeError after it, ValueError for fewer than 4 bins.
    """
    _refuse_options(2, bins)
    edges = _edges(pixels, bins)
    ties = edges[1:] == np.nextafter(edges[:-1], np.inf)
    normal, anomalous = _histograms(pixels, edges)
    shares, regions = np.zeros(anomalous.shape), []
    for image, (scores, (weights, number)) in enumerate(zip(pixels.anomalous(), pixels.shares())):
        places = np.searchsorted(edges, scores, side="right") - 1
        shares[image] = np.bincount(places, weights, minlength=len(edges) - 1)[: len(edges) - 1]
        regions.append(number)
    parts = [normal, anomalous, shares, np.array(regions)]
    if pictures is not None:
        pieces_of = np.eye(max(pictures) + 1, dtype=np.int32)[:, list(pictures)]
        parts = [pieces_of @ part for part in parts]
    return Counts(*parts, ties=ties)


def counts_std(counts: Counts, resamples: int = 200, seed: int = 0) -> float:
    """`bootstrap_std` of what was `counted`. Raises ValueError for fewer than 2 resamples."""
    _refuse_options(resamples, 4)
    return _spread(*_compared(counts.normal, counts.anomalous), resamples, seed)


@lru_cache(maxsize=32)
def resampled(images: int, resamples: int, seed: int) -> Int[np.ndarray, "resample image"]:
    """How often each image is in each of ``resamples`` samples of as many images, drawn with replacement; to be read,
    for it is drawn once for all who ask."""
    drawn = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=resamples)
    drawn.flags.writeable = False
    return drawn


def _refuse_options(resamples: int, bins: int) -> None:
    if resamples < 2 or bins < 4:
        raise ValueError(f"Expected at least 2 resamples and 4 bins, got {resamples} and {bins}.")


def _spread(wins: np.ndarray, normals: np.ndarray, anomalous: np.ndarray, resamples: int, seed: int) -> float:
    """The standard deviation of the AUROC over resampled images, of what `_compared` counts."""
    drawn = resampled(len(wins), resamples, seed)
    comparisons = (drawn @ normals) * (drawn @ anomalous)
    won = np.sum((drawn @ wins) * drawn, axis=1)
    aurocs = won[comparisons > 0] / comparisons[comparisons > 0]
    return float(np.std(aurocs, ddof=1)) if len(aurocs) > 1 else float("nan")


def _wins(
    maps: list[Float[np.ndarray, "_ _"]], masks: list[Bool[np.ndarray, "_ _"]], bins: int
) -> tuple[Float[np.ndarray, "image image"], Int[np.ndarray, " image"], Int[np.ndarray, " image"]]:
    """`_compared` of maps and masks."""
    pixels = PixelScores()
    for scores, mask in zip(maps, masks):
        pixels.add(scores, mask)
    return _compared(*_histograms(pixels, _edges(pixels, bins)))


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
    found = np.empty((2, len(pixels), len(edges) - 1), np.int32)
    for image, kinds in enumerate(pixels.pictures()):
        for kind, scores in enumerate(kinds):
            found[kind, image] = np.diff(np.searchsorted(scores, edges))
    return found[0], found[1]


def _compared(
    normal: Int[np.ndarray, "image bin"], anomalous: Int[np.ndarray, "image bin"]
) -> tuple[Float[np.ndarray, "image image"], Int[np.ndarray, " image"], Int[np.ndarray, " image"]]:
    """How many pairs of a normal pixel of one image (row) and an anomalous one of another (column) are ranked right,
    and how many pixels of either class each image has."""
    beaten = np.cumsum(normal, axis=1, dtype=float)
    beaten -= normal / 2  # normal pixels that an anomalous one in this bin outscores
    return beaten @ anomalous.T.astype(float), normal.sum(axis=1), anomalous.sum(axis=1)
