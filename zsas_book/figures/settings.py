"""Metrics along a model's setting, ours and printed ones, each on an axis of its own with the same span."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..labels import axis_label
from .panels import legend, panels
from .style import COLOURS, INK

LEAST = 1.0  # points that an axis spans at least
ROOM = 1.15  # of what is drawn


def setting_panels(
    own: pd.DataFrame,
    reported: pd.DataFrame,
    metrics: Sequence[str],
    *,
    axis: str,
    marked: int | float,
    band: tuple[pd.Series, pd.Series],
    colour: str,
    columns: int = 3,
) -> Figure:
    """A panel for each metric, ``columns`` in a row: ``own`` in colour, left axis, ``reported`` in grey, right axis.

    Both are in percent, their rows named like "N=3", where the number is the setting. Both axes of a panel span as
    much. ``band`` holds by metric the mean and the standard deviation over seeds at the setting ``marked``, where a
    dotted line stands: a band of two deviations about that mean, none where the deviation is missing.
    """
    rows = -(-len(metrics) // columns)
    figure, axes = panels(columns, rows, height=2.5 * rows + 0.4)
    for panel, metric in zip(np.ravel(axes), metrics):
        middle, margin = band[0][metric], 2 * band[1][metric]
        if np.isfinite(margin):
            panel.axhspan(middle - margin, middle + margin, color=colour, alpha=0.15, linewidth=0)
        other = panel.twinx()
        other.spines["right"].set_visible(True)
        around = [middle - np.nan_to_num(margin), middle + np.nan_to_num(margin)]
        ours, theirs = own[metric].to_numpy(), reported[metric].to_numpy()
        drawn = {panel: np.array([*ours, *around]), other: theirs}
        span = ROOM * max(LEAST, *(np.ptp(values) for values in drawn.values()))
        panel.plot(_numbers(own), ours, "o-", color=colour, markersize=4, label="reproduced")
        style = {"color": COLOURS["reported"], "markersize": 4, "label": "reported (right axis)"}
        other.plot(_numbers(reported), theirs, "D-", **style)
        for side, values in drawn.items():
            centre = (values.min() + values.max()) / 2
            side.set_ylim(centre - span / 2, centre + span / 2)
        panel.axvline(marked, color=INK, linestyle=":", linewidth=1)
        panel.set(title=axis_label(metric), xlabel=axis)
    legend(figure)
    return figure


def _numbers(table: pd.DataFrame) -> list[float]:
    return [float(name.split("=")[1]) for name in table.index]
