"""Reliability: how often what is said with a probability comes true."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..labels import label
from .panels import panels
from .style import COLOURS, INK, SERIES


def reliability_panels(bands: Mapping[str, pd.DataFrame], names: Mapping[str, str] | None = None) -> Figure:
    """A panel for each of `thresholds.reliability_band`: the share that came true against the mean probability of each
    bin, in percent, with its band, and the diagonal on which a true probability lies. ``names`` are the panels'."""
    figure, axes = panels(len(bands), height=2.9, share="xy")
    for number, (axis, (name, band)) in enumerate(zip(np.atleast_1d(axes), bands.items())):
        colour = COLOURS.get(name) or SERIES[number % len(SERIES)]
        axis.plot([0, 100], [0, 100], color=INK, linewidth=1)
        axis.fill_between(100 * band.probability, 100 * band.low_share, 100 * band.high_share, color=colour, alpha=0.2)
        axis.plot(100 * band.probability, 100 * band.share, "o-", color=colour, markersize=4, linewidth=1.5)
        axis.set(xlim=(0, 100), ylim=(0, 100), xlabel="probability (%)")
        axis.set_title((names or {}).get(name, label(name)))
    np.atleast_1d(axes)[0].set_ylabel("damaged (%)")
    return figure
