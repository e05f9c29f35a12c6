"""Metrics of anomaly segmentation, for one category at a time.

All pixels of all images of a category, normal images included, are pooled into one ranking; a data set's number is
the unweighted mean over its categories. Every metric here follows from where each anomalous score stands among the
normal ones, so the scores of the two classes are sorted apart and their values alone, without indices. Only the
legacy AUPRO depends on more than the ranking.

All metrics are fractions in [0, 1], and nan where only one class is present: without an anomalous pixel (image) or
without a normal one there is nothing to rank. Scores are compared in the precision in which they come (half precision
as float32, without loss), counts and areas are float64.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .pixel_scores import PixelScores, checked_picture

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

QUANTILES_OF = 2**24
"""Of how many scores the bins of a bootstrap are quantiles: of more, every so many are looked at."""
AT_ONCE = 2**21
"""How many anomalous pixels the area under a curve is taken of at once, for the sake of memory."""


def pixel_auroc(maps: Maps, masks: Masks) -> float:
    """Area under the ROC curve of all pixels: the chance that an anomalous pixel outscores a normal one.

    ``maps`` are the anomaly maps of one category's images, larger = more anomalous, and ``masks`` their bool ground
    truth: two tensors or arrays of shape (image, height, width), or two lists of (height, width) for images of
    several sizes, which are pooled alike. Ties count one half (the trapezoid rule), so a constant map has 0.5.

    Raises ValueError for a NaN or infinite map (naming the image), for differing shapes and for no image at all, and
    TypeError for masks that are not bool. All pixel metrics take and raise the same.
    """
    return _measure(_auroc, *_pooled(*_checked(maps, masks)))


def average_precision(maps: Maps, masks: Masks) -> float:
    """Average precision of all pixels: the sum over thresholds of recall gained times precision, not interpolated.

    Tied pixels pass a threshold together; a constant map has the share of anomalous pixels. Input and errors as in
    `pixel_auroc`.
    """
    return _measure(_average_precision, *_pooled(*_checked(maps, masks)))


def f1_max(maps: Maps, masks: Masks) -> float:
    """Largest F1 = 2PR/(P+R) of all pixels over all thresholds, each an observed score.

    The threshold is thus chosen on the test set itself. Calling everything anomalous gives 2p/(1+p), where p is the
    share of anomalous pixels, so no map, a constant one included, has less. Input and errors as in `pixel_auroc`.
    """
    return _measure(_f1_max, *_pooled(*_checked(maps, masks)))


def iou_at_f1_max(maps: Maps, masks: Masks) -> float:
    """Intersection over union of the anomalous class at the threshold of `f1_max`.

    TP/(TP+FP+FN) equals F1/(2-F1), so this is the same finding on another scale; V prints both. Input and errors as
    in `pixel_auroc`.
    """
    return _iou(f1_max(maps, masks))


def aupro(maps: Maps, masks: Masks, fpr_limit: float = 0.3, thresholds: int | None = None) -> float:
    """Area under the per-region overlap curve up to a false positive rate of ``fpr_limit``, divided by that limit.

    A region is an 8-connected component of one mask. At a threshold, PRO is the mean over all the category's regions
    of the share of the region that lies above it, and FPR the share of all its normal pixels that do.

    ``thresholds=None`` is exact: every observed score is a threshold, and PRO is linear in FPR between two of them
    and up to the limit. A constant map has chance level, ``fpr_limit / 2``; a perfect one has 1.

    ``thresholds=200`` is the legacy number of AnomalyCLIP, APRIL-GAN, VCP-CLIP and others: that many thresholds
    evenly spaced from the smallest score to below the largest, strictly exceeded; those with FPR < ``fpr_limit`` are
    kept and their FPRs stretched to [0, 1] by their own extremes. It changes under monotone transforms of the maps
    (two outlier pixels suffice) and is nan when the kept FPRs do not differ, as for a constant or a perfect map.

    Raises ValueError for a limit outside (0, 1] or fewer than 2 thresholds; other input and errors as in
    `pixel_auroc`.
    """
    if not 0 < fpr_limit <= 1:
        raise ValueError(f"fpr_limit must lie in (0, 1], got {fpr_limit}; the field's choice is 0.3.")
    if thresholds is not None and thresholds < 2:
        raise ValueError(f"thresholds must be None (exact) or at least 2, got {thresholds}; legacy papers use 200.")
    normal, anomalous, shares = _gathered(maps, masks).pooled()
    if _one_class(normal, anomalous):
        return float("nan")
    if thresholds is not None:
        normal.sort()
        return _legacy_aupro(normal, anomalous, shares, fpr_limit, thresholds)

    count = len(normal)
    position = count - int(np.ceil(fpr_limit * count))
    normal.partition(position)
    cut = normal[position]  # normal pixels at or above it take FPR to the limit; what lies below adds no area
    ranking = _rank(np.sort(normal[normal >= cut]), anomalous[anomalous >= cut], normals=count)
    return _aupro(ranking, shares[anomalous >= cut], fpr_limit)


def pixel_metrics(maps: Maps, masks: Masks) -> dict[str, float]:
    """All pixel metrics of one category from one sort, each equal to its own function's.

    Keys: pixel_auroc, pixel_ap, pixel_f1_max, pixel_iou, aupro (exact, limit 0.3) and aupro_200 (legacy). Input and
    errors as in `pixel_auroc`.
    """
    return gathered_metrics(_gathered(maps, masks))


def gathered_metrics(pixels: PixelScores) -> dict[str, float]:
    """`pixel_metrics` of a category that was gathered picture by picture. It sorts the scores in place, so it comes after
    `gathered_bootstrap_std`. Raises RuntimeError when asked for again."""
    normal, anomalous, shares = pixels.pooled()
    if _one_class(normal, anomalous):
        return dict.fromkeys(("pixel_auroc", "pixel_ap", "pixel_f1_max", "pixel_iou", "aupro", "aupro_200"), np.nan)
    normal.sort()
    ranking = _rank(normal, anomalous)
    return {
        "pixel_auroc": _auroc(ranking),
        "pixel_ap": _average_precision(ranking),
        "pixel_f1_max": _f1_max(ranking),
        "pixel_iou": _iou(_f1_max(ranking)),
        "aupro": _aupro(ranking, shares, fpr_limit=0.3),
        "aupro_200": _legacy_aupro(normal, anomalous, shares, fpr_limit=0.3, thresholds=200),
    }


def image_auroc(scores: Scores, labels: Labels) -> float:
    """Area under the ROC curve of one category's image scores; ``labels`` are True for anomalous images.

    Ties count one half. Raises ValueError for a NaN or infinite score (naming the image), for differing shapes and
    for no image at all, and TypeError for labels that are not bool. All image metrics take and raise the same.
    """
    return _measure(_auroc, *_pooled(*_checked(scores, labels)))


def image_average_precision(scores: Scores, labels: Labels) -> float:
    """Average precision of one category's image scores, as `average_precision`; input as in `image_auroc`."""
    return _measure(_average_precision, *_pooled(*_checked(scores, labels)))


