"""AUPRO, exact and as the legacy papers compute it with 200 thresholds."""

from numbers import Real

import numpy as np
from jaxtyping import Float

from ..base.options import is_whole
from .metric import Metric, register
from .pixel_scores import PixelScores, Pooled
from .ranking import Maps, Masks, Ranking, gathered, ranking_of

AT_ONCE = 2**21
"""How many anomalous pixels the area under a curve is taken of at once, for the sake of memory."""
FPR_LIMIT = 0.3
"""The field's choice: up to which false positive rate the area is taken."""
LEGACY_THRESHOLDS = 200


def aupro(maps: Maps, masks: Masks, fpr_limit: float = FPR_LIMIT, thresholds: int | None = None) -> float:
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

    >>> maps = torch.tensor([[[0.1, 0.8], [0.3, 0.9]]])
    >>> masks = torch.tensor([[[False, False], [True, True]]])
    >>> zsas.metrics.aupro(maps, masks)
    0.5
    """
    _require(fpr_limit, thresholds)
    pixels = gathered(maps, masks)
    found = pixels.pooled() if thresholds is None else legacy_pooled(pixels, thresholds)
    if not (found.normals and len(found.anomalous)):
        return float("nan")
    if thresholds is not None:
        return legacy_aupro_of(found, fpr_limit)
    return aupro_of(ranking_of(found), found.shares, fpr_limit)


def legacy_reach(maps: Maps, masks: Masks, fpr_limit: float = FPR_LIMIT, thresholds: int = LEGACY_THRESHOLDS) -> float:
    """The largest false positive rate below ``fpr_limit`` that a threshold of the legacy AUPRO has.

    Where maps are nearly binary it is far below the limit, and the legacy AUPRO, which stretches it to the limit, is in
    truth an AUPRO up to this rate. Input and errors as in `pixel_auroc`, arguments as in `aupro`.

    >>> maps = torch.linspace(0, 1, 100).reshape(1, 10, 10)
    >>> round(zsas.metrics.legacy_reach(maps, maps > 0.8), 4)
    0.2875
    """
    _require(fpr_limit, thresholds)
    return legacy_reach_of(legacy_pooled(gathered(maps, masks), thresholds), fpr_limit)


def legacy_reach_of(found: Pooled, fpr_limit: float = FPR_LIMIT) -> float:
    """`legacy_reach` of a category that was pooled with `legacy_pooled`."""
    if not (found.normals and len(found.anomalous)):
        return float("nan")
    fpr = found.exceeding / found.normals
    return float(fpr[fpr < fpr_limit].max(initial=0.0))


def aupro_of(ranking: Ranking, shares: Float[np.ndarray, " anomalous"], fpr_limit: float) -> float:
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


def legacy_aupro_of(found: Pooled, fpr_limit: float) -> float:
    """Of a category that was pooled with `legacy_pooled`."""
    fpr = found.exceeding / found.normals
    below = np.concatenate([[0.0], np.cumsum(found.shares)])
    pro = 1 - (below / below[-1])[np.searchsorted(found.anomalous, found.steps, side="right")]
    pro, fpr = pro[fpr < fpr_limit], fpr[fpr < fpr_limit]
    if len(fpr) == 0 or fpr[0] == fpr[-1]:
        return float("nan")
    return min(float(np.trapezoid(pro, fpr) / (fpr[-1] - fpr[0])), 1.0)


def legacy_pooled(pixels: PixelScores, thresholds: int = LEGACY_THRESHOLDS) -> Pooled:
    """A category's pixels, ranked and counted at so many thresholds, evenly spaced from the lowest score to below the
    highest."""
    return pixels.pooled(np.linspace(*pixels.extremes(), thresholds, endpoint=False) if len(pixels) else ())


def _require(fpr_limit: float, thresholds: int | None) -> None:
    if not (isinstance(fpr_limit, Real) and 0 < fpr_limit <= 1):
        raise ValueError(f"fpr_limit must lie in (0, 1], got {fpr_limit!r}; the field's choice is 0.3.")
    if thresholds is not None and not is_whole(thresholds, 2):
        raise ValueError(f"thresholds must be None (exact) or at least 2, got {thresholds!r}; legacy papers use 200.")


def _aupro_200(maps: Maps, masks: Masks) -> float:
    return aupro(maps, masks, thresholds=LEGACY_THRESHOLDS)


register(
    Metric(
        "aupro",
        "AUPRO",
        level="pixel",
        chance=FPR_LIMIT / 2,
        chance_words=f"half of the limit {FPR_LIMIT}: PRO equals FPR there",
        function=aupro,
    )
)
register(
    Metric(
        "aupro_200",
        "AUPRO (legacy)",
        level="pixel",
        chance_words="nan for a constant map; where PRO equals FPR, the middle of the least and the largest FPR kept",
        function=_aupro_200,
    )
)
register(
    Metric(
        "legacy_reach",
        "largest FPR of the legacy AUPRO",
        level="pixel",
        high=FPR_LIMIT,
        chance_words="none: it says how coarse the thresholds are",
        function=legacy_reach,
        evaluated=False,
    )
)
