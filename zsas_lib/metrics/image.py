"""Image-level metrics of one category: AUROC, average precision, F1-max, and the rates at its threshold."""

import numpy as np

from .metric import Metric, register
from .ranking import (
    Labels,
    Scores,
    auroc_of,
    average_precision_of,
    checked,
    f1_max_of,
    measure,
    one_class,
    pooled,
    rank,
)

IMAGE_METRICS = {"image_auroc": auroc_of, "image_ap": average_precision_of, "image_f1_max": f1_max_of}
"""What `image_metrics` takes from one ranking."""


def image_auroc(scores: Scores, labels: Labels) -> float:
    """Area under the ROC curve of one category's image scores; ``labels`` are True for anomalous images.

    Ties count one half. Raises ValueError for a NaN or infinite score (naming the image), for differing shapes and
    for no image at all, and TypeError for labels that are not bool. All image metrics take and raise the same.

    >>> scores = torch.tensor([0.1, 0.8, 0.3, 0.9])
    >>> labels = torch.tensor([False, False, True, True])
    >>> zsas.metrics.image_auroc(scores, labels)
    0.75
    """
    return measure(auroc_of, *pooled(*checked(scores, labels)))


def image_average_precision(scores: Scores, labels: Labels) -> float:
    """Average precision of one category's image scores, as `average_precision`; input as in `image_auroc`.

    >>> scores = torch.tensor([0.1, 0.8, 0.3, 0.9])
    >>> labels = torch.tensor([False, False, True, True])
    >>> round(zsas.metrics.image_average_precision(scores, labels), 4)
    0.8333
    """
    return measure(average_precision_of, *pooled(*checked(scores, labels)))


def image_f1_max(scores: Scores, labels: Labels) -> float:
    """Largest F1 of one category's image scores, as `f1_max`; input as in `image_auroc`.

    >>> scores = torch.tensor([0.1, 0.8, 0.3, 0.9])
    >>> labels = torch.tensor([False, False, True, True])
    >>> zsas.metrics.image_f1_max(scores, labels)
    0.8
    """
    return measure(f1_max_of, *pooled(*checked(scores, labels)))


def image_metrics(scores: Scores, labels: Labels) -> dict[str, float]:
    """All image metrics of one category: image_auroc, image_ap, image_f1_max; input as in `image_auroc`.

    >>> scores = torch.tensor([0.1, 0.8, 0.3, 0.9])
    >>> labels = torch.tensor([False, False, True, True])
    >>> zsas.metrics.image_metrics(scores, labels)["image_auroc"]
    0.75
    """
    both = pooled(*checked(scores, labels))
    return {name: measure(of_ranking, *both) for name, of_ranking in IMAGE_METRICS.items()}


def image_rates(scores: Scores, labels: Labels) -> dict[str, float]:
    """True positive and true negative rate, tpr and tnr, at the threshold of `image_f1_max`: an image is called
    anomalous whose score is at least that; of several thresholds with the largest F1 the highest. nan with one class
    only; input as in `image_auroc`.

    >>> scores = torch.tensor([0.1, 0.8, 0.3, 0.9])
    >>> labels = torch.tensor([False, False, True, True])
    >>> zsas.metrics.image_rates(scores, labels)
    {'tpr': 1.0, 'tnr': 0.5}
    """
    normal, anomalous = pooled(*checked(scores, labels))
    if one_class(normal, anomalous):
        return {"tpr": np.nan, "tnr": np.nan}
    anomalous = np.sort(anomalous)
    ranking = rank(np.sort(normal), anomalous)
    f1 = 2 * ranking.hits / (len(ranking.hits) + ranking.hits + ranking.alarms)
    best = np.flatnonzero(f1 == f1.max())[-1]
    return {"tpr": float(ranking.hits[best] / len(anomalous)), "tnr": float(1 - ranking.alarms[best] / len(normal))}


register(
    Metric(
        "image_auroc", "image AUROC", level="image", chance=0.5, chance_words="one half, by ties", function=image_auroc
    )
)
register(
    Metric(
        "image_ap",
        "image AP",
        level="image",
        chance_words="the share p of anomalous images",
        function=image_average_precision,
    )
)
register(
    Metric(
        "image_f1_max",
        "image F1-max",
        level="image",
        chance_words="2p / (1 + p), p being the share of anomalous images",
        function=image_f1_max,
    )
)
register(
    Metric(
        "tpr", "TPR", level="image", chance_words="1 where one score is given to all images: all are called anomalous"
    )
)
register(
    Metric(
        "tnr", "TNR", level="image", chance_words="0 where one score is given to all images: all are called anomalous"
    )
)
