"""Means over groups of categories, textures apart from objects, as paper K averages them (section 4.5)."""

from collections.abc import Mapping

import pandas as pd

from ..evaluation.tables import MEAN


def group_means(table: pd.DataFrame, groups: Mapping[str, str]) -> pd.DataFrame:
    """Means over the categories of each group, one row a group in order of first appearance, columns as in ``table``.

    ``table`` has one row per category in its index, as `evaluation.evaluate` gives it; its row "mean" takes no part.
    """
    rows = pd.DataFrame(table).drop(index=MEAN, errors="ignore")
    return rows.groupby(rows.index.map(groups), sort=False).mean().rename_axis("group")
