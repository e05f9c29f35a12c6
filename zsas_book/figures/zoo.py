"""Charts of the zoo: networks by their accuracy in plain view and elsewhere."""

from collections.abc import Mapping
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.special import expit

from zsas_lib.evaluation.sampled import ITSELF
from zsas_lib.robustness.design_choices import MORE_IS_BETTER, WITHIN
from zsas_lib.robustness.effective import huber_line, logits_of

from .costs import MARKERS
from .dots import ROW, dots
from .panels import legend, panels
from .style import INK, SERIES

SMALLEST = 0.02
"""Where axes of accuracy begin, as a fraction."""


def factor_lines(
    robustness: pd.DataFrame, reference: list[str], colours: Mapping[str, str], columns: int = 4
) -> Figure:
    """A panel for each factor: every network by its accuracy in plain view (across) and under the factor (upwards), in
    percent, with the line of the ``reference`` members, which is straight between logits. ``robustness`` is a flat
    table of `visual_factors.factor_robustness`; members in ``colours`` are told apart, others are small, grey and
    behind them."""
    own = robustness[robustness["replicate"] == ITSELF]
    factors = list(dict.fromkeys(own["factor"]))
    rows = -(-len(factors) // columns)
    figure, axes = panels(columns, rows, height=2.1 * rows + 0.5, share="xy")
    flat = np.atleast_1d(axes).ravel()
    for axis, factor in zip(flat, factors):
        here = own[own["factor"] == factor]
        fitted = here[here["member"].isin(reference)]
        slope, intercept = huber_line(*(logits_of(fitted[name].to_numpy()) for name in ("plain", "accuracy")))
        across = np.linspace(max(SMALLEST, here["plain"].min() - 0.02), min(0.98, here["plain"].max() + 0.02), 50)
        axis.plot(100 * across, 100 * expit(slope * logits_of(across) + intercept), color=INK, linewidth=1)
        for member, part in here.groupby("member", sort=False):
            known = colours.get(str(member))
            shape = {"color": known, "markersize": 5, "zorder": 3} if known else {"color": INK, "markersize": 3}
            label = str(member) if known and factor == factors[0] else None
            axis.plot(100 * part["plain"], 100 * part["accuracy"], "o", label=label, **shape)
        axis.set_title(factor)
    for axis in flat[len(factors) :]:
        axis.set_visible(False)
    figure.supxlabel("accuracy in plain view (%)")
    figure.supylabel("accuracy under the factor (%)")
    legend(figure)
    return figure


def foretelling(table: pd.DataFrame, across: str, up: Mapping[str, str], chance: Mapping[str, float]) -> Figure:
    """A panel for each column of ``up`` (a name, its axis): networks by accuracy in plain view and by it, a colour and
    a marker for each member, and a line at its ``chance``."""
    figure, axes = panels(len(up), height=4.0)
    for axis, (column, named) in zip(np.atleast_1d(axes).ravel(), up.items()):
        for number, (member, own) in enumerate(table.groupby("member", sort=False)):
            shape = {"color": SERIES[number % len(SERIES)], "marker": MARKERS[number % len(MARKERS)], "markersize": 5}
            axis.plot(100 * own[across], 100 * own[column], linestyle="", label=str(member), **shape)
        if column in chance:
            axis.axhline(100 * chance[column], color=INK, linewidth=1, linestyle=":")
        axis.set(xlabel="accuracy in plain view (%)", ylabel=named)
    legend(figure, columns=6)
    return figure


def choice_dots(sure: pd.DataFrame) -> Figure:
    """A panel for each axis of robustness, a row for each member of the zoo: its difference in points with its 95 %
    interval, filled where that leaves 0 out. ``sure`` is of `robustness.design_choices`."""
    axes_of_all = list(dict.fromkeys(sure["axis"]))
    members = list(dict.fromkeys(sure["member"]))
    figure, axes = panels(len(axes_of_all), height=ROW * len(members) + 1.4, share="y")
    for axis, name in zip(np.atleast_1d(axes).ravel(), axes_of_all):
        own = sure[sure["axis"] == name].set_index("member").reindex(members)
        axis.axvline(0.0, color=INK, linewidth=1)
        within = own.index[own["seen"] == WITHIN]
        dots(axis, 100 * own["gap"], 100 * (own["high"] - own["gap"]), colour=SERIES[0], hollow=set(within))
        axis.set_title(fill(name, 12))
        axis.set_xlabel("better \N{RIGHTWARDS ARROW}" if MORE_IS_BETTER[name] else "\N{LEFTWARDS ARROW} better")
    figure.supxlabel("difference (points)")
    return figure
