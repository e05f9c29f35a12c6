"""Metrics of anomaly segmentation, for one category at a time.

All pixels of all images of a category, normal images included, are pooled into one ranking; a data set's number is
the unweighted mean over its categories. Every metric here follows from where each anomalous score stands among the
normal ones, so the scores of the two classes are sorted apart and their values alone, without indices. Only the
legacy AUPRO depends on more than the ranking.

All metrics are fractions in [0, 1], and nan where only one class is present: without an anomalous pixel (image) or
without a normal one there is nothing to rank. Scores are compared in the precision in which they come (half precision
as float32, without loss), counts and areas are float64.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .pixel_scores import PixelScores, Pooled, checked_picture
from .sorted_scores import counted_below

Maps: TypeAlias = (
    Float[Tensor, "image height width"]
    | Float[np.ndarray, "image height width"]
    | Sequence[Float[Tensor, "_ _"] | Float[np.ndarray, "_ _"]]
)
Masks: TypeAlias = (
    Bool[Tensor, "image height width"]
    | Bool[np.ndarray, "image height width"]
    | Sequence[Bool[Tensor, "_ _"] | Bool[np.ndarray, "_ _"]]
)
Scores: TypeAlias = Float[Tensor, " image"] | Float[np.ndarray, " image"]
Labels: TypeAlias = Bool[Tensor, " image"] | Bool[np.ndarray, " image"]


@dataclass(frozen=True)
class Ranking:
    """Where each anomalous score stands, in ascending order of the scores: one threshold each, at the score itself."""

    hits: Int[np.ndarray, " anomalous"]  # anomalous scores at least as high: true positives
    alarms: Int[np.ndarray, " anomalous"]  # normal scores at least as high: false positives
    above: Int[np.ndarray, " anomalous"]  # normal scores that are higher
    normals: int


def rank(normal: np.ndarray, anomalous: np.ndarray) -> Ranking:
    """Rank ascending scores."""
    kind = np.int32 if 2 * (len(normal) + len(anomalous)) < 2**31 else np.int64  # so that sums of two fit as well
    below, up_to = counted_below(normal, anomalous)
    return Ranking(
        hits=(len(anomalous) - np.searchsorted(anomalous, anomalous, side="left")).astype(kind),
        alarms=(len(normal) - below).astype(kind),
        above=(len(normal) - up_to).astype(kind),
        normals=len(normal),
    )


def ranking_of(found: Pooled) -> Ranking:
    """The ranking of a category that was gathered picture by picture."""
    anomalous = found.anomalous
    return Ranking(
        hits=(len(anomalous) - np.searchsorted(anomalous, anomalous, side="left")).astype(found.below.dtype),
        alarms=found.normals - found.below,
        above=found.normals - found.up_to,
        normals=found.normals,
    )


def measure(measure: Callable[[Ranking], float], normal: np.ndarray, anomalous: np.ndarray) -> float:
    if one_class(normal, anomalous):
        return float("nan")
    return measure(rank(np.sort(normal), np.sort(anomalous)))


def one_class(normal: np.ndarray, anomalous: np.ndarray) -> bool:
    return not (len(normal) and len(anomalous))


def auroc_of(ranking: Ranking) -> float:
    return float(1 - np.mean(ranking.above + ranking.alarms) / (2 * ranking.normals))


def average_precision_of(ranking: Ranking) -> float:
    return float(np.mean(ranking.hits / (ranking.hits + ranking.alarms)))


def f1_max_of(ranking: Ranking) -> float:
    return float(np.max(2 * ranking.hits / (len(ranking.hits) + ranking.hits + ranking.alarms)))


def iou_of(f1: float) -> float:
    return f1 / (2 - f1)


def gathered(maps: Maps, masks: Masks) -> PixelScores:
    refuse_counts(maps, masks)
    pixels = PixelScores()
    for scores, truth in zip(_in_memory(maps), _in_memory(masks)):
        pixels.add(scores, truth)
    return pixels


def pooled(scores: list[np.ndarray], truth: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The scores of all normal and of all anomalous pixels (images), as fresh arrays."""
    normal = [score[~true] if true.any() else score.ravel() for score, true in zip(scores, truth)]
    return np.concatenate(normal), np.concatenate([score[true] for score, true in zip(scores, truth)])


def checked(
    scores: Maps | Scores, truth: Masks | Labels
) -> tuple[list[Float[np.ndarray, "..."]], list[Bool[np.ndarray, "..."]]]:
    """One array per image of each, checked."""
    refuse_counts(scores, truth)
    pairs = zip(_in_memory(scores), _in_memory(truth))
    pictures = [checked_picture(score, true, number) for number, (score, true) in enumerate(pairs)]
    return [score for score, _ in pictures], [true for _, true in pictures]


def _in_memory(values: Maps | Masks | Scores | Labels) -> Maps | Masks | Scores | Labels:
    """Values of a device all at once, so that it is waited for once and not for each picture."""
    return values.detach().cpu() if isinstance(values, Tensor) else values


def refuse_counts(scores: Maps | Scores, truth: Masks | Labels) -> None:
    if len(scores) != len(truth) or not len(scores):
        raise ValueError(f"Expected scores and ground truth of as many images, got {len(scores)} and {len(truth)}.")
