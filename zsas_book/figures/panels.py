"""The frame of a figure: panels in the book's style, one legend for all of them."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from .log_ticks import RoundLogLocator
from .style import use_style

WIDTHS = {1: 7.5, 2: 8.5}  # inches, by columns
WIDEST = 9.0
SIDES = {"above": "outside upper center", "right": "outside right center"}


def panels(
    columns: int = 1, rows: int = 1, *, height: float = 3.2, width: float | None = None, share: str = ""
) -> tuple[Figure, Axes | np.ndarray]:
    """A figure of ``rows`` x ``columns`` panels, ``height`` and ``width`` inches in all, in the book's style.

    ``share`` names the axes that all panels have in common, "x", "y" or "xy". Returns the figure and its axes: the one,
    an array of one row or column, or one of rows and columns.
    """
    use_style()
    size = (width or WIDTHS.get(columns, WIDEST), height)
    return plt.subplots(rows, columns, figsize=size, sharex="x" in share, sharey="y" in share)


def legend(figure: Figure, side: str = "above", columns: int = 4) -> None:
    """One legend for the labelled things of all panels, each label once, above or to the right of them."""
    found = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels()):
            found.setdefault(label, handle)
    columns = 1 if side == "right" else min(columns, len(found))
    figure.legend(list(found.values()), list(found), loc=SIDES[side], ncols=columns)


def log_axes(axes: Axes, which: str = "xy") -> None:
    """Logarithmic axes, "x", "y" or "xy", with ticks at 0.1, 0.3, 1, 3 and so on (`RoundLogLocator`), written as plain
    numbers."""
    for name in which:
        axes.set(**{f"{name}scale": "log"})
        axis = getattr(axes, f"{name}axis")
        axis.set_major_locator(RoundLogLocator())
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
