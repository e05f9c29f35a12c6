"""Charts of points with errors: a row for each thing that is compared, several series in each row, a panel a metric."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..labels import axis_label, label
from .panels import legend, panels
from .style import COLOURS, INK, SERIES

APART = 0.6  # of a row's height: how far the series of a row spread
ROW = 0.34  # inches


def dots(
    axes: Axes,
    values: pd.Series,
    errors: pd.Series | None = None,
    *,
    name: str | None = None,
    colour: str | Mapping[str, str] = SERIES[0],
    marker: str = "o",
    size: float = 6.0,
    shift: float = 0.0,
    points: pd.DataFrame | None = None,
    hollow: Collection[str] = (),
) -> None:
    """A point in each row of ``values``, downwards, with its error; a missing value leaves its place empty.

    ``name`` labels the series, ``colour`` is its own or one for each row, ``shift`` moves it down in its rows.
    ``points`` has a column for each row: single values, drawn small beside the point. The points of ``hollow`` rows
    are not filled.
    """
    for place, row in enumerate(values.index):
        own = colour if isinstance(colour, str) else colour[row]
        if points is not None and row in points:
            small = points[row].dropna()
            axes.plot(small, np.full(len(small), place + shift), "o", color=own, markersize=3, alpha=0.5)
        error = 0.0 if errors is None else np.nan_to_num(errors.get(row, 0.0))
        drawn = {"fmt": marker, "color": own, "markersize": size, "linewidth": 1.8}
        drawn |= {"markerfacecolor": "none"} if row in hollow else {}
        axes.errorbar(values[row], place + shift, xerr=error or None, label=None if place else name, **drawn)
    rows = [label(row) for row in values.index]
    axes.set(yticks=range(len(rows)), yticklabels=rows, ylim=(len(rows) - 0.5, -0.5))
    axes.grid(axis="x")


def gap_panels(gaps: pd.DataFrame, row: str, metrics: Sequence[str]) -> Figure:
    """A panel for each metric, two beside each other, and a row for each value of the column ``row``: differences in
    points, ``gap``, with their intervals from ``low`` to ``high``, about a line at zero; without one the point alone.
    """
    across = min(2, len(metrics))
    down = -(-len(metrics) // across)
    high = down * (ROW * gaps[row].nunique() + 0.9)
    figure, axes = panels(across, down, height=high, share="y")
    for axis, metric in zip(np.ravel(axes), metrics):
        own = gaps[gaps["metric"] == metric].set_index(row)
        axis.axvline(0, color=INK, linewidth=1)
        dots(axis, own["gap"], (own["high"] - own["low"]) / 2 if "low" in own else None)
        axis.set_xlabel(f"{label(metric)} (points)")
    return figure


def dot_panels(
    series: Mapping[str, pd.DataFrame],
    errors: Mapping[str, pd.DataFrame] | None = None,
    *,
    colours: Mapping[str, str | Mapping[str, str]] | None = None,
    points: Mapping[str, Mapping[str, pd.DataFrame]] | None = None,
    line: float | None = None,
    unit: str | None = None,
) -> Figure:
    """A panel for each column of the tables in ``series``, a row for each of their rows, a point of each series in it.

    All tables have the same columns; the rows are those of the first, then what the others have beyond. ``errors`` are
    by series too, in the same unit. A series' colour is its own in ``colours`` (or one for each row), else what the
    book's colours mean, else the palette's; "reported" is a grey diamond. ``points`` holds, by series and column,
    single values with a column for each row. ``line`` draws a vertical line, such as zero or chance. Panels are named
    by `axis_label`, or by `label` and ``unit``.
    """
    first = next(iter(series.values()))
    rows = list(dict.fromkeys(row for table in series.values() for row in table.index))
    high = ROW * len(rows) * max(1.0, 0.6 * len(series)) + 1.1
    figure, axes = panels(len(first.columns), height=high, share="y")
    step = APART / len(series)
    for axis, column in zip(np.atleast_1d(axes), first):
        if line is not None:
            axis.axvline(line, color=INK, linewidth=1)
        for number, (name, table) in enumerate(series.items()):
            printed = name.startswith("reported")
            own = (colours or {}).get(name) or COLOURS.get(name) or SERIES[number % len(SERIES)]
            dots(
                axis,
                table[column].reindex(rows),
                None if name not in (errors or {}) else errors[name][column].reindex(rows),
                name=label(name) if len(series) > 1 else None,
                colour=COLOURS["reported"] if printed else own,
                marker="D" if printed else "o",
                size=4.0 if printed else 6.0,
                shift=(number - (len(series) - 1) / 2) * step,
                points=(points or {}).get(name, {}).get(column),
            )
        axis.set_xlabel(axis_label(column) if unit is None else f"{label(column)} ({unit})")
    if len(series) > 1:
        legend(figure)
    return figure
