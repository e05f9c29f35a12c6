"""One style for all figures: colours that mean the same on every page, readable on light and dark ground."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import seaborn as sns

from zsas_lib.models import BEST_TRIVIAL, MODELS
from zsas_lib.perturbations import PERTURBATIONS

INK = "#767676"
PALETTE = {
    "blue": "#167cff",
    "amber": "#c68005",
    "teal": "#0c726a",
    "red": "#b62402",
    "plum": "#a32c95",
    "lavender": "#8f81d4",
    "violet": "#9320c3",
    "brown": "#87563c",
    "sand": "#a1934f",
    "indigo": "#4938f3",
    "rose": "#f7519b",
    "grey": "#8a8a8a",
}
"""Every colour of a line, bar or point. Any two but the grey can be told apart with each kind of colour blindness, and
each stands out from white and from black (tests/zsas_book/figures/test_figures.py); `INK` can be read on both."""
SERIES = tuple(colour for name, colour in PALETTE.items() if name != "grey")
"""The same palette for series without a colour of their own, such as categories."""


def colours_of(keys: Mapping[str, str]) -> dict[str, str]:
    """The colour of each name by its key in `PALETTE`; those without a key take the colours of `SERIES` in turn.

    Raises KeyError for a key that is not in the palette.
    """
    without = [name for name, key in keys.items() if not key]
    return {name: PALETTE[key] if key else SERIES[without.index(name) % len(SERIES)] for name, key in keys.items()}


COLOURS = {
    **colours_of({name: record.colour for name, record in MODELS.items()}),
    **colours_of({name: record.colour for name, record in PERTURBATIONS.items()}),
    **colours_of({"reported": "grey", "chance": "grey", BEST_TRIVIAL: "grey"}),
}
"""What a colour means: on every page the same model, or the same perturbation; grey is all that is no model."""
MAP_COLOURS = "inferno"
TRUTH_COLOUR = "#00e5ff"


def use_style() -> None:
    """The book's figure style, for all figures that follow."""
    sns.set_theme(context="notebook", style="ticks", palette=list(SERIES))
    plt.rcParams.update(
        {
            "text.parse_math": False,  # names are text; where a formula is meant, it is said there
            "figure.facecolor": "none",
            "axes.facecolor": "none",
            "savefig.facecolor": "none",
            "legend.facecolor": "none",
            "figure.dpi": 110,
            "savefig.dpi": 110,
            "figure.constrained_layout.use": True,
            "svg.fonttype": "none",
            "svg.hashsalt": "zsas",  # ids in SVG files follow from what is drawn
            "text.color": INK,
            "axes.labelcolor": INK,
            "axes.edgecolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.titlecolor": INK,
            "grid.color": INK,
            "grid.alpha": 0.3,
            "font.size": 10,
            "axes.titlesize": 10,
            "axes.labelsize": 10,
            "legend.fontsize": 9,
            "legend.frameon": False,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "legend.title_fontsize": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "patch.edgecolor": "none",
        }
    )
