"""Categories in groups, textures apart from objects, as paper K averages them (section 4.5)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ..base.errors import DataError
from ..data.embedded.products import AUXILIARY, EVALUATION
from ..evaluation.tables import MEAN

GROUPING = Path(__file__).parents[1] / "data" / "tables" / "category_groups.csv"
"""Paper K's grouping of MVTec AD's categories."""
UNGROUPED = "other"


def category_groups(dataset: str, categories: Sequence[str], path: str | Path | None = None) -> dict[str, str]:
    """The group of each category, in the categories' order.

    ``path`` is a CSV with the columns category and group. Without it, MVTec AD's are paper K's texture, rigid and
    flexible; the embedded products are texture, where the surface fills the picture, or object; all other categories
    are `UNGROUPED`. Raises DataError for a file that lacks a column or a category.
    """
    if path is not None:
        table = pd.read_csv(path, dtype=str)
        if lacking := [column for column in ("category", "group") if column not in table]:
            raise DataError(f"{path} lacks the columns {', '.join(lacking)}; expected category and group.")
        known = dict(zip(table.category, table.group))
        if missing := [category for category in categories if category not in known]:
            raise DataError(f"{path} has no group for {', '.join(missing)}; add a row for each.")
    elif dataset.startswith("embedded"):
        known = {
            product.name.replace(" ", "_"): "texture" if product.is_texture else "object"
            for product in (*AUXILIARY, *EVALUATION)
        }
    else:
        table = pd.read_csv(GROUPING)
        known = dict(table[table.dataset == dataset][["category", "group"]].to_numpy())
    return {category: known.get(category, UNGROUPED) for category in categories}


def group_means(table: pd.DataFrame, groups: Mapping[str, str]) -> pd.DataFrame:
    """Means over the categories of each group, one row a group in order of first appearance, columns as in ``table``.

    ``table`` has one row per category in its index, as `evaluation.evaluate` gives it; its row "mean" takes no part.
    """
    rows = pd.DataFrame(table).drop(index=MEAN, errors="ignore")
    return rows.groupby(rows.index.map(groups), sort=False).mean().rename_axis("group")
