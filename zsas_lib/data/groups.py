"""Categories and defects in groups: ``tables/category_groups.csv`` and ``tables/defect_types.csv``. Needs no torch.

Paper K averages over groups of categories (section 4.5) and of defects (its Tables 5 and 6). Its categories' groups are
its own; its counts add up to 52 defect types where MVTec AD has 73 pairs of category and defect, so each pair has got a
type here by the rules of `TYPES`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ..base.errors import DataError

TABLES = Path(__file__).parent / "tables"
GROUPING, MAPPING = TABLES / "category_groups.csv", TABLES / "defect_types.csv"
UNGROUPED = "other"

TYPES: Mapping[str, str] = {
    "missing_component": "a part that belongs there is absent",
    "logical_error": "an intact part, but the wrong one, or in the wrong place or orientation",
    "geometric_deformation": "bent, folded or squeezed, in one piece",
    "surface_pattern": "a print or the pattern of the surface differs",
    "multiple": "several defects in one picture, or a folder of various ones",
    "surface_damage": "scratched, cut or poked, in one piece",
    "foreign_material": "something lies on it that does not belong there",
    "appearance_change": "discoloured or stained, shape and surface as before",
    "structural_break": "cracked or broken",
    "missing_material": "a hole, or a piece is gone",
}
"""Paper K's ten types, with this project's rule for each; what is done to the part decides, not what it looks like."""


def category_groups(dataset: str, categories: Sequence[str], path: str | Path | None = None) -> dict[str, str]:
    """The group of each category, in the categories' order.

    ``path`` is a CSV with the columns category and group. Without it, MVTec AD's are paper K's texture, rigid and
    flexible; the embedded products are texture, where the surface fills the picture, or object; all other categories
    are `UNGROUPED`. Raises DataError for a file that is no CSV in UTF-8 or lacks a column or a
    category.
    """
    if path is None:
        table = pd.read_csv(GROUPING, dtype=str, keep_default_na=False)
        own = table.loc[table.dataset == dataset]
        known = dict(zip(own.category, own.group))
        return {category: known.get(category, UNGROUPED) for category in categories}
    table = _read(path)
    if lacking := [column for column in ("category", "group") if column not in table]:
        raise DataError(f"{path} lacks the columns {', '.join(lacking)}; expected category and group.")
    known = dict(zip(table.category, table.group))
    if missing := [category for category in categories if category not in known]:
        raise DataError(f"{path} has no group for {', '.join(missing)}; add a row for each.")
    return {category: known[category] for category in categories}


def type_mapping(dataset: str, path: str | Path | None = None) -> pd.DataFrame:
    """The published mapping of a data set's defects to `TYPES`: columns category ("" for any), defect, type.

    ``path`` is a CSV with these columns instead. Raises DataError for a data set or file without rows, a file that is
    no CSV in UTF-8 or lacks a column, or a type that is none.
    """
    table = _read(path or MAPPING)
    lacking = [column for column in ("category", "defect", "type") if column not in table]
    if lacking:
        raise DataError(f"{path or MAPPING} lacks the columns {', '.join(lacking)}; expected category, defect, type.")
    if path is None:
        table = table.loc[table.dataset == dataset]
    if table.empty:
        raise DataError(
            f"No defect of data set {dataset!r} has a type in {path or MAPPING}; write a CSV with the columns "
            "category, defect and type, and pass its path."
        )
    if unknown := sorted(set(table.type) - set(TYPES)):
        raise DataError(f"{path or MAPPING} has the types {', '.join(unknown)}; expected some of {', '.join(TYPES)}.")
    return table.loc[:, ["category", "defect", "type"]].reset_index(drop=True)


def types_of(mapping: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> list[str | None]:
    """The type of each of several pairs of category and defect by a `type_mapping`, in which a row for the category
    counts before one for any; None for a pair without one.

    >>> from zsas_lib.data.groups import type_mapping, types_of
    >>> types_of(type_mapping("mvtec"), [("cable", "bent_wire"), ("cable", "hole")])
    ['geometric_deformation', None]
    """
    known = dict(zip(zip(mapping.category, mapping.defect), mapping.type))
    return [known.get((category, defect), known.get(("", defect))) for category, defect in pairs]


def _read(path: str | Path) -> pd.DataFrame:
    """A CSV whose every cell is text, such as the categories "01" and "NA"."""
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path} is no CSV in UTF-8: {error}.") from None
