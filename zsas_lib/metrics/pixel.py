"""Pixel-level metrics of one category: AUROC, average precision, F1-max, IoU, and all pixel metrics from one sort."""

import numpy as np

from .aupro import FPR_LIMIT, aupro_of, legacy_aupro_of, legacy_pooled
from .metric import Metric, register
from .pixel_scores import PixelScores, Pooled
from .ranking import (
    Maps,
    Masks,
    auroc_of,
    average_precision_of,
    checked,
    f1_max_of,
    gathered,
    iou_of,
    measure,
    pooled,
    ranking_of,
)

PIXEL_METRICS = ("pixel_auroc", "pixel_ap", "pixel_f1_max", "pixel_iou", "aupro", "aupro_200")
"""What `pixel_metrics` takes from one sort."""


def pixel_auroc(maps: Maps, masks: Masks) -> float:
    """Area under the ROC curve of all pixels: the chance that an anomalous pixel outscores a normal one.

    ``maps`` are the anomaly maps of one category's images, larger = more anomalous, and ``masks`` their bool ground
    truth: two tensors or arrays of shape (image, height, width), or two lists of (height, width) for images of
    several sizes, which are pooled alike. Ties count one half (the trapezoid rule), so a constant map has 0.5.

    Raises ValueError for a NaN or infinite map (naming the image), for differing shapes and for no image at all, and
    TypeError for masks that are not bool. All pixel metrics take and raise the same.

    >>> maps = torch.tensor([[[0.1, 0.8], [0.3, 0.9]]])
    >>> masks = torch.tensor([[[False, False], [True, True]]])
    >>> zsas.metrics.pixel_auroc(maps, masks)
    0.75
    """
    return measure(auroc_of, *pooled(*checked(maps, masks)))


def average_precision(maps: Maps, masks: Masks) -> float:
    """Average precision of all pixels: the sum over thresholds of recall gained times precision, not interpolated.

    Tied pixels pass a threshold together; a constant map has the share of anomalous pixels. Input and errors as in
    `pixel_auroc`.

    >>> maps = torch.tensor([[[0.1, 0.8], [0.3, 0.9]]])
    >>> masks = torch.tensor([[[False, False], [True, True]]])
    >>> round(zsas.metrics.average_precision(maps, masks), 4)
    0.8333
    """
    return measure(average_precision_of, *pooled(*checked(maps, masks)))


def f1_max(maps: Maps, masks: Masks) -> float:
    """Largest F1 = 2PR/(P+R) of all pixels over all thresholds, each an observed score.

    The threshold is thus chosen on the test set itself. Calling everything anomalous gives 2p/(1+p), where p is the
    share of anomalous pixels, so no map, a constant one included, has less. Input and errors as in `pixel_auroc`.

    >>> maps = torch.tensor([[[0.1, 0.8], [0.3, 0.9]]])
    >>> masks = torch.tensor([[[False, False], [True, True]]])
    >>> zsas.metrics.f1_max(maps, masks)
    0.8
    """
    return measure(f1_max_of, *pooled(*checked(maps, masks)))


def iou_at_f1_max(maps: Maps, masks: Masks) -> float:
    """Intersection over union of the anomalous class at the threshold of `f1_max`.

    TP/(TP+FP+FN) equals F1/(2-F1), so this is the same finding on another scale; V prints both. Input and errors as
    in `pixel_auroc`.

    >>> maps = torch.tensor([[[0.1, 0.8], [0.3, 0.9]]])
    >>> masks = torch.tensor([[[False, False], [True, True]]])
    >>> round(zsas.metrics.iou_at_f1_max(maps, masks), 4)
    0.6667
    """
    return iou_of(f1_max(maps, masks))


def pixel_metrics(maps: Maps, masks: Masks) -> dict[str, float]:
    """All pixel metrics of one category from one sort, each equal to its own function's.

    Keys: pixel_auroc, pixel_ap, pixel_f1_max, pixel_iou, aupro (exact, limit 0.3) and aupro_200 (legacy). Input and
    errors as in `pixel_auroc`.

    >>> maps = torch.tensor([[[0.1, 0.8], [0.3, 0.9]]])
    >>> masks = torch.tensor([[[False, False], [True, True]]])
    >>> zsas.metrics.pixel_metrics(maps, masks)["pixel_auroc"]
    0.75
    """
    return gathered_metrics(gathered(maps, masks))


def gathered_metrics(pixels: PixelScores) -> dict[str, float]:
    """`pixel_metrics` of a category that was gathered picture by picture.

    It forgets the pictures, so it comes after `bootstrap.counted`. Raises RuntimeError when asked for again.
    """
    return ranked_metrics(legacy_pooled(pixels))


def ranked_metrics(found: Pooled) -> dict[str, float]:
    """`pixel_metrics` of a category that was pooled with `aupro.legacy_pooled`."""
    if not (found.normals and len(found.anomalous)):
        return dict.fromkeys(PIXEL_METRICS, np.nan)
    ranking = ranking_of(found)
    return {
        "pixel_auroc": auroc_of(ranking),
        "pixel_ap": average_precision_of(ranking),
        "pixel_f1_max": (f1 := f1_max_of(ranking)),
        "pixel_iou": iou_of(f1),
        "aupro": aupro_of(ranking, found.shares, FPR_LIMIT),
        "aupro_200": legacy_aupro_of(found, FPR_LIMIT),
    }


register(
    Metric(
        "pixel_auroc", "pixel AUROC", level="pixel", chance=0.5, chance_words="one half, by ties", function=pixel_auroc
    )
)
register(
    Metric(
        "pixel_ap",
        "pixel AP",
        level="pixel",
        chance_words="the share p of anomalous pixels",
        function=average_precision,
    )
)
register(
    Metric(
        "pixel_f1_max",
        "pixel F1-max",
        level="pixel",
        chance_words="2p / (1 + p), p being the share of anomalous pixels",
        function=f1_max,
    )
)
register(
    Metric(
        "pixel_iou", "pixel IoU", level="pixel", chance_words="the share p of anomalous pixels", function=iou_at_f1_max
    )
)
