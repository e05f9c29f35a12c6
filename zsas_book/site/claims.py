"""The papers' claims, where the book tests them, and verdicts computed from the numbers that its pages publish.

``papers/claims.csv`` has one claim a row: paper, place, claim (in our words), pages, test, note. A test compares two
sides by ``<``, ``>`` or ``=``; a side is a number or terms joined by `` - ``; a term is ``PAGE:TABLE[ROWS][COLUMN]``,
where ROWS is ``name=value`` pairs joined by ``; `` (empty for all), with ``max``, ``min``, ``mean`` or ``2 *`` before
it. Where several rows match, their mean counts. Where a column NAME has its standard error beside it in a column
NAME_se, a difference within two of them is within chance. A test that is one term of words
(``audit:claims[...][verdict]``) quotes it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from zsas_lib.papers import claims

from ..escape import in_markdown
from ..pages.states import PageState
from ..project.chapters import COMPUTED
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
data and the backbone of those pages, and mostly about a direction. A difference within two standard errors (±) is
*within chance here*; where no ± stands, the page publishes none for this number. It takes both sides as independent,
which makes it too large where both are of the same pictures. {profile}

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
    except LookupError:
        return Verdict(NO_NUMBER)
    except ValueError as error:
        raise ClaimError(f"claims.csv: {test!r} is no test: {error}") from None
    if not np.isfinite([one, other]).all():
        return Verdict(NO_NUMBER)
    error = float(np.hypot(one_error, other_error))
    evidence = f"{_rounded(one, error)} {relation} {_rounded(other, error)}?" + (f" ± {error:.2g}" if error else "")
    if error and abs(one - other) <= 2 * error:
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
        terms = [_term(term, computed) for term in re.split(r" - (?=(?:max |min |mean )?\w+:)", text)]
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


def _cells(text: str, computed: Path) -> pd.Series:
    """The cells that a term names. Raises LookupError where there are none, ValueError where it is no term."""
    _, page, name, rows, column = _parsed(text)
    path = computed / f"{page}_files" / f"{name}.csv"
    if not path.is_file():
        raise LookupError(path)
    table = read_published(path)
    for pair in filter(None, rows.split("; ")):
        key, _, value = pair.partition("=")
        if key not in table:
            raise LookupError(key)
        table = (
            table[table[key].astype(str) == value]
            if not pd.api.types.is_numeric_dtype(table[key])
            else table[table[key] == float(value)]
        )
    if column not in table or table.empty:
        raise LookupError(column)
    return table[column]


def _parsed(text: str) -> tuple[str | None, ...]:
    found = TERM.match(text)
    if not found:
        raise ValueError(f"{text!r} is not PAGE:TABLE[ROWS][COLUMN]")
    return found.groups()
