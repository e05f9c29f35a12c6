"""What is known of a metric beside its value, one record each: label, unit, range, chance level, direction.

Each file of this room registers the metrics whose functions it holds; `METRICS` has them all once `zsas_lib.metrics` is
imported. `evaluate` computes and shows every one that has a function and is ``evaluated``.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """A column of numbers that tables hold and, where it is ``averaged``, rows "mean" average over categories.

    ``low`` and ``high`` bound the numbers as computed. ``unit`` is the one they are printed in, 100 times as large: "%"
    for what is a fraction in [0, 1] as computed. ``chance`` is the value of a map (a score) that knows nothing, such as
    a constant one, None where it depends on the data; ``chance_words`` says what it is. ``better`` is the better
    direction.

    ``level`` says what is ranked: all pixels of a category, its images, or the pixels of each picture apart.
    ``function`` takes maps and masks of one category (level "pixel": two sequences of (height, width), pictures of
    several sizes) or its image scores and labels (level "image"), as `pixel_auroc` and `image_auroc` do, and gives a
    float, nan where there is nothing to measure. One that is ``evaluated`` is a column of `evaluate`. Maps of the valid
    region of turned pictures come cut into rows that pool to the same pixels and regions (`uniform_sweep`).

    >>> zsas.metrics.Metric("share", "share found", level="pixel").axis
    'share found (%)'
    """

    name: str
    label: str
    level: Literal["pixel", "image", "picture"]
    unit: str = "%"
    low: float = 0.0
    high: float = 1.0
    chance: float | None = None
    chance_words: str = ""
    better: Literal["higher", "lower"] = "higher"
    averaged: bool = True
    function: Callable[..., float] | None = None
    evaluated: bool = True

    @property
    def axis(self) -> str:
        """The label with the unit, as an axis or a heading has it: "pixel AUROC (%)"."""
        if not self.unit:
            return self.label
        return f"{self.label[:-1]}, {self.unit})" if self.label.endswith(")") else f"{self.label} ({self.unit})"


_registered: dict[str, Metric] = {}
METRICS: Mapping[str, Metric] = MappingProxyType(_registered)
"""Column of a table -> its metric.

>>> zsas.METRICS["aupro"].label, zsas.METRICS["aupro"].unit, zsas.METRICS["aupro"].better
('AUPRO', '%', 'higher')
"""


def register(metric: Metric) -> Metric:
    """The metric itself, known from now on under its name. Raises ValueError for a name that is taken, and for a
    function that `evaluate` cannot call, of the level "picture"."""
    if metric.name in _registered:
        raise ValueError(f"Metric {metric.name!r} is registered already; give the new one another name.")
    if metric.function is not None and metric.evaluated and metric.level == "picture":
        raise ValueError(
            f"Metric {metric.name!r} has a function and the level 'picture', which evaluate does not compute; expected "
            "level 'pixel' (maps, masks) or 'image' (scores, labels), or evaluated=False."
        )
    _registered[metric.name] = metric
    return metric


def further(level: Literal["pixel", "image"], known: Collection[str]) -> dict[str, Callable[..., float]]:
    """The functions of the metrics of a level that `evaluate` shows beside the ``known`` ones, in the order of their
    registration, by name.

    >>> list(zsas.metrics.further("image", known=["image_auroc", "image_ap"]))
    ['image_f1_max']
    """
    shown = [metric for metric in METRICS.values() if metric.evaluated and metric.level == level]
    return {metric.name: metric.function for metric in shown if metric.function and metric.name not in known}


def list_metrics() -> list[str]:
    """The names of `METRICS`, sorted: every column of numbers that tables hold.

    >>> "pixel_auroc" in zsas.list_metrics()
    True
    """
    return sorted(METRICS)


register(
    Metric("picture_auroc", "pixel AUROC per picture", level="picture", chance=0.5, chance_words="one half, by ties")
)
register(
    Metric(
        "loss",  # S eq. (4): `robustness.search.objective.segmentation_loss`
        "loss",
        level="picture",
        unit="x 100",
        low=-1.0,
        chance_words="0 for a constant map of a damaged picture; its constant for a picture without a defect",
        better="lower",
    )
)