def image_f1_max(scores: Scores, labels: Labels) -> float:
    """Largest F1 of one category's image scores, as `f1_max`; input as in `image_auroc`."""
    return _measure(_f1_max, *_pooled(*_checked(scores, labels)))


def image_metrics(scores: Scores, labels: Labels) -> dict[str, float]:
    """All image metrics of one category: image_auroc, image_ap, image_f1_max; input as in `image_auroc`."""
    pooled = _pooled(*_checked(scores, labels))
    measures = {"image_auroc": _auroc, "image_ap": _average_precision, "image_f1_max": _f1_max}
    return {name: _measure(measure, *pooled) for name, measure in measures.items()}


def image_rates(scores: Scores, labels: Labels) -> dict[str, float]:
    """True positive and true negative rate, tpr and tnr, at the threshold of `image_f1_max`: an image is called
    anomalous whose score is at least that; of several thresholds with the largest F1 the highest. nan with one class
    only; input as in `image_auroc`."""
    normal, anomalous = _pooled(*_checked(scores, labels))
    if _one_class(normal, anomalous):
        return {"tpr": np.nan, "tnr": np.nan}
    anomalous = np.sort(anomalous)
    ranking = _rank(np.sort(normal), anomalous)
    f1 = 2 * ranking.hits / (len(ranking.hits) + ranking.hits + ranking.alarms)
    best = np.flatnonzero(f1 == f1.max())[-1]
    return {"tpr": float(ranking.hits[best] / len(anomalous)), "tnr": float(1 - ranking.alarms[best] / len(normal))}


