"""Charts of lines: categories and their mean along an axis, trainings and searches along their steps, named points."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..labels import axis_label, label
from .panels import legend, log_axes, panels
from .style import INK, SERIES

ABOVE, BELOW = (4, 4), (4, -11)
"""Where the name of a point stands, in points from it."""


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


def curve_panels(
    curves: Mapping[str, pd.DataFrame],
    errors: Mapping[str, pd.DataFrame],
    name: str,
    beside: Mapping[str, Mapping[str, pd.DataFrame]] | None = None,
) -> tuple[Figure, np.ndarray]:
    """A panel for each metric, in it `category_lines` at even distances along ``name``, with the error of the mean.

    ``curves`` and ``errors`` are by metric, in percent. ``beside`` has further ones by what they are called: of these
    only the mean is drawn, dotted, the second one dashed, where they have the rows.
    """
    figure, axes = panels(len(curves), height=4.0)
    for axis, (metric, values) in zip(np.atleast_1d(axes), curves.items()):
        category_lines(axis, values, errors[metric]["mean"], even=True)
        for style, (called, others) in zip((":", "--"), (beside or {}).items()):
            mean = others[metric]["mean"]
            places = values.index.get_indexer(mean.index)
            axis.plot(places, mean, color=INK, linestyle=style, linewidth=2, label=f"mean, {called}")
        axis.set(xlabel=name, ylabel=axis_label(metric))
    legend(figure)
    return figure, np.atleast_1d(axes)


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
    figure, axes = panels(len(columns), height=3.0)
    for axis, (quantity, labels) in zip(np.atleast_1d(axes), columns.items()):
        for colour, (column, name) in zip((INK, *SERIES), labels.items()):
            training_lines(axis, history, column, name, colour)
        axis.axhline(starts[quantity], color=INK, linestyle=":", linewidth=1.5)
        axis.set_ylabel(quantity)
        axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return figure


def named_points(
    axes: Axes,
    across: pd.Series,
    up: pd.Series,
    errors: pd.Series | None = None,
    colour: str = SERIES[0],
    floor: float | None = None,
) -> None:
    """A point for each row of two Series, with its name above it and, across, its error; a name that would touch
    another one stands below its point. ``floor`` is where the upward axis begins; axes are to have their names before.
    """
    spread = None if errors is None else errors.reindex(across.index).fillna(0)
    axes.errorbar(across, up[across.index], xerr=spread, fmt="o", color=colour, ecolor=INK)
    axes.margins(x=0.12, y=0.15)
    axes.set_ylim(floor)
    axes.grid()
    place = {"xytext": ABOVE, "textcoords": "offset points", "color": INK, "fontsize": 8}
    names = [axes.annotate(label(name), (across[name], up[name]), **place) for name in across.index]
    axes.figure.draw_without_rendering()
    taken = []
    for name in names:
        if name.get_window_extent().count_overlaps(taken):
            name.xyann = BELOW
        taken.append(name.get_window_extent())


def bound_steps(curves: Mapping[str, pd.DataFrame], yardstick: str) -> Figure:
    """How far searches have lowered a number as they go on, one step line with a band of one standard error for each.

    ``curves`` hold it in percent for every picture (rows) and number of forward passes so far (columns); drops count
    from where the curve of ``yardstick`` begins. What is ``yardstick`` but for a comment behind a comma is dashed.
    """
    figure, axes = panels(height=3.8)
    original = curves[yardstick].iloc[:, 0]
    order = (SERIES[1], SERIES[2], SERIES[0], INK, SERIES[4])
    for number, (name, curve) in enumerate(curves.items()):
        lowered = -curve.sub(original, axis=0)
        middle, error = lowered.mean(), lowered.sem().fillna(0)
        line = {"color": order[number % len(order)], "linestyle": "--" if name.startswith(f"{yardstick},") else "-"}
        axes.step(middle.index, middle, where="post", label=name, **line)
        band = {"step": "post", "color": line["color"], "alpha": 0.12}
        axes.fill_between(middle.index, middle - error, middle + error, **band)
    most = max(curves[yardstick])
    ticks = [tick * 10**power for power in range(len(str(most))) for tick in (1, 2, 5)]
    log_axes(axes, "x")
    axes.set(xlabel="forward passes per picture", ylabel="drop of pixel AUROC (points)")
    ticks = [tick for tick in ticks if 2 <= tick <= most]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.grid(axis="y")
    legend(figure)
    return figure
