"""What a category's metrics would have been with other images: one value for each resample of a bootstrap.

Pixels are counted once (`bootstrap.counted`); a resample is a sum of images' counts, from which all rankings follow.
Within a bin that is no tie the order of pixels is not known: pairs count one half, precision is taken in the middle,
and PRO is linear. A bin holds at most 4 in 4,096 of the anomalous pixels, and about as much of all. For the images
themselves, each once, that moves AUROC and AUPRO by about 1e-6 and at most 5e-4, AP by about 1e-4 and F1-max by about
1e-4 and at most 2e-3; replicates by as much, of which `evaluation.evaluate` takes away what it is for the images
themselves.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ..base.threads import one_blas_thread
from .aupro import FPR_LIMIT
from .bootstrap import Counts
from .ranking import Labels, Scores, checked

AT_ONCE = 50
"""Of how many resamples the sums are held at once, for the sake of memory."""

Weights = Int[np.ndarray, "resample image"]
Values = dict[str, Float[np.ndarray, " resample"]]


def pixel_replicates(counts: Counts, drawn: Weights) -> Values:
    """The pixel metrics of each resample, by name; nan where it holds one class only.

    ``drawn`` says how often each image is in it (`bootstrap.resampled`); ones for all give the metrics themselves. The
    legacy AUPRO has none, as it does not follow from a ranking.
    """
    ranked = Ranked.of(counts.normal, counts.anomalous)
    shares, ties = counts.shares[:, ranked.bins], counts.ties[ranked.bins]

    def of(weights: Float[np.ndarray, "resample image"]) -> Values:
        regions = np.maximum(weights @ counts.regions, 1)[:, None]
        found = _of_counts(ranked.drawn(weights), weights @ shares / regions, ties)
        found = {name if name == "aupro" else f"pixel_{name}": values for name, values in found.items()}
        f1 = found["pixel_f1_max"]
        return found | {"pixel_iou": f1 / (2 - f1)}

    return _in_parts(of, drawn)


def image_replicates(scores: Scores, labels: Labels, drawn: Weights) -> Values:
    """The image metrics of each resample, as `pixel_replicates`. Raises as `image_auroc`."""
    values, truth = (np.array(part) for part in checked(scores, labels))
    bins, places = np.unique(values, return_inverse=True)
    one_each = np.eye(len(bins))[places.reshape(-1)]
    ranked = Ranked.of(one_each * ~truth[:, None], one_each * truth[:, None])

    def of(weights: Float[np.ndarray, "resample image"]) -> Values:
        return {f"image_{name}": values for name, values in _of_counts(ranked.drawn(weights)).items()}

    return _in_parts(of, drawn)


def _in_parts(of: Callable[[np.ndarray], Values], drawn: Weights) -> Values:
    with one_blas_thread():
        parts = [of(drawn[first : first + AT_ONCE].astype(float)) for first in range(0, len(drawn), AT_ONCE)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class Ranked(NamedTuple):
    """Counts of images, or of resamples, in the bins that have anomalous ones, the only ones that any metric gains in:
    ``normal`` and ``anomalous`` ones there, normal ones ``above``, anomalous ones there and above (``hits``), and all
    of either class. All are sums over images, so that those of a resample are sums of its images'."""

    bins: Int[np.ndarray, " bin"]
    normal: Float[np.ndarray, "sample bin"]
    above: Float[np.ndarray, "sample bin"]
    anomalous: Float[np.ndarray, "sample bin"]
    hits: Float[np.ndarray, "sample bin"]
    normals: Float[np.ndarray, "sample one"]
    positives: Float[np.ndarray, "sample one"]

    @classmethod
    def of(
        cls,
        normal: Int[np.ndarray, "image bin"] | Float[np.ndarray, "image bin"],
        anomalous: Int[np.ndarray, "image bin"] | Float[np.ndarray, "image bin"],
    ) -> "Ranked":
        """The counts of images, from those in all bins of rising scores."""
        bins = np.flatnonzero(anomalous.any(axis=0))
        totals = [part.sum(axis=1, keepdims=True, dtype=float) for part in (normal, anomalous)]
        above = totals[0] - np.cumsum(normal, axis=1, dtype=float)[:, bins]
        normal, anomalous = (part[:, bins].astype(float) for part in (normal, anomalous))
        hits = np.cumsum(anomalous[:, ::-1], axis=1)[:, ::-1]
        return cls(bins, normal, above, anomalous, hits, *totals)

    def drawn(self, weights: Float[np.ndarray, "resample image"]) -> "Ranked":
        """Those of resamples, of which ``weights`` say how often each image is in them."""
        return Ranked(self.bins, *(weights @ part for part in self[1:]))


def _of_counts(
    counts: Ranked,
    shares: Float[np.ndarray, "resample bin"] | None = None,
    ties: Bool[np.ndarray, " bin"] | None = None,
) -> Values:
    """AUROC, AP, F1-max and, of ``shares`` of regions that add up to 1, AUPRO, from counts of resamples. Within bins
    that are not ``ties`` (None: all are) normal and anomalous pixels lie evenly among each other."""
    _, normal, above, anomalous, hits, normals, positives = counts
    alarms = above + normal
    left = 0.0 if ties is None else np.where(ties, 0.0, 0.5)  # what of a bin is not passed in its middle
    found_hits, found_alarms = hits - left * anomalous, alarms - left * normal
    one_class = (normals * positives)[:, 0] == 0
    with np.errstate(invalid="ignore", divide="ignore"):  # of one class only: nan below
        precision = found_hits / np.maximum(found_hits + found_alarms, 0.5)  # without hits there may be no alarms
        found = {
            "auroc": 1 - np.sum(anomalous * (above + alarms), axis=1) / (2 * normals * positives)[:, 0],
            "ap": np.sum(anomalous * precision, axis=1) / positives[:, 0],
            "f1_max": np.max(2 * hits / (positives + hits + alarms), axis=1, initial=0),
        }
        if shares is not None:
            start, end = above / normals, alarms / normals
            stop = np.minimum(end, FPR_LIMIT)
            run = np.maximum(stop - start, 0)
            slope = run / np.maximum(end - start, 0.5 / normals)  # without normal ones in a bin there is no run
            found["aupro"] = np.sum(shares * (run * slope / 2 + (FPR_LIMIT - stop)), axis=1) / FPR_LIMIT
    return {name: np.where(one_class, np.nan, values) for name, values in found.items()}
