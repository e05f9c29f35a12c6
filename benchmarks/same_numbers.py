"""Two builds of the book, compared: every table that the old one published, cell by cell.

    python -m benchmarks same_numbers OLD NEW                                # two project folders with computed pages
    python -m benchmarks same_numbers OLD NEW --renamed uniform_sweep=turns  # a page that has another name now

Numbers are the same to `TOLERANCE`, texts letter by letter; two empty cells are the same. Columns are matched by name.
Rows are matched in order; where their number differs, by the first columns that tell all of them apart. What is new (a
page, a table, a column) is listed and is no difference. What differs on purpose is named in changed_on_purpose.csv with
the reason: page, table and column as in OLD, `*` for any; an empty column is the table itself and its rows.
"""

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pandas as pd

from zsas_lib.base.errors import UnknownNameError

TOLERANCE = 1e-6  # of one, or of the largest number of a column whose numbers are all smaller than one
ON_PURPOSE = Path(__file__).with_name("changed_on_purpose.csv")
INTENDED = ["page", "table", "column", "why"]
Build = dict[str, dict[str, pd.DataFrame]]  # page -> table -> its cells as text


@dataclass(frozen=True)
class Difference:
    """What differs in a column of a published table; an empty `column` is the table itself or its rows."""

    page: str
    table: str
    column: str
    what: str


@dataclass(frozen=True)
class Intended:
    """A row of changed_on_purpose.csv."""

    page: str
    table: str
    column: str
    why: str

    def covers(self, page: str, table: str, column: str) -> bool:
        wanted = ((page, self.page), (table, self.table), (column, self.column))
        return all(fnmatchcase(name, pattern) for name, pattern in wanted)


def read_build(folder: Path) -> Build:
    """The tables that a build's pages published: `folder` is a project with computed pages, or its
    ``book/_computed``."""
    computed = folder / "book" / "_computed" if (folder / "book" / "_computed").is_dir() else folder
    build: Build = {}
    for path in sorted(computed.glob("*_files/*.csv")):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        build.setdefault(path.parent.name.removesuffix("_files"), {})[path.stem] = table
    if not build:
        raise FileNotFoundError(
            f"{folder} has no published tables: expected book/_computed/PAGE_files/TABLE.csv in it."
        )
    return build


def read_intended(path: Path) -> list[Intended]:
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if list(table) != INTENDED:
        raise ValueError(f"{path} has the columns {', '.join(table)}; expected {', '.join(INTENDED)}.")
    intended = [Intended(*row) for row in table.itertuples(index=False)]
    for row in intended:
        if not row.why.strip():
            raise ValueError(f"{path} gives no reason for {row.page}, {row.table}, {row.column}.")
    return intended


def differences(old: Build, new: Build, renamed: dict[str, list[str]] | None = None) -> Iterator[Difference]:
    """What differs in `new` from the tables of `old`; `renamed` gives a page's names in `new` where it has others."""
    for page, tables in old.items():
        pages = [new[name] for name in _names(page, renamed) if name in new]
        if not pages:
            yield Difference(page, "", "", f"the page is missing; its tables were {', '.join(tables)}")
            continue
        for table, before in tables.items():
            after = next((found[table] for found in pages if table in found), None)
            if after is None:
                yield Difference(page, table, "", "the table is missing")
            else:
                for column, what in _table_differences(before, after):
                    yield Difference(page, table, column, what)


def additions(old: Build, new: Build, renamed: dict[str, list[str]] | None = None) -> Iterator[str]:
    """What `new` publishes and `old` does not."""
    before: dict[str, dict[str, set[str]]] = {}
    for page, tables in old.items():
        for name in _names(page, renamed):
            for table, frame in tables.items():
                before.setdefault(name, {}).setdefault(table, set()).update(frame)
    for page, tables in new.items():
        if page not in before:
            yield f"{page}: a new page"
            continue
        for table, frame in tables.items():
            if table not in before[page]:
                yield f"{page}, {table}: a new table"
            else:
                yield from (
                    f"{page}, {table}, {column}: a new column" for column in frame if column not in before[page][table]
                )


def idle(intended: list[Intended], old: Build) -> list[Intended]:
    """The rows of changed_on_purpose.csv that name nothing that the old build has."""
    known = [(page, "", "") for page in old]
    for page, tables in old.items():
        for table, frame in tables.items():
            known += [(page, table, column) for column in ["", *frame]]
    return [row for row in intended if not any(row.covers(*names) for names in known)]


def _names(page: str, renamed: dict[str, list[str]] | None) -> list[str]:
    return (renamed or {}).get(page, [page])


def _table_differences(before: pd.DataFrame, after: pd.DataFrame) -> Iterator[tuple[str, str]]:
    old_rows, new_rows = list(range(len(before))), list(range(len(after)))
    places = [f"row {row + 1}" for row in old_rows]
    if len(before) != len(after):
        old_keys, new_keys = _keys(before, after)
        if not old_keys:
            yield "", f"{len(before)} rows, now {len(after)}; no columns in common tell them apart, none is compared"
            return
        missing = [key for key in old_keys if key not in new_keys]
        added = [key for key in new_keys if key not in old_keys]
        counts = f"{len(before)} rows, now {len(after)}"
        yield (
            "",
            counts
            + "".join(
                f"; {word} {len(keys)}: {_first(keys)}" for word, keys in (("missing", missing), ("new", added)) if keys
            ),
        )
        shared = [key for key in old_keys if key in new_keys]
        old_rows, new_rows = [old_keys[key] for key in shared], [new_keys[key] for key in shared]
        places = [" / ".join(key) for key in shared]
    for column in before:
        if column not in after:
            yield column, "the column is missing"
        elif what := _column_difference(before[column].iloc[old_rows], after[column].iloc[new_rows], places):
            yield column, what