def legacy_reach(maps: Maps, masks: Masks, fpr_limit: float = 0.3, thresholds: int = 200) -> float:
    """The largest false positive rate below ``fpr_limit`` that a threshold of the legacy AUPRO has.

    Where maps are nearly binary it is far below the limit, and the legacy AUPRO, which stretches it to the limit, is in
    truth an AUPRO up to this rate. Input and errors as in `pixel_auroc`, arguments as in `aupro`.
    """
    normal, anomalous = _pooled(*_checked(maps, masks))
    if _one_class(normal, anomalous):
        return float("nan")
    fpr = _legacy_fpr(np.sort(normal), np.sort(anomalous), thresholds)[1]
    return float(fpr[fpr < fpr_limit].max(initial=0.0))


def bootstrap_std(maps: Maps, masks: Masks, resamples: int = 200, seed: int = 0, bins: int = 4096) -> float:
    """Standard error of `pixel_auroc` by a bootstrap over images: its standard deviation over ``resamples`` samples
    of as many images, drawn with replacement. Resamples that hold one class only are left out; nan with fewer than
    two others. A single image has no spread: 0 up to rounding.

    The pixels of each image are counted once, in ``bins`` bins: every other one holds a quantile of the pooled scores
    and nothing else, the rest what lies between two. Only pairs within a bin are taken for ties, which moves the
    AUROC of all images by at most 2 / (``bins`` - 2), in practice by about 1e-6, and the standard error by about
    1e-5 of itself. Of more than `QUANTILES_OF` scores the quantiles are those of every so many.

    Raises ValueError for fewer than 2 resamples or 4 bins; other input and errors as in `pixel_auroc`.
    """
    _refuse_options(resamples, bins)
    return _spread(*_wins(*_checked(maps, masks), bins), resamples, seed)


def gathered_bootstrap_std(pixels: PixelScores, resamples: int = 200, seed: int = 0, bins: int = 4096) -> float:
    """`bootstrap_std` of a category that was gathered picture by picture, before `gathered_metrics`.

    Raises RuntimeError after it, ValueError for fewer than 2 resamples or 4 bins.
    """
    _refuse_options(resamples, bins)
    edges = _edges([scores for picture in pixels.pictures() for scores in picture], bins)
    normal, anomalous = (_histograms((picture[kind] for picture in pixels.pictures()), edges) for kind in (0, 1))
    return _spread(*_compared(normal, anomalous), resamples, seed)


def _refuse_options(resamples: int, bins: int) -> None:
    if resamples < 2 or bins < 4:
        raise ValueError(f"Expected at least 2 resamples and 4 bins, got {resamples} and {bins}.")


def _spread(wins: np.ndarray, normals: np.ndarray, anomalous: np.ndarray, resamples: int, seed: int) -> float:
    """The standard deviation of the AUROC over resampled images, of what `_compared` counts."""
    images = len(wins)
    drawn = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=resamples)
    comparisons = (drawn @ normals) * (drawn @ anomalous)
    won = np.sum((drawn @ wins) * drawn, axis=1)
    aurocs = won[comparisons > 0] / comparisons[comparisons > 0]
    return float(np.std(aurocs, ddof=1)) if len(aurocs) > 1 else float("nan")


