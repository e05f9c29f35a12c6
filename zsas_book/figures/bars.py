"""Charts of horizontal bars: groups of bars, one row a category, a model or a change."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..labels import axis_label, label
from .style import COLOURS, INK, SERIES

THICKNESS = 0.8  # of a row's bars together, where 1 is the distance between rows
DIAMOND = {"color": "#1a1a1a", "markeredgecolor": "white", "markeredgewidth": 1.0, "markersize": 6, "linestyle": "none"}
"""Dark with a white edge: one of both stands out from every bar and ground."""


def bars(
    axes: Axes,
    values: pd.DataFrame | pd.Series,
    errors: pd.DataFrame | pd.Series | None = None,
    *,
    colours: Mapping[str, str] | None = None,
    marks: pd.DataFrame | pd.Series | None = None,
    points: pd.DataFrame | None = None,
) -> None:
    """A row for each row of ``values``, downwards, and in it a bar for each column.

    Columns take their colours from ``colours``, else from what the book's colours mean, else from the palette; a Series
    is one column, whose bars take theirs by the names of its rows. ``errors`` have the same rows and columns, in the
    same unit; ``marks`` too: they stand in the bars as a `DIAMOND`, such as what a paper prints. ``points``, for a
    Series, has a column for each row of it: single values, drawn over its bar.
    """
    single = isinstance(values, pd.Series)
    wide, spread, beside = (_frame(part) for part in (values, errors, marks))
    height = THICKNESS / wide.shape[1]
    marked = [column for column in wide if beside is not None and column in beside]
    rows = np.arange(len(wide))
    for number, column in enumerate(wide):
        places = rows + (number - (wide.shape[1] - 1) / 2) * height
        own = [column] if not single else list(wide.index)
        colour = [_colour(name, number + place, colours) for place, name in enumerate(own)]
        axes.barh(
            places,
            wide[column],
            height=0.92 * height,
            color=colour if single else colour[0],
            xerr=None if spread is None or column not in spread else np.nan_to_num(spread[column].reindex(wide.index)),
            error_kw={"ecolor": INK, "elinewidth": 1},
            label=None if single else label(column),
            alpha=0.6 if points is not None else None,
        )
        if column in marked:
            name = "reported" if column == marked[0] else None
            axes.plot(beside[column].reindex(wide.index), places, marker="D", label=name, zorder=3, **DIAMOND)
    if points is not None:
        for place, name in enumerate(wide.index):
            column = points[name].dropna()
            axes.plot(column, place + np.linspace(-0.2, 0.2, len(column)), ".", color=INK)
    names = [label(name) for name in wide.index]
    axes.set(yticks=rows, yticklabels=names, ylim=(len(wide) - 0.5, -0.5))
    axes.grid(axis="x")


def category_bars(
    axes: Axes,
    table: pd.DataFrame,
    metric: str,
    spread: pd.DataFrame | None = None,
    best: pd.DataFrame | None = None,
) -> None:
    """One bar a category in percent, best first, error bars of one standard error from `spread`, the mean as a dashed
    grey line, and that of `best`, such as the best trivial map's table, as a dotted one."""
    rows = 100 * table[metric].drop(index="mean").sort_values(ascending=False)
    bars(axes, rows.to_frame("winclip"), None if spread is None else 100 * spread[metric].to_frame("winclip"))
    axes.axvline(100 * table.loc["mean", metric], color=INK, linestyle="--", linewidth=1.5)
    if best is not None:
        axes.axvline(100 * best.loc["mean", metric], color=INK, linestyle=":", linewidth=1.5)
    axes.set_xlabel(axis_label(metric))


def model_bars(
    axes: Axes, tables: Mapping[str, pd.DataFrame], metric: str, reported: Mapping[str, pd.Series] | None = None
) -> None:
    """One bar per category and model in percent, in the first table's order, and each model's mean as a dashed line.

    Where a table has ``METRIC_se`` (fractions), bars get error bars. `reported` holds printed fractions by model and
    category; those of the table's categories stand in the bars as diamonds.
    """
    values = pd.DataFrame({name: 100 * table[metric] for name, table in tables.items()})
    values = values.reindex(next(iter(tables.values())).index)
    error = f"{metric}_se"
    errors = pd.DataFrame({name: 100 * table[error] for name, table in tables.items() if error in table})
    printed = pd.DataFrame({name: 100 * own for name, own in (reported or {}).items()}).reindex(
        values.index.drop("mean")
    )
    marks = printed if printed.notna().any(axis=None) else None
    bars(axes, values.drop(index="mean"), errors if len(errors.columns) else None, marks=marks)
    for number, name in enumerate(tables):
        axes.axvline(values.loc["mean", name], color=_colour(name, number, None), linestyle="--", linewidth=1.5)
    axes.set_xlabel(axis_label(metric))


def _frame(values: pd.DataFrame | pd.Series | None) -> pd.DataFrame | None:
    return values.to_frame("") if isinstance(values, pd.Series) else values


def _colour(name: str, number: int, colours: Mapping[str, str] | None) -> str:
    return (colours or {}).get(name) or COLOURS.get(name) or SERIES[number % len(SERIES)]