def _keys(before: pd.DataFrame, after: pd.DataFrame) -> tuple[dict[tuple, int], dict[tuple, int]]:
    """Each row's place by its first named columns, as few as tell the rows of both tables apart; empty where none
    do."""
    shared = [column for column in before if column in after and not column.startswith("Unnamed:")]
    for count in range(1, len(shared) + 1):
        keys = [
            {tuple(row): place for place, row in enumerate(table[shared[:count]].to_numpy())}
            for table in (before, after)
        ]
        if (len(keys[0]), len(keys[1])) == (len(before), len(after)):
            return keys[0], keys[1]
    return {}, {}


def _column_difference(before: pd.Series, after: pd.Series, places: list[str]) -> str:
    """What differs between two columns of the same rows; an empty string where nothing does."""
    numbers = [(_number(old), _number(new)) for old, new in zip(before, after)]
    largest = max((abs(old) for old, _ in numbers if old is not None and math.isfinite(old)), default=1.0)
    tolerance = TOLERANCE * min(1.0, largest)
    apart, texts = [], []
    for old, new, (x, y), place in zip(before, after, numbers, places):
        if x is None or y is None:
            if old != new:
                texts.append((old, new, place))
        elif not (x == y or math.isnan(x) and math.isnan(y) or abs(x - y) <= tolerance):
            apart.append((math.inf if math.isnan(x - y) else abs(x - y), old, new, place))
    said = []
    if apart:
        distance, old, new, place = max(apart, key=lambda cell: cell[0])
        by = f" by up to {distance:.3g}" if math.isfinite(distance) else ""
        said.append(
            f"{_count(len(apart), 'number')} of {len(before)}{by}, {place}: {old or 'nothing'}, now {new or 'nothing'}"
        )
    if texts:
        old, new, place = texts[0]
        said.append(f"{_count(len(texts), 'text')} of {len(before)}, {place}: {old!r}, now {new!r}")
    return "; ".join(said)


def _number(cell: str) -> float | None:
    try:
        return float(cell or "nan")
    except ValueError:
        return None


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def _first(keys: list[tuple]) -> str:
    return ", ".join(" / ".join(key) for key in keys[:3]) + (", ..." if len(keys) > 3 else "")


def _renamed(pairs: list[str], old: Build, new: Build) -> dict[str, list[str]]:
    renamed: dict[str, list[str]] = {}
    for pair in pairs:
        before, separator, after = pair.partition("=")
        if not separator:
            raise ValueError(f"--renamed takes OLD=NEW, the names of a page; got {pair!r}.")
        for name, build, which in ((before, old, "page of OLD"), (after, new, "page of NEW")):
            if name not in build:
                raise UnknownNameError(which, name, list(build))
        renamed.setdefault(before, []).append(after)
    return renamed


def report(old: Build, new: Build, intended: list[Intended], renamed: dict[str, list[str]]) -> bool:
    """Print what differs and what is new; True where all that differs is intended and each intended row names
    something."""
    unintended = 0
    for found in differences(old, new, renamed):
        reason = next((row.why for row in intended if row.covers(found.page, found.table, found.column)), None)
        unintended += reason is None
        place = ", ".join(part for part in (found.page, found.table, found.column) if part)
        print(f"{place}: {found.what}{f' (on purpose: {reason})' if reason else ''}")
    for added in additions(old, new, renamed):
        print(added)
    unmatched = idle(intended, old)
    for row in unmatched:
        print(f"{ON_PURPOSE.name}: {row.page}, {row.table}, {row.column} names nothing that OLD has")
    tables = sum(map(len, old.values()))
    cells = sum(frame.size for page in old.values() for frame in page.values())
    verdict = f"{_count(unintended, 'difference')} not named in {ON_PURPOSE.name}" if unintended else "the same numbers"
    print(f"{tables} tables of {len(old)} pages, {cells} cells: {verdict}")
    return not unintended and not unmatched


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks same_numbers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("old", type=Path, metavar="OLD")
    parser.add_argument("new", type=Path, metavar="NEW")
    parser.add_argument(
        "--renamed", action="append", default=[], metavar="OLD=NEW", help="twice for a page that was split"
    )
    parser.add_argument("--on-purpose", type=Path, default=ON_PURPOSE, metavar="CSV", help="what may differ, and why")
    options = parser.parse_args(arguments)
    try:
        old, new = read_build(options.old), read_build(options.new)
        intended, renamed = read_intended(options.on_purpose), _renamed(options.renamed, old, new)
    except (OSError, ValueError, UnknownNameError) as error:
        parser.error(str(error))
    sys.exit(0 if report(old, new, intended, renamed) else 1)
