"""Groups of defects as points: what `studies.defects` measures of each, and what paper K prints."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zsas_lib.evaluation.tables import ERROR, MEAN
from zsas_lib.papers.kakda import GROUPED, printed_groups
from zsas_lib.studies.defects import Summaries, ordered_groups

from .dots import dot_panels
from .style import INK

METRICS = ["image_auroc", "pixel_auroc"]
PRINTED = "reported: paper K, AnomalyCLIP"
CHANCE = 50.0


def group_dots(summaries: Summaries, metrics: Mapping[str, pd.DataFrame]) -> Figure:
    """Image and pixel AUROC in percent: a row for each level of contrast and each type, in it for each model the mean
    over categories with its standard error, small points for the categories, and what paper K prints. ``metrics`` are
    the `group_metrics` by model, ``summaries`` are made of them."""
    rows = {
        (grouping, group): f"{group} contrast" if grouping == "contrast" else group
        for grouping in GROUPED
        for group in ordered_groups(summaries, grouping)
    }
    series, errors, points = {}, {}, {}
    for name, table in metrics.items():
        own = pd.concat({by: 100 * summaries[name, by].filter(regex="auroc") for by in GROUPED}).reindex(list(rows))
        own.index = list(rows.values())
        series[name] = own[METRICS]
        errors[name] = own[[f"{metric}{ERROR}" for metric in METRICS]].set_axis(METRICS, axis=1)
        single = table[table.category != MEAN].pivot(index="category", columns=["grouping", "group"], values=METRICS)
        points[name] = {
            metric: pd.DataFrame({rows[row]: 100 * single[metric][row] for row in rows if row in single[metric]})
            for metric in METRICS
        }
    printed = pd.concat({by: 100 * printed_groups(by).AUROC for by in GROUPED}).reindex(list(rows))
    series[PRINTED] = pd.DataFrame({metric: printed.to_numpy() for metric in METRICS}, index=list(rows.values()))
    return dot_panels(series, errors, points=points, line=CHANCE)


def points_and_fifths(axes: Axes, across: pd.Series, up: pd.Series, colour: str) -> None:
    """A point for each row of two Series, and a line through the means of the fifths of the rows along ``across``."""
    axes.plot(across, up, "o", color=colour, markersize=3, alpha=0.5)
    fifths = pd.qcut(across.rank(method="first"), min(5, len(across)))
    means = pd.DataFrame({"across": across, "up": up}).groupby(fifths, observed=True).mean()
    axes.plot(means.across, means.up, color=INK, linewidth=2.5)