def _wins(
    maps: list[Float[np.ndarray, "_ _"]], masks: list[Bool[np.ndarray, "_ _"]], bins: int
) -> tuple[Float[np.ndarray, "image image"], Int[np.ndarray, " image"], Int[np.ndarray, " image"]]:
    """`_compared` of maps and masks."""
    edges = _edges([scores.ravel() for scores in maps], bins)
    normal = _histograms((scores[~mask] for scores, mask in zip(maps, masks)), edges)
    return _compared(normal, _histograms((scores[mask] for scores, mask in zip(maps, masks)), edges))


def _edges(parts: list[np.ndarray], bins: int) -> np.ndarray:
    """Where bins begin and end: at quantiles of the pooled scores, and right above each, from the lowest to the highest."""
    parts = [part for part in parts if part.size]
    step = -(-sum(part.size for part in parts) // QUANTILES_OF)
    ends = [min(part.min() for part in parts), max(part.max() for part in parts)]
    pooled = np.sort(np.concatenate([*(part[::step] for part in parts), *([ends] if step > 1 else [])]))
    quantiles = np.unique(pooled[np.linspace(0, len(pooled) - 1, bins // 2).astype(int)])
    return np.sort(np.concatenate([quantiles, np.nextafter(quantiles, np.inf)]))


def _histograms(pictures: Iterable[np.ndarray], edges: np.ndarray) -> Int[np.ndarray, "image bin"]:
    return np.stack([np.diff(np.searchsorted(np.sort(scores), edges)).astype(np.int32) for scores in pictures])


def _compared(
    normal: Int[np.ndarray, "image bin"], anomalous: Int[np.ndarray, "image bin"]
) -> tuple[Float[np.ndarray, "image image"], Int[np.ndarray, " image"], Int[np.ndarray, " image"]]:
    """How many pairs of a normal pixel of one image (row) and an anomalous one of another (column) are ranked right,
    and how many pixels of either class each image has."""
    beaten = np.cumsum(normal, axis=1, dtype=float)
    beaten -= normal / 2  # normal pixels that an anomalous one in this bin outscores
    return beaten @ anomalous.T.astype(float), normal.sum(axis=1), anomalous.sum(axis=1)


@dataclass(frozen=True)
class _Ranking:
    """Where each anomalous score stands, in ascending order of the scores: one threshold each, at the score itself."""

    hits: Int[np.ndarray, " anomalous"]  # anomalous scores at least as high: true positives
    alarms: Int[np.ndarray, " anomalous"]  # normal scores at least as high: false positives
    above: Int[np.ndarray, " anomalous"]  # normal scores that are higher
    normals: int


def _rank(normal: np.ndarray, anomalous: np.ndarray, normals: int | None = None) -> _Ranking:
    """Rank ascending scores; ``normals`` is the number of normal scores where the lowest were left out."""
    kind = np.int32 if 2 * (len(normal) + len(anomalous)) < 2**31 else np.int64  # so that sums of two fit as well
    return _Ranking(
        hits=(len(anomalous) - np.searchsorted(anomalous, anomalous, side="left")).astype(kind),
        alarms=(len(normal) - np.searchsorted(normal, anomalous, side="left")).astype(kind),
        above=(len(normal) - np.searchsorted(normal, anomalous, side="right")).astype(kind),
        normals=len(normal) if normals is None else normals,
    )


def _measure(measure: Callable[[_Ranking], float], normal: np.ndarray, anomalous: np.ndarray) -> float:
    if _one_class(normal, anomalous):
        return float("nan")
    return measure(_rank(np.sort(normal), np.sort(anomalous)))


def _one_class(normal: np.ndarray, anomalous: np.ndarray) -> bool:
    return not (len(normal) and len(anomalous))


def _auroc(ranking: _Ranking) -> float:
    return float(1 - np.mean(ranking.above + ranking.alarms) / (2 * ranking.normals))


def _average_precision(ranking: _Ranking) -> float:
    return float(np.mean(ranking.hits / (ranking.hits + ranking.alarms)))


def _f1_max(ranking: _Ranking) -> float:
    return float(np.max(2 * ranking.hits / (len(ranking.hits) + ranking.hits + ranking.alarms)))


def _iou(f1: float) -> float:
    return f1 / (2 - f1)


def _aupro(ranking: _Ranking, shares: Float[np.ndarray, " anomalous"], fpr_limit: float) -> float:
    """Each anomalous pixel lifts PRO by its share, on a ramp from the FPR of the normal pixels above it to the FPR
    that counts those tied with it too; the area is the sum of what lies under these ramps within the limit."""
    total = 0.0
    for first in range(0, len(shares), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        start, end = ranking.above[part] / ranking.normals, ranking.alarms[part] / ranking.normals
        stop = np.minimum(end, fpr_limit)
        run = np.maximum(stop - start, 0)
        lift = np.divide(run, end - start, out=np.zeros_like(run), where=end > start)
        area = run * lift / 2 + (fpr_limit - stop)
        total += float(np.sum(shares[part] * area))
    return min(total / fpr_limit, 1.0)


def _legacy_aupro(
    normal: np.ndarray, anomalous: np.ndarray, shares: np.ndarray, fpr_limit: float, thresholds: int
) -> float:
    steps, fpr = _legacy_fpr(normal, anomalous, thresholds)
    below = np.concatenate([[0.0], np.cumsum(shares)])
    pro = 1 - (below / below[-1])[np.searchsorted(anomalous, steps, side="right")]
    pro, fpr = pro[fpr < fpr_limit], fpr[fpr < fpr_limit]
    if len(fpr) == 0 or fpr[0] == fpr[-1]:
        return float("nan")
    return min(float(np.trapezoid(pro, fpr) / (fpr[-1] - fpr[0])), 1.0)


def _legacy_fpr(normal: np.ndarray, anomalous: np.ndarray, thresholds: int) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds, descending, evenly spaced over ascending scores, and the share of the normal ones that exceeds each."""
    lowest, highest = float(min(normal[0], anomalous[0])), float(max(normal[-1], anomalous[-1]))
    steps = np.linspace(lowest, highest, thresholds, endpoint=False).astype(normal.dtype)[::-1]
    return steps, (len(normal) - np.searchsorted(normal, steps, side="right")) / len(normal)


def _gathered(maps: Maps, masks: Masks) -> PixelScores:
    _refuse_counts(maps, masks)
    pixels = PixelScores()
    for scores, truth in zip(maps, masks):
        pixels.add(scores, truth)
    return pixels


def _pooled(scores: list[np.ndarray], truth: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The scores of all normal and of all anomalous pixels (images), as fresh arrays."""
    normal = [score[~true] if true.any() else score.ravel() for score, true in zip(scores, truth)]
    return np.concatenate(normal), np.concatenate([score[true] for score, true in zip(scores, truth)])


def _checked(
    scores: Maps | Scores, truth: Masks | Labels
) -> tuple[list[Float[np.ndarray, "..."]], list[Bool[np.ndarray, "..."]]]:
    """One array per image of each, checked."""
    _refuse_counts(scores, truth)
    pictures = [checked_picture(score, true, number) for number, (score, true) in enumerate(zip(scores, truth))]
    return [score for score, _ in pictures], [true for _, true in pictures]


def _refuse_counts(scores: Maps | Scores, truth: Masks | Labels) -> None:
    if len(scores) != len(truth) or not len(scores):
        raise ValueError(f"Expected scores and ground truth of as many images, got {len(scores)} and {len(truth)}.")
