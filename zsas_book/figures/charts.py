"""Figures in one style: colours that mean the same on every page, readable on light and dark ground, with their data.

Figures have no ground of their own and grey writing, so that a page's light or dark ground shows through. `publish`
saves a figure as SVG and the table behind it as CSV, where the page that is being computed collects its downloads.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..labels import axis_label, label
from .style import COLOURS, INK, SERIES


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
    for colour, category in zip(np.resize(SERIES, len(chosen)), chosen):
        rows = table[table.category == category].sort_values("value")
        axes.plot(rows.value, 100 * rows[metric], color=colour, label=label(category), marker="o", markersize=3)
        if f"{metric}_se" in rows:
            band = rows[f"{metric}_se"]
            low, high = (100 * (rows[metric] + sign * band).clip(0, 1) for sign in (-1, 1))
            axes.fill_between(rows.value, low, high, color=colour, alpha=0.15)
    if mean and (table.category == "mean").any():
        rows = table[table.category == "mean"].sort_values("value")
        axes.plot(rows.value, 100 * rows[metric], color=INK, linewidth=2.5, label="mean")
    axes.set_ylabel(axis_label(metric))
    axes.grid(axis="y")


def category_bars(axes: Axes, table: pd.DataFrame, metric: str, spread: pd.DataFrame | None = None) -> None:
    """One bar a category in percent, error bars of one standard error from `spread`, the mean as a dashed grey line."""
    rows = table.drop(index="mean").sort_values(metric)
    error = None if spread is None else 100 * spread[metric].reindex(rows.index)
    axes.barh(
        [label(name) for name in rows.index],
        100 * rows[metric],
        xerr=error,
        color=COLOURS["winclip"],
        error_kw={"ecolor": INK},
    )
    axes.axvline(100 * table.loc["mean", metric], color=INK, linestyle="--", linewidth=1.5)
    axes.set_xlabel(axis_label(metric))
    axes.grid(axis="x")


def model_bars(
    axes: Axes, tables: Mapping[str, pd.DataFrame], metric: str, reported: Mapping[str, pd.Series] | None = None
) -> None:
    """One bar per category and model in percent, in the first table's order, and each model's mean as a dashed line.

    Where a table has ``METRIC_se`` (fractions), bars get error bars. `reported` holds printed fractions by model and
    category; they stand in the bars as diamonds.
    """
    first = next(iter(tables.values()))
    categories = [category for category in first.index if category != "mean"]
    height = 0.8 / len(tables)
    for number, (name, table) in enumerate(tables.items()):
        colour = COLOURS.get(name, SERIES[number % len(SERIES)])
        places = np.arange(len(categories)) + (number - (len(tables) - 1) / 2) * height
        error = 100 * table.loc[categories, f"{metric}_se"] if f"{metric}_se" in table else None
        axes.barh(
            places,
            100 * table.loc[categories, metric],
            height=height,
            color=colour,
            xerr=error,
            label=label(name),
            error_kw={"ecolor": INK, "elinewidth": 1},
        )
        axes.axvline(100 * table.loc["mean", metric], color=colour, linestyle="--", linewidth=1.5)
        if reported and name in reported:
            axes.plot(
                100 * reported[name].reindex(categories),
                places,
                "D",
                color=COLOURS["reported"],
                markersize=4,
                label="reported" if number == 0 else None,
            )
    axes.set(
        yticks=range(len(categories)),
        yticklabels=[label(category) for category in categories],
        ylim=(len(categories) - 0.5, -0.5),
        xlabel=axis_label(metric),
    )
    axes.grid(axis="x")
