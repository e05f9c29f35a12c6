"""Charts of boxes: how a metric of single pictures spreads within groups of them."""

import pandas as pd
from matplotlib.axes import Axes

from ..labels import axis_label, label
from .style import COLOURS, INK


def boxes(axes: Axes, pictures: pd.DataFrame, by: str, metric: str = "pixel_auroc", chance: float = 50.0) -> None:
    """A box for each group of pictures: the middle half of their ``metric``, in percent, its median as a line; dotted,
    what chance would give.

    ``pictures`` has a row for each picture, ``by`` is its column of groups: they stand in the order of a categorical,
    else by their medians.
    """
    groups = {name: 100 * own[metric] for name, own in pictures.groupby(by, observed=True)}
    if not isinstance(pictures[by].dtype, pd.CategoricalDtype):
        groups = dict(sorted(groups.items(), key=lambda group: group[1].median()))
    line = {"color": COLOURS["winclip"], "linewidth": 1.2}
    parts = {f"{part}props": line for part in ("box", "whisker", "cap", "median")}
    parts["flierprops"] = {"marker": ".", "markersize": 4, "markeredgecolor": COLOURS["winclip"]}
    axes.boxplot(list(groups.values()), tick_labels=[label(str(name)) for name in groups], widths=0.7, **parts)
    axes.axhline(chance, color=INK, linestyle=":")
    axes.tick_params(axis="x", rotation=90)
    axes.set(xlabel="", ylabel=axis_label(metric))
