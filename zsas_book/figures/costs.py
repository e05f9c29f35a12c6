"""Quality against cost, a point for each tower or method."""

import pandas as pd
from matplotlib.figure import Figure

from zsas_lib.studies.towers import RANDOM

from ..labels import axis_label, label
from .panels import legend, log_axes, panels
from .style import COLOURS, INK, SERIES

MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def quality_and_cost(table: pd.DataFrame, metric: str, trivial: float) -> Figure:
    """A metric of `studies.towers.entry_table` against the operations of a picture: a colour for each kind of windows,
    a marker for each family, named where there are several, hollow for random weights; ``trivial`` is a dotted line."""
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
    for number, family in enumerate(families if len(families) > 1 else []):
        axes.plot([], [], marker=MARKERS[number % len(MARKERS)], linestyle="", color=INK, label=family)
    log_axes(axes, "x")
    axes.set(xlabel="GFLOP per picture", ylabel=axis_label(metric))
    axes.grid(axis="y")
    legend(figure, columns=3)
    return figure


def quality_and_worst(table: pd.DataFrame, trivial: float) -> Figure:
    """AUPRO of `studies.recommendation.entries`, in percent, against the milliseconds of a picture: a point for each
    method and a bar from it down to its worst category; ``trivial`` is a dotted line."""
    figure, axes = panels(height=4.2)
    for name, row in table.iterrows():
        x, colour = row["ms per picture"], COLOURS[str(name)]
        axes.plot([x, x], [row["worst category"], row["aupro"]], color=colour, linewidth=2, alpha=0.6)
        shape = {"marker": "o", "color": colour, "markerfacecolor": colour if row["learns"] else "none"}
        axes.plot(x, row["aupro"], linestyle="", label=label(str(name)), **shape)
        axes.plot(x, row["worst category"], marker="_", linestyle="", color=colour)
    axes.axhline(trivial, color=COLOURS["chance"], linestyle=":", label="best map without a model")
    log_axes(axes, "x")
    axes.set(xlabel="milliseconds per picture", ylabel=axis_label("aupro"))
    axes.grid(axis="y")
    legend(figure, columns=4)
    return figure
