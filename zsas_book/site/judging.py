"""Tests of claims, read from text and judged by the numbers that pages publish.

A test compares two sides by ``<``, ``>`` or ``=``, or more in a chain (``a = b > c``); a side is a number or terms
joined by `` - ``; a term is ``PAGE:TABLE[ROWS][COLUMN]``, where ROWS is ``name=value`` or
``name!=value`` pairs joined by ``; `` (empty for all), with ``max``, ``min``, ``mean`` or ``2 *`` before it. Where
several rows match, their mean counts; ``max`` and ``min`` are of the means of rows that differ in their ``seed`` alone.
Whole numbers are equal where they are the same. A test that is one term of words (``audit:claims[...][verdict]``)
quotes it; behind `` by `` stand the differences that it is made from, apart by `` and ``.

Where a page publishes the replicates of its table (`figures.publish_table`), the verdict is that of the difference of
both sides: paired where both are of the same pictures (`evaluation.sampled`), else each with its own chance; within
chance where the 95 % interval has 0 in it. Of ``max`` and ``min`` it is that of the row that is highest or lowest.
A row of differences may have their chance beside them instead, in the columns NAME_se, low, high, agree (a fraction)
and power: that is the verdict on whether they differ from 0. With NAME_se alone, a difference within two of them, both
sides taken as independent, is within chance.

A claim of a printed size does not hold where its difference is within chance and that size is outside of the interval:
one of that size would have shown.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from zsas_lib.evaluation.sampled import Difference, Sampled, agreeing, keys_of, unpaired

from ..published import REPLICATES
from ..tables.numbers import read_published

HOLDS, FAILS, CHANCE, NO_NUMBER = "holds here", "does not hold here", "within chance here", "not computed"
TERM = re.compile(r"(?:(max|min|mean|[\d.]+ \*) )?(\w+):(\w+)\[([^\]]*)\]\[([^\]]+)\]$")
BETWEEN = r" - (?=(?:max |min |mean )?\w+:)"
"""What stands between two terms."""
BY, AND = r"(?<=\]) by ", r"(?<=\]) and "
"""What stands between a quotation and its differences, and between these."""
T = TypeVar("T")
EXTREMES = {"max": max, "min": min}
CHANCES = ("low", "high", "agree", "power")
"""Columns of a table of differences, as in `Difference`."""


class ClaimError(ValueError):
    """A test that cannot be read. The message names it and what is wrong."""


def _equal(one: float, other: float) -> bool:
    """Whether numbers are equal, those that are not whole up to what is left of them when a table is published."""
    return one == other if one.is_integer() and other.is_integer() else bool(np.isclose(one, other))


RELATIONS = {"<": np.less, ">": np.greater, "=": _equal}


@dataclass(frozen=True)
class Verdict:
    """What came of a test: a word or a quotation, the numbers behind it, and the difference of its sides where that is
    known with its chance."""

    word: str
    evidence: str = ""
    gap: Difference | None = None

    @property
    def times(self) -> float:
        """How many times as many pictures, categories or trainings would have shown a difference of this size in four
        of five tests, at most, as more of them have more degrees of freedom; nan where that is not known."""
        return (self.gap.power / self.gap.gap) ** 2 if self.gap and self.gap.gap else float("nan")


@dataclass(frozen=True)
class _Side:
    """A side's value, its standard error, 0 where none is published, and its replicates where all its terms have some
    of the same pictures."""

    value: float
    error: float = 0.0
    sampled: Sampled | None = None
    bare: bool = False
    """Whether it is a number that the test itself gives."""
    gap: Difference | None = None
    """Of a difference whose chance its table has beside it."""

    def __sub__(self, other: "_Side") -> "_Side":
        one, two = self.sampled, other.sampled
        both = one - two if one is not None and two is not None and one.same_pictures(two) else None
        return _Side(self.value - other.value, float(np.hypot(self.error, other.error)), both)


def judge(test: str, computed: Path, printed: float | None = None) -> Verdict:
    """The verdict of a test on the computed pages in the folder `computed`, see the module's head; ``printed`` is what
    the paper has the left side above the right one by.

    "not computed" where a page, table, row or column is not there. Raises ClaimError for a test that cannot be read.
    """
    sides = re.split(r" ([<>=]) (?![^\[]*\])", test)
    try:
        if len(sides) == 1:
            return _quoted(test, computed)
        if len(sides) > 3:
            return _all_of([judge(" ".join(sides[at : at + 3]), computed) for at in range(0, len(sides) - 2, 2)])
        left, relation, right = sides
        if right == "none":
            found = str(_cells(left, computed).iloc[0])
            return Verdict(HOLDS if found in ("none", "nan") else FAILS, found)
        one, other = (_side(side, computed) for side in (left, right))
        found = _difference(one, other)
    except LookupError:
        return Verdict(NO_NUMBER)
    except ValueError as error:
        raise ClaimError(f"claims.csv: {test!r} is no test: {error}") from None
    if not np.isfinite([one.value, other.value]).all():
        return Verdict(NO_NUMBER)
    error = found[0].se if found else float(np.hypot(one.error, other.error))
    asked = f"{_rounded(one.value, error)} {relation} {_rounded(other.value, error)}?"
    said = HOLDS if RELATIONS[relation](one.value, other.value) else FAILS
    if found:
        gap, kind = found
        evidence = f"{asked} {kind} difference {in_words(gap)}"
        outside = printed is not None and not gap.low <= printed <= gap.high
        if printed is not None:
            evidence += f"; the paper's own, {printed:g}, is {'outside' if outside else 'inside'} of the interval"
        unclear = gap.se and gap.low <= 0 <= gap.high
        return Verdict((FAILS if outside else CHANCE) if unclear else said, evidence, gap)
    unclear = error and abs(one.value - other.value) <= 2 * error
    return Verdict(CHANCE if unclear else said, asked + (f" ± {error:.2g}" if error else ""))


def _all_of(found: Sequence[Verdict]) -> Verdict:
    """The verdict of a chain of comparisons: that of the first which does not hold, or else is not known to."""
    order = (FAILS, NO_NUMBER, CHANCE, HOLDS)
    weakest = min(found, key=lambda own: order.index(own.word))
    return Verdict(weakest.word, "; ".join(filter(None, (own.evidence for own in found))), weakest.gap)


def _quoted(test: str, computed: Path) -> Verdict:
    """A quotation with the differences that it is made from, the first of which counts; those that are not computed are
    left out."""
    words, *behind = re.split(f"{BY}|{AND}", test)
    said, gaps, evidence = str(_cells(words, computed).iloc[0]), [], []
    for term in behind:
        gap = _given(_parsed(term), _cells(term, computed), computed)
        if gap is not None:
            named = ", ".join(value for _, _, value in _pairs(str(_parsed(term)[3])))
            evidence.append(f"{named}: paired difference {in_words(gap)}")
            gaps.append(gap)
    return Verdict(said, "; ".join(evidence), gaps[0] if gaps else None)


def measured(side: str, computed: Path) -> tuple[float, Difference | None]:
    """The value of a side of a test, and how far it is from 0 where it has replicates. Raises LookupError where it is
    not computed, ValueError where it is none."""
    found = _side(side, computed)
    gap = found.sampled.difference() if found.sampled is not None else found.gap
    return found.value, gap if gap is not None and np.isfinite(gap.se) else None


def in_words(gap: Difference) -> str:
    """A difference with its 95 % interval, how many resamples agree in sign, and its power."""
    return (
        f"{_rounded(gap.gap, gap.se)}, 95 % interval {_rounded(gap.low, gap.se)} to {_rounded(gap.high, gap.se)}"
        f"{agreeing(gap.agree)}, power {_rounded(gap.power, gap.se)}"
    )


def _rounded(value: float, error: float) -> str:
    """The number to two digits of its error, or to three of its own, and all before its point, where it has none."""
    if not error or value == 0:
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:z.{max(0, 1 - int(np.floor(np.log10(error))))}f}"


def _difference(one: _Side, other: _Side) -> tuple[Difference, str] | None:
    """What two sides differ by, and in a word how; None where one has no replicates and is no bare number either, or
    both are numbers."""
    first, second = one.sampled, other.sampled
    if first is not None and second is not None and not first.same_pictures(second):
        gap, kind = unpaired(first, second), "not paired:"
    elif first is not None and (second is not None or other.bare):
        gap, kind = (first - (other.value if second is None else second)).difference(), "paired"
    elif second is not None and one.bare:
        gap, kind = (second * -1.0 - -one.value).difference(), "paired"
    elif one.gap is not None and other.bare and other.value == 0:
        gap, kind = one.gap, "paired"
    else:
        return None
    return (gap, kind) if np.isfinite(gap.se) else None


def _side(text: str, computed: Path) -> _Side:
    try:
        return _Side(float(text), bare=True)
    except ValueError:
        first, *others = (_term(term, computed) for term in re.split(BETWEEN, text))
    for other in others:
        first = first - other
    return first


def _term(text: str, computed: Path) -> _Side:
    """The rows that a term names, read once. Raises as `_cells`."""
    how, page, name, rows, column = _parsed(text)
    cells = pd.to_numeric(_cells(text, computed))
    gap = _given(_parsed(text), cells, computed)
    sampled = _sampled(computed / f"{page}_files" / f"{name}{REPLICATES}", how, rows, column)
    table = _rows(text, computed)
    if how in EXTREMES:
        table = _highest_or_lowest(table, how, column)
        cells = table[column]
    factor = float(how[:-1]) if how and how.endswith("*") else 1.0
    errors = table[f"{column}_se"] if f"{column}_se" in table else pd.Series([0.0])
    sampled = sampled if sampled is None or factor == 1 else sampled * factor
    return _Side(factor * float(cells.mean()), factor * float(errors.fillna(0).mean()), sampled, gap=gap)


def _given(term: tuple[str | None, ...], cells: pd.Series, computed: Path) -> Difference | None:
    """The difference that a term names, where it is of one row that has its chance beside it."""
    how, page, name, _, column = term
    table = read_published(computed / f"{page}_files" / f"{name}.csv")
    if not {f"{column}_se", *CHANCES} <= {*table} or cells.isna().all():
        return None
    rows = table.loc[cells.index]
    rows = _highest_or_lowest(rows, how, column) if how in EXTREMES else rows
    if len(rows) > 1 or how not in (None, *EXTREMES):
        return None
    row = rows.iloc[0]
    found = Difference(*(float(row[own]) for own in (column, f"{column}_se", *CHANCES)))
    return found if np.isfinite(found.se) else None


def _sampled(path: Path, how: str | None, rows: str, column: str) -> Sampled | None:
    """The replicates of a term: of the row that is highest or lowest, or the mean of those of all rows that match."""
    if not path.is_file():
        return None
    table = pd.read_parquet(path)
    if column not in table or {key for key, _, _ in _pairs(rows)} - {*table}:
        return None
    groups = [own for _, own in _chosen(table, rows).groupby(keys_of(table), sort=False, dropna=False)]
    found = [Sampled.of(own, column) for own in groups]
    if how in EXTREMES:
        found = [own for own in found if np.isfinite(own.values[0])]
        best = _extreme(found, how, lambda own: own.values[0]) if found else None
        return best if best is not None and best.units > 1 else None
    if not found or any(own.units < 2 or not own.same_pictures(found[0]) for own in found):
        return None
    mean, *others = [own * (1 / len(found)) for own in found]
    for own in others:
        mean = mean - own * -1.0
    return mean


def _extreme(items: Sequence[T], how: str, key: Callable[[T], float]) -> T:
    """The highest item, the first of several, or the lowest, the last of several: of two that tie not the same."""
    return EXTREMES[how](items if how == "max" else items[::-1], key=key)


def _highest_or_lowest(rows: pd.DataFrame, how: str, column: str) -> pd.DataFrame:
    """The row whose column is highest or lowest, or, of rows that differ in their seed alone, those whose mean is."""
    groups = [own for own in _over_seeds(rows, column) if own[column].notna().any()]
    return _extreme(groups, how, lambda own: own[column].mean()) if groups else rows.iloc[:1]


def _over_seeds(rows: pd.DataFrame, column: str) -> list[pd.DataFrame]:
    """Rows apart that differ in more than their seed and what was measured, ``column`` among it. All that is text tells
    rows apart, and a number where it has the same values for every seed of what the text tells apart."""
    if "seed" not in rows:
        return [rows.iloc[[place]] for place in range(len(rows))]
    told = [name for name in rows if name not in ("seed", column) and not str(name).startswith("Unnamed: ")]
    keys = [name for name in told if not pd.api.types.is_numeric_dtype(rows[name])]
    groups = [own for _, own in rows.groupby(keys, sort=False, dropna=False)] if keys else [rows]
    for name in [name for name in told if name not in keys]:
        of_seeds = [[{*part[name].dropna()} for _, part in own.groupby("seed")] for own in groups]
        if all(values == parts[0] for parts in of_seeds for values in parts):
            keys.append(name)
    return [own for _, own in rows.groupby(keys, sort=False, dropna=False)] if keys else [rows]


def _cells(text: str, computed: Path) -> pd.Series:
    """The cells that a term names. Raises as `_rows`."""
    return _rows(text, computed)[_parsed(text)[4]]


def _rows(text: str, computed: Path) -> pd.DataFrame:
    """The rows that a term names. Raises LookupError where there are none, ValueError where it is no term."""
    _, page, name, rows, column = _parsed(text)
    path = computed / f"{page}_files" / f"{name}.csv"
    if not path.is_file():
        raise LookupError(path)
    table = _chosen(read_published(path), rows)
    if column not in table or table.empty:
        raise LookupError(column)
    return table


def _chosen(table: pd.DataFrame, rows: str) -> pd.DataFrame:
    """The rows of a table that a term names. Raises LookupError for a column that is not there."""
    for key, other, value in _pairs(rows):
        if key not in table:
            raise LookupError(key)
        numbers = pd.api.types.is_numeric_dtype(table[key]) and not pd.api.types.is_bool_dtype(table[key])
        same = table[key] == float(value) if numbers else table[key].astype(str) == value
        table = table[~same if other else same]
    return table


def _pairs(rows: str) -> list[tuple[str, bool, str]]:
    """The column, whether other values are meant, and the value of each pair."""
    found = (pair.partition("=") for pair in rows.split("; ") if pair)
    return [(key.removesuffix("!"), key.endswith("!"), value) for key, _, value in found]


def _parsed(text: str) -> tuple[str | None, ...]:
    found = TERM.match(text)
    if not found:
        raise ValueError(f"{text!r} is not PAGE:TABLE[ROWS][COLUMN]")
    return found.groups()
