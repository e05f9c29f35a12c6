"""The papers' claims, where the book tests them, and verdicts computed from the numbers that its pages publish.

``papers/claims.csv`` has one claim a row: paper, place, claim (in our words), pages, test, note. A test compares two
sides by ``<``, ``>`` or ``=``; a side is a number or terms joined by `` - ``; a term is ``PAGE:TABLE[ROWS][COLUMN]``,
where ROWS is ``name=value`` pairs joined by ``; `` (empty for all), with ``max``, ``min``, ``mean`` or ``2 *`` before
it. Where several rows match, their mean counts. A test that is one term of words
(``audit:claims[...][verdict]``) quotes it.

Where a page publishes the replicates of its table (`figures.publish_table`), the verdict is that of the difference of
both sides: paired where both are of the same pictures (`evaluation.paired`), else each with its own chance; within
chance where the 95 % interval has 0 in it. Without replicates, a column NAME may have its standard error beside it in a
column NAME_se, and a difference within two of them, both sides taken as independent, is within chance.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from zsas_lib.evaluation.paired import Difference, Sampled, unpaired
from zsas_lib.evaluation.replicates import keys_of
from zsas_lib.papers import claims

from ..escape import in_markdown
from ..pages.states import PageState
from ..project.chapters import COMPUTED
from ..published import REPLICATES
from ..tables.numbers import read_published
from .staging import MADE, WIDE

HOLDS, FAILS, CHANCE, ELSEWHERE, UNTESTED, NO_NUMBER = (
    "holds here",
    "does not hold here",
    "within chance here",
    "see page",
    "not tested",
    "not computed",
)
WORDS = (HOLDS, FAILS, CHANCE, ELSEWHERE, UNTESTED, NO_NUMBER)
RELATIONS = {"<": np.less, ">": np.greater, "=": np.isclose}
TERM = re.compile(r"(?:(max|min|mean|[\d.]+ \*) )?(\w+):(\w+)\[([^\]]*)\]\[([^\]]+)\]$")
BETWEEN = r" - (?=(?:max |min |mean )?\w+:)"
"""What stands between two terms."""
PAPERS = {
    "S": ("stangl2024", "the worst rotation, hue and saturation"),
    "K": ("kakda", "WinCLIP against AnomalyCLIP"),
    "V": ("im2026", "VCP-CLIP+"),
    "T": ("tu2024", "robustness of CLIP"),
}
"""Key in the bibliography and subject, in a few words, of each paper."""

PAGE = (
    WIDE
    + """\
# Claims

Every claim of the papers that this book takes up: where it is tested, and what came out. A verdict is computed, when
the book is rendered, from the numbers that the named pages publish; *holds here* and *does not hold here* are about the
data and the backbone of those pages, and mostly about a direction.

Where a page publishes what its numbers would have been with other pictures, a verdict is about the *paired difference*:
both sides are taken from the same resampled pictures (for a mean over categories, from the same resampled categories),
so that what is easy or hard for both drops out; trainings from several seeds add what they differ by. Behind it stand
its 95 % interval, how many of the resamples agree with it in sign, and its *power*: the smallest difference that would
have shown in four of five such tests. An interval that holds 0 is *within chance here*. *Not paired* are sides about
different pictures: each has its own chance, and the interval is wider. Where only ± stands, a difference within two
such standard errors is within chance, both sides taken as independent, which makes it too large where they are not;
where nothing stands, the page publishes no spread for this number. {profile}

{counts}

