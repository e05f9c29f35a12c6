"""Means over groups of categories, textures apart from objects, as paper K averages them (section 4.5)."""

from collections.abc import Mapping
from typing import cast

import pandas as pd

from ..data.record import row_name
from ..evaluation.tables import MEAN


def group_means(table: pd.DataFrame, groups: Mapping[str, str]) -> pd.DataFrame:
    """Means over the categories of each group, one row a group in order of first appearance, columns as in ``table``.

    ``table`` has one row per category in its index, as `evaluation.evaluate` gives it; its row "mean" takes no part.
    """
    rows = pd.DataFrame(table).drop(index=MEAN, errors="ignore")
    named = {row_name(category): group for category, group in groups.items()}
    of_rows = pd.Index([named.get(category) for category in rows.index], name="group")
    return cast(pd.DataFrame, rows.groupby(of_rows, sort=False).mean())
