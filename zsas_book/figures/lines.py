"""Charts of lines: categories and their mean along an axis, trainings along their steps, named points."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..labels import axis_label, label
from .panels import panels
from .style import INK, SERIES


def sweep_lines(
    axes: Axes,
    table: pd.DataFrame,
    metric: str = "pixel_auroc",
    categories: Sequence[str] | None = None,
    mean: bool = True,
) -> None:
    """A uniform sweep's `metric` in percent against the perturbation's value, one line a category.

    Bands of one bootstrap standard error over images where the table has ``METRIC_se``; the mean over categories as a
    thick grey line.
    """
    chosen = list(categories or dict.fromkeys(table.category[table.category != "mean"]))
    chosen += ["mean"] if mean and (table.category == "mean").any() else []
    wide = table.pivot(index="value", columns="category", values=metric)[chosen]
    errors = table.pivot(index="value", columns="category", values=f"{metric}_se") if f"{metric}_se" in table else None
    category_lines(axes, 100 * wide, None if errors is None else 100 * errors.drop(columns="mean", errors="ignore"))
    axes.set_ylabel(axis_label(metric))


def category_lines(
    axes: Axes,
    values: pd.DataFrame,
    errors: pd.DataFrame | pd.Series | None = None,
    *,
    even: bool = False,
    limits: tuple[float, float] = (0.0, 100.0),
    marker: str = "o",
) -> None:
    """A thin line for each column of ``values`` along its index, and one thick grey line for the column "mean".

    ``errors`` has the same rows and some of the columns, in the same unit: they become bands, cut to ``limits``; a
    Series is the mean's own and becomes error bars. ``even`` puts the index at even distances, as where it is no
    number.
    """
    places = np.arange(len(values)) if even else values.index.to_numpy()
    thin = [column for column in values if column != "mean"]
    for colour, column in zip(np.resize(SERIES, len(thin)), thin):
        line = values[column].to_numpy()
        axes.plot(places, line, color=colour, linewidth=1.5, label=label(column), marker=marker, markersize=3)
        if isinstance(errors, pd.DataFrame) and column in errors:
            low, high = (np.clip(line + sign * errors[column].to_numpy(), *limits) for sign in (-1, 1))
            axes.fill_between(places, low, high, color=colour, alpha=0.15)
    if "mean" in values:
        spread = errors.reindex(values.index) if isinstance(errors, pd.Series) else None
        axes.errorbar(places, values["mean"], yerr=spread, color=INK, linewidth=2.5, elinewidth=1, label="mean")
    if even:
        axes.set_xticks(places, [label(name) if isinstance(name, str) else f"{name:g}" for name in values.index])
    axes.grid(axis="y")


def training_lines(
    axes: Axes, history: pd.DataFrame, column: str, name: str | None = None, colour: str = INK, style: str = "-"
) -> None:
    """One column of a training's history after every step, a line for each seed where there are several; ``name``
    labels the first."""
    runs = [rows for _, rows in history.groupby("seed")] if "seed" in history else [history]
    for number, rows in enumerate(runs):
        line = {"color": colour, "linestyle": style, "linewidth": 1.4, "label": None if number else name}
        axes.plot(rows.step + 1, rows[column], **line)
    axes.set_xlabel("training step")
    axes.grid(axis="y")


def training_panels(
    history: pd.DataFrame, columns: Mapping[str, Mapping[str, str]], starts: Mapping[str, float]
) -> Figure:
    """A panel for each quantity that a training's history has, in it `training_lines` of the columns that ``columns``
    names for it, each under its label, the first one grey, and a dotted line at the quantity's start."""
    figure, axes = panels(len(columns), height=3)
    for axis, (quantity, labels) in zip(np.atleast_1d(axes), columns.items()):
        for colour, (column, name) in zip((INK, *SERIES), labels.items()):
            training_lines(axis, history, column, name, colour)
        axis.axhline(starts[quantity], color=INK, linestyle=":", linewidth=1.5)
        axis.set_ylabel(quantity)
        axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return figure


def named_points(
    axes: Axes, across: pd.Series, up: pd.Series, errors: pd.Series | None = None, colour: str = SERIES[0]
) -> None:
    """A point for each row of two Series, with its name beside it and, across, its error."""
    spread = None if errors is None else errors.reindex(across.index).fillna(0)
    axes.errorbar(across, up[across.index], xerr=spread, fmt="o", color=colour, ecolor=INK)
    for name in across.index:
        place = {"xytext": (4, 4), "textcoords": "offset points", "color": INK, "fontsize": 8}
        axes.annotate(label(name), (across[name], up[name]), **place)
    axes.margins(x=0.12, y=0.15)
    axes.grid()