{tables}
"""
)


class ClaimError(ValueError):
    """A test in ``claims.csv`` that cannot be read. The message names it and what is wrong."""


@dataclass(frozen=True)
class Verdict:
    """What came of a test: a word or a quotation, and the numbers behind it."""

    word: str
    evidence: str = ""


def judge(test: str, computed: Path) -> Verdict:
    """The verdict of a test on the computed pages in the folder `computed`, see the module's head.

    "not computed" where a page, table, row or column is not there. Raises ClaimError for a test that cannot be read.
    """
    sides = re.split(r" ([<>=]) (?![^\[]*\])", test)
    try:
        if len(sides) == 1:
            return Verdict(str(_cells(test, computed).iloc[0]))
        left, relation, right = sides
        if right == "none":
            found = str(_cells(left, computed).iloc[0])
            return Verdict(HOLDS if found in ("none", "nan") else FAILS, found)
        (one, one_error), (other, other_error) = (_side(side, computed) for side in (left, right))
        found = _difference(*(_sampled_side(side, computed) for side in (left, right)))
    except LookupError:
        return Verdict(NO_NUMBER)
    except ValueError as error:
        raise ClaimError(f"claims.csv: {test!r} is no test: {error}") from None
    if not np.isfinite([one, other]).all():
        return Verdict(NO_NUMBER)
    if found is not None:
        return _of_difference(found, one, relation, other)
    error = float(np.hypot(one_error, other_error))
    evidence = f"{_rounded(one, error)} {relation} {_rounded(other, error)}?" + (f" ± {error:.2g}" if error else "")
    if error and abs(one - other) <= 2 * error:
        return Verdict(CHANCE, evidence)
    return Verdict(HOLDS if RELATIONS[relation](one, other) else FAILS, evidence)


def _of_difference(found: tuple[Difference, str], one: float, relation: str, other: float) -> Verdict:
    gap, kind = found
    evidence = (
        f"{_rounded(one, gap.se)} {relation} {_rounded(other, gap.se)}? {kind} difference {_rounded(gap.gap, gap.se)}, "
        f"95 % interval {_rounded(gap.low, gap.se)} to {_rounded(gap.high, gap.se)}, {100 * gap.agree:.0f} % of "
        f"resamples agree in sign, power {_rounded(gap.power, gap.se)}"
    )
    if gap.se and gap.low <= 0 <= gap.high:
        return Verdict(CHANCE, evidence)
    return Verdict(HOLDS if RELATIONS[relation](one, other) else FAILS, evidence)


def verdict(claim: pd.Series, computed: Path) -> Verdict:
    """The verdict of one row of `claims`."""
    if claim.test:
        return judge(claim.test, computed)
    return Verdict(ELSEWHERE if claim.pages else UNTESTED)


def write_claims(root: Path, source: Path, states: Sequence[PageState]) -> None:
    """Write the page of claims into the staged sources `source`."""
    table, here = claims(), {state.page.name: state for state in states}
    judged = [verdict(row, root / COMPUTED) for row in table.itertuples()]
    table = table.assign(word=[one.word for one in judged], evidence=[one.evidence for one in judged])
    known = table.word.where(table.word.isin(WORDS), "in the page's words")
    counts = (
        f"{len(table)} claims: " + ", ".join(f"*{word}* {count}" for word, count in known.value_counts().items()) + "."
    )
    tables = []
    for paper, rows in table.groupby("paper", sort=False):
        key, subject = PAPERS[paper]
        tables += [
            f"## Paper {paper}: {subject}",
            "",
            f"{{cite:t}}`{key}`",
            "",
            "| claim | verdict | tested on | where | note |",
            "|---|---|---|---|---|",
        ]
        for row in rows.itertuples():
            links = ", ".join(
                f"[{name.replace('_', ' ')}](../_computed/{name})" if name in here else name
                for name in row.pages.split()
            )
            cells = (
                row.claim.replace("|", r"\|"),
                f"**{in_markdown(row.word)}**" + (f" {in_markdown(row.evidence)}" if row.evidence else ""),
                links,
                row.place,
                row.note.replace("|", r"\|"),
            )
            tables.append(f"| {' | '.join(cells)} |")
        tables.append("")
    profiles = sorted({state.page.profile for state in states})
    profile = f"This book was made with the profile {', '.join(profiles)}." if profiles else ""
    folder = source / MADE
    folder.mkdir(exist_ok=True)
    (folder / "claims.md").write_text(
        PAGE.format(profile=profile, counts=counts, tables="\n".join(tables)), encoding="utf-8"
    )


def _rounded(value: float, error: float) -> str:
    """The number to two digits of its error, or to three of its own where it has none."""
    if not error or value == 0:
        return f"{value:.3g}"
    return f"{value:z.{max(0, 1 - int(np.floor(np.log10(error))))}f}"


def _side(text: str, computed: Path) -> tuple[float, float]:
    """The value of a side and its standard error, 0 where none is published."""
    try:
        return float(text), 0.0
    except ValueError:
        terms = [_term(term, computed) for term in re.split(BETWEEN, text)]
    (first, _), *others = terms
    return first - sum(value for value, _ in others), float(np.sqrt(sum(error**2 for _, error in terms)))


def _term(text: str, computed: Path) -> tuple[float, float]:
    how, *_, column = _parsed(text)
    values = pd.to_numeric(_cells(text, computed))
    if how in ("max", "min"):
        return float(getattr(values, how)()), 0.0
    factor = float(how[:-1]) if how and how.endswith("*") else 1.0
    try:
        errors = pd.to_numeric(_cells(text.replace(f"[{column}]", f"[{column}_se]"), computed))
    except LookupError:
        errors = pd.Series([0.0])
    return factor * float(values.mean()), factor * float(errors.fillna(0).mean())


def _difference(one: Sampled | float | None, other: Sampled | float | None) -> tuple[Difference, str] | None:
    """What two sides differ by, and in a word how; None where one of them has no replicates, or both are numbers."""
    if one is None or other is None or not (isinstance(one, Sampled) or isinstance(other, Sampled)):
        return None
    if isinstance(one, Sampled) and isinstance(other, Sampled) and not one.same_pictures(other):
        gap, kind = unpaired(one, other), "not paired:"
    else:
        gap, kind = (one - other if isinstance(one, Sampled) else other * -1.0 - -one).difference(), "paired"
    return (gap, kind) if np.isfinite(gap.se) else None


def _sampled_side(text: str, computed: Path) -> Sampled | float | None:
    """A side with its replicates, if all its terms have some of the same pictures."""
    try:
        return float(text)
    except ValueError:
        terms = [_sampled(term, computed) for term in re.split(BETWEEN, text)]
    first, *others = terms
    for other in others:
        if first is None or other is None or not first.same_pictures(other):
            return None
        first = first - other
    return first


def _sampled(text: str, computed: Path) -> Sampled | None:
    """A term with its replicates, the mean of those of all rows that match."""
    how, page, name, rows, column = _parsed(text)
    path = computed / f"{page}_files" / f"{name}{REPLICATES}"
    if how in ("max", "min") or not path.is_file():
        return None
    table = pd.read_parquet(path)
    if column not in table or {pair.partition("=")[0] for pair in rows.split("; ") if pair} - {*table}:
        return None
    keys = keys_of(table)
    groups = [own for _, own in _chosen(table, rows).groupby(keys, sort=False, dropna=False)]
    found = [Sampled.of(own, column) for own in groups]
    if not found or any(own.units < 2 or not own.same_pictures(found[0]) for own in found):
        return None
    mean, *others = [own * (1 / len(found)) for own in found]
    for own in others:
        mean = mean - own * -1.0
    return mean * float(how[:-1]) if how and how.endswith("*") else mean


def _cells(text: str, computed: Path) -> pd.Series:
    """The cells that a term names. Raises LookupError where there are none, ValueError where it is no term."""
    _, page, name, rows, column = _parsed(text)
    path = computed / f"{page}_files" / f"{name}.csv"
    if not path.is_file():
        raise LookupError(path)
    table = _chosen(read_published(path), rows)
    if column not in table or table.empty:
        raise LookupError(column)
    return table[column]


def _chosen(table: pd.DataFrame, rows: str) -> pd.DataFrame:
    """The rows of a table that a term names. Raises LookupError for a column that is not there."""
    for pair in filter(None, rows.split("; ")):
        key, _, value = pair.partition("=")
        if key not in table:
            raise LookupError(key)
        table = (
            table[table[key].astype(str) == value]
            if not pd.api.types.is_numeric_dtype(table[key])
            else table[table[key] == float(value)]
        )
    return table


def _parsed(text: str) -> tuple[str | None, ...]:
    found = TERM.match(text)
    if not found:
        raise ValueError(f"{text!r} is not PAGE:TABLE[ROWS][COLUMN]")
    return found.groups()
