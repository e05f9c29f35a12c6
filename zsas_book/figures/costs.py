"""Quality against cost, a point for each tower."""

import pandas as pd
from matplotlib.figure import Figure

from zsas_lib.studies.towers import RANDOM

from ..labels import axis_label
from .panels import legend, log_axes, panels
from .style import COLOURS, INK, SERIES

MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def quality_and_cost(table: pd.DataFrame, metric: str, trivial: float) -> Figure:
    """A metric of `studies.towers.entry_table` against the operations of a picture: a colour for each kind of windows,
    a marker for each family, hollow for random weights; ``trivial`` is a dotted line."""
    figure, axes = panels(height=4.2)
    kinds, families = list(dict.fromkeys(table.windows)), list(dict.fromkeys(table.family))
    for row in table.itertuples():
        colour, drawn = SERIES[kinds.index(row.windows)], row.tower.endswith(RANDOM)
        marker = MARKERS[families.index(row.family) % len(MARKERS)]
        shape = {"marker": marker, "color": colour, "markerfacecolor": "none" if drawn else colour}
        axes.plot(row.GFLOP, getattr(row, metric), linestyle="", **shape)
    axes.axhline(trivial, color=COLOURS["chance"], linestyle=":", label="best map without a model")
    for number, kind in enumerate(kinds):
        axes.plot([], [], marker="o", linestyle="", color=SERIES[number], label=f"{kind or 'own'} windows")
    for number, family in enumerate(families):
        axes.plot([], [], marker=MARKERS[number % len(MARKERS)], linestyle="", color=INK, label=family)
    log_axes(axes, "x")
    axes.set(xlabel="GFLOP per picture", ylabel=axis_label(metric))
    axes.grid(axis="y")
    legend(figure, columns=3)
    return figure
