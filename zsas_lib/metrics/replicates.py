"""What a category's metrics would have been with other images: one value for each resample of a bootstrap.

Pixels are counted once (`bootstrap.counted`); a resample is a sum of images' counts, from which all rankings follow.
Within a bin that is no tie the order of pixels is not known: pairs count one half, precision is taken in the middle,
and PRO is linear. A bin holds at most 4 in 4,096 of the anomalous pixels, and about as much of all. For the images
themselves, each once, that moves AUROC and AUPRO by about 1e-6 and at most 5e-4, AP by about 1e-4 and F1-max by about
1e-4 and at most 2e-3; replicates by as much, of which `evaluation.evaluate` takes away what it is for the images
themselves.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

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
    normal, anomalous = (part.astype(float) for part in (counts.normal, counts.anomalous))

    def of(weights: Float[np.ndarray, "resample image"]) -> Values:
        regions = np.maximum(weights @ counts.regions, 1)[:, None]
        found = _of_counts(weights @ normal, weights @ anomalous, weights @ counts.shares / regions, counts.ties)
        found = {name if name == "aupro" else f"pixel_{name}": values for name, values in found.items()}
        f1 = found["pixel_f1_max"]
        return found | {"pixel_iou": f1 / (2 - f1)}

    return _in_parts(of, drawn)


def image_replicates(scores: Scores, labels: Labels, drawn: Weights) -> Values:
    """The image metrics of each resample, as `pixel_replicates`. Raises as `image_auroc`."""
    values, truth = (np.array(part) for part in checked(scores, labels))
    bins, places = np.unique(values, return_inverse=True)
    one_each = np.eye(len(bins))[places.reshape(-1)]

    def of(weights: Float[np.ndarray, "resample image"]) -> Values:
        found = _of_counts(weights[:, ~truth] @ one_each[~truth], weights[:, truth] @ one_each[truth])
        return {f"image_{name}": values for name, values in found.items()}

    return _in_parts(of, drawn)


def _in_parts(of: Callable[[np.ndarray], Values], drawn: Weights) -> Values:
    parts = [of(drawn[first : first + AT_ONCE].astype(float)) for first in range(0, len(drawn), AT_ONCE)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _of_counts(
    normal: Float[np.ndarray, "resample bin"],
    anomalous: Float[np.ndarray, "resample bin"],
    shares: Float[np.ndarray, "resample bin"] | None = None,
    ties: Bool[np.ndarray, " bin"] | None = None,
) -> Values:
    """AUROC, AP, F1-max and, of ``shares`` of regions that add up to 1, AUPRO, from counts in bins of rising scores.
    Within bins that are not ``ties`` (None: all are) normal and anomalous pixels lie evenly among each other."""
    hit = anomalous.any(axis=0)  # the only bins that any of these metrics gains in
    normals, positives = normal.sum(axis=1, keepdims=True), anomalous.sum(axis=1, keepdims=True)
    above = normals - np.cumsum(normal, axis=1)[:, hit]
    normal, anomalous = normal[:, hit], anomalous[:, hit]
    alarms, hits = above + normal, np.cumsum(anomalous[:, ::-1], axis=1)[:, ::-1]
    left = 0.0 if ties is None else np.where(ties[hit], 0.0, 0.5)  # what of a bin is not passed in its middle
    found_hits, found_alarms = hits - left * anomalous, alarms - left * normal
    one_class = (normals * positives)[:, 0] == 0
    with np.errstate(invalid="ignore", divide="ignore"):  # of one class only: nan below
        found = {
            "auroc": 1 - np.sum(anomalous * (above + alarms), axis=1) / (2 * normals * positives)[:, 0],
            "ap": np.sum(anomalous * _precision(found_hits, found_alarms), axis=1) / positives[:, 0],
            "f1_max": np.max(2 * hits / (positives + hits + alarms), axis=1, initial=0),
        }
        if shares is not None:
            start, end = above / normals, alarms / normals
            stop = np.minimum(end, FPR_LIMIT)
            run = np.maximum(stop - start, 0)
            lift = np.divide(run, end - start, out=np.zeros_like(run), where=end > start)
            found["aupro"] = np.sum(shares[:, hit] * (run * lift / 2 + (FPR_LIMIT - stop)), axis=1) / FPR_LIMIT
    return {name: np.where(one_class, np.nan, values) for name, values in found.items()}


def _precision(hits: np.ndarray, alarms: np.ndarray) -> np.ndarray:
    return np.divide(hits, hits + alarms, out=np.zeros_like(hits), where=hits > 0)
