"""Every number that a computed page publishes, read from the CSV files of its tables and figures."""

import re
from pathlib import Path

import pandas as pd

COLUMNS = ("table", "row", "column", "value", "spread")
SPREADS = ("{}_se", "{}_std", "± {}")
NUMBER = re.compile(r"-?(?:(?:0|[1-9]\d*)(?:\.\d+)?(?:e[-+]\d+)?|inf)")
"""A number as `figures.publish_table` writes it."""


def published_numbers(files: Path) -> pd.DataFrame:
    """The numbers in the CSV files of a folder ``PAGE_files``, one a row, with the columns of ``COLUMNS``.

    ``table`` is the file's name without its suffix, ``row`` says which row in words (``category=mean; value=45``),
    ``spread`` is the standard error or deviation that stands beside the number, NaN where none does. A row's words are
    the fewest that tell the rows apart: text columns from the left, then numbers from the left. A folder that is not
    there has no numbers.
    """
    tables = [table_numbers(path) for path in sorted(files.glob("*.csv"))]
    tables = [table for table in tables if len(table)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))


def read_published(path: Path) -> pd.DataFrame:
    """A table as a page published it: a column is of numbers or of truth values where all its cells are, as
    `figures.publish_table` writes them, or empty; all other cells are text, such as the categories "01" and "NA". What
    is empty is NaN."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    for name in table:
        filled = table[name].dropna()
        if len(filled) == len(table) > 0 and filled.isin(["True", "False"]).all():
            table[name] = table[name] == "True"
        elif all(map(NUMBER.fullmatch, filled)):
            table[name] = pd.to_numeric(table[name])
    return table


def table_numbers(path: Path) -> pd.DataFrame:
    """The numbers of one CSV file, see `published_numbers`."""
    table = read_published(path)
    table = table.drop(columns=[name for name in table if name.startswith("Unnamed: ")])
    keys = _keys(table)
    rows = (
        [
            "; ".join(f"{name}={_in_words(value)}" for name, value in zip(keys, values))
            for values in table[keys].itertuples(index=False)
        ]
        if keys
        else [""] * len(table)
    )
    repeated = pd.Series(rows).groupby(rows).cumcount() if rows else []
    rows = [f"{row}; {count + 1}" if count else row for row, count in zip(rows, repeated)]
    measured = [
        name
        for name in table
        if pd.api.types.is_numeric_dtype(table[name]) and name not in keys and table[name].dtype != bool
    ]
    beside = {name: spread.format(name) for name in measured for spread in SPREADS if spread.format(name) in measured}
    parts = [
        pd.DataFrame(
            {
                "table": path.stem,
                "row": rows,
                "column": name,
                "value": table[name].astype(float),
                "spread": table[beside[name]].astype(float) if name in beside else float("nan"),
            }
        )
        for name in measured
        if name not in beside.values()
    ]
    return pd.concat(parts, ignore_index=True).dropna(subset="value") if parts else pd.DataFrame(columns=list(COLUMNS))


def _keys(table: pd.DataFrame) -> list[str]:
    """The fewest leading columns, text before numbers, that tell the rows apart."""
    text = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    numbers = [name for name in table if pd.api.types.is_numeric_dtype(table[name]) and table[name].dtype != bool]
    keys: list[str] = []
    for name in [*text, *numbers[:-1]]:
        if keys and not table.duplicated(keys).any():
            break
        keys.append(name)
    return keys


def _in_words(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
