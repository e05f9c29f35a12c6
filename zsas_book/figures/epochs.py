"""A test metric after every epoch of trainings, and which epoch each choice keeps."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from ..labels import axis_label, label
from .panels import legend, panels
from .style import COLOURS, INK

MARKS = ("s", "o", "*")
SIZES = {"s": 6, "o": 10, "*": 15}


def epoch_curves(table: pd.DataFrame, metric: str, choices: Mapping[str, str]) -> Figure:
    """The metric of `kept_epochs.kept_table` after every epoch, a panel for each model and a line for each training,
    with a hollow mark for each of up to three ``choices``, by column, at the epoch that it keeps; they are named in the
    legend."""
    models = list(table["model"].unique())
    figure, _ = panels(len(models), height=3.4, share="y")
    for model, axes in zip(models, figure.axes):
        rows = table[table["model"] == model]
        for _, run in rows.groupby("run"):
            axes.plot(run["epoch"], 100 * run[metric], color=COLOURS.get(model, INK), linewidth=1.2)
        for (choice, name), mark in zip(choices.items(), MARKS):
            picked = rows[rows[choice]]
            style = {"linestyle": "none", "marker": mark, "markersize": SIZES[mark], "markerfacecolor": "none"}
            axes.plot(picked["epoch"], 100 * picked[metric], markeredgecolor=INK, label=name, **style)
        axes.set(title=label(model), xlabel="epoch", xticks=sorted(set(rows["epoch"])))
    figure.axes[0].set_ylabel(axis_label(metric))
    legend(figure, "above", columns=3)
    return figure
