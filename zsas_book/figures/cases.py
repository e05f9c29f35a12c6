"""Worst cases: rows of pictures, and what they leave as points."""

import textwrap
from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from zsas_lib.data.dataset import Sample
from zsas_lib.metrics import METRICS
from zsas_lib.models.prediction import AnomalyModel
from zsas_lib.perturbations import PERTURBATIONS, perturb
from zsas_lib.robustness.search.amounts import columns, in_table
from zsas_lib.robustness.search.left import bound_means, by_combination
from zsas_lib.robustness.search.single import before_and_after
from zsas_lib.robustness.search.whole_sets import NONE

from ..labels import label
from ..words import points
from .dots import dot_panels
from .gallery import Tile, tile

TITLE = 26  # characters of a line above a picture


def case_tiles(network: AnomalyModel, sample: Sample, case: pd.Series) -> list[Tile]:
    """A picture, its map, the picture under the amounts of ``case`` (a row of `whole_sets.worst_cases`), and the map of
    that turned back; both maps in the colours of the first one's range, with the picture's own pixel AUROC."""
    outcome = before_and_after(network, sample, case)
    maps = outcome.maps.cpu()
    limits = (float(maps[0].min()), float(maps[0].max()))
    quality = [f"AUROC {100 * float(value):.0f} %" for value in outcome.pixel_auroc]
    amounts = case[columns(in_table(case.to_frame().T))]
    worst = perturb(sample.image[None], **{name: float(value) for name, value in amounts.items()})[0]
    return [
        tile(sample, label(sample.category)),
        tile(sample, quality[0], maps[0], limits),
        Tile(worst, amounts_in_short(case)),
        tile(sample, quality[1], maps[1], limits),
    ]


def amounts_in_short(case: pd.Series) -> str:
    """What was done to a picture, in lines that fit above it: "rotation -65°, hue +2.1,", "saturation +0.1"."""
    words = []
    for name in in_table(case.to_frame().T):
        value, unit = case[PERTURBATIONS[name].column], PERTURBATIONS[name].unit
        words.append(f"{label(name)} {points(value, 0)}°" if unit == "degrees" else f"{label(name)} {points(value)}")
    return textwrap.fill(", ".join(words), TITLE)


def bound_dots(bounds: Mapping[str, pd.DataFrame]) -> Figure:
    """The pixel AUROC of several models' `whole_sets.bounds`: a row for each combination, "original" and "all three"
    the first and the last, a large point with its standard error for each model's mean, small ones for categories,
    and a line at chance."""
    series, errors, single = {}, {}, {}
    for name, table in bounds.items():
        mean = bound_means(table)
        called = {NONE: "original", mean.index[-1]: "all three"}
        rows = 100 * mean.rename(called)[["pixel_auroc", "pixel_auroc_se"]]
        series[name] = rows[["pixel_auroc"]]
        errors[name] = rows[["pixel_auroc_se"]].set_axis(["pixel_auroc"], axis=1)
        single[name] = {"pixel_auroc": by_combination(table).rename(columns=called)}
    return dot_panels(series, errors, points=single, line=100 * METRICS["pixel_auroc"].chance)
