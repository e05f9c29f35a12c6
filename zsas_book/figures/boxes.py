"""Charts of boxes: how a metric of single pictures spreads within groups of them."""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from ..labels import axis_label
from .style import COLOURS, INK


def boxes(axes: Axes, pictures: pd.DataFrame, by: str, metric: str = "pixel_auroc", chance: float = 50.0) -> None:
    """A box for each group of pictures: the middle half of their ``metric``, in percent, its median as a line; dotted, what
    chance would give.

    ``pictures`` has a row for each picture, ``by`` is its column of groups: they stand in the order of a categorical,
    else by their medians.
    """
    ordered = isinstance(pictures[by].dtype, pd.CategoricalDtype)
    order = None if ordered else pictures.groupby(by)[metric].median().sort_values().index
    drawn = pictures.assign(**{metric: 100 * pictures[metric]})
    look = {"color": COLOURS["winclip"], "fill": False, "fliersize": 2, "linewidth": 1.2}
    sns.boxplot(drawn, x=by, y=metric, order=order, ax=axes, **look)
    axes.axhline(chance, color=INK, linestyle=":")
    axes.tick_params(axis="x", rotation=40)
    axes.set(xlabel="", ylabel=axis_label(metric))
