"""The papers' claims, where the book tests them, and verdicts computed from the numbers that its pages publish.

``papers/claims.csv`` has one claim a row: paper, place, claim (in our words), pages, test, printed, note. A test is
one that `judging.judge` reads, with the printed size of its difference. A claim that is within chance has beside it
what would decide it.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from zsas_lib.data import official
from zsas_lib.papers import claims

from ..escape import in_markdown
from ..pages.states import PageState
from ..project.chapters import COMPUTED, Page, load_pages, page_profiles
from .judging import CHANCE, FAILS, HOLDS, NO_NUMBER, Verdict, judge
from .staging import MADE, WIDE

PAPER = "paper"
"""The profile of the papers' own data and backbones."""
NOTHING = " = none"
"""How a test ends that asks for a quotation of nothing."""
MOST_TIMES = 1000
"""Above so many times as many pictures the number says no more than that."""
ELSEWHERE, UNTESTED = "see page", "not tested"
WORDS = (HOLDS, FAILS, CHANCE, ELSEWHERE, UNTESTED, NO_NUMBER)
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
have shown in four of five such tests. Where the paper prints both sides, its own difference stands beside ours. An
interval that holds 0 is *within chance here*, unless it leaves out the paper's own difference: of that size it *does
not hold here*, for it would have shown. Beside what is within chance stands how many times as many pictures,
categories and trainings like these would show a difference of this size in four of five tests, and what the papers'
own data and backbone would take. *Not paired* are sides about different pictures: each has its own chance, and the
interval is wider. Of a highest or lowest row it is that row's. Where only ± stands, a difference within two such
standard errors is within chance, both sides taken as independent, which makes it too large where they are not; where
nothing stands, the page publishes no spread for this number. Metrics and their differences are fractions, 0.05 for
5 points; other numbers stand as their table has them, which the [results index](results) shows. {profile}

{counts}

{tables}
"""
)


def verdict(claim: pd.Series, computed: Path) -> Verdict:
    """The verdict of one row of `claims`."""
    if claim.test:
        return judge(claim.test, computed, float(claim.printed) if claim.printed else None)
    return Verdict(ELSEWHERE if claim.pages else UNTESTED)


def what_decides(claim: pd.Series, found: Verdict, paper: dict[str, Page]) -> str:
    """What would decide a claim that is within chance, in words: how many times as much of the same, and what the first
    of its pages asks for under the paper profile, whose pages are ``paper``."""
    said = []
    if found.times > 1:
        most = found.times > MOST_TIMES
        size = f"more than {MOST_TIMES:,}" if most else f"about {float(f'{found.times:.2g}'):,g}"
        what = "pictures, categories and trainings like these"
        said.append(f"{size} times as many {what} would show a difference of this size")
    pages = [paper[name] for name in claim.pages.split() if name in paper]
    if pages and (dataset := str(pages[0].parameters.get("dataset", ""))):
        given = pages[0].parameters
        categories = given.get("categories")
        own = list(categories) if isinstance(categories, list) else official.categories(dataset)
        count = official.pictures(dataset, "test", own)
        backbone = given.get("winclip_backbone") or given.get("backbone")
        pictures = "" if count is None else f" ({count:,} pictures)"
        noun = "category" if len(own) == 1 else "categories"
        named = f" with {backbone}" if backbone else ""
        said.append(f"the papers' question is decided by {len(own)} {noun}{pictures} of {dataset}{named}")
    return f"To decide it: {'; '.join(said)}." if said else ""


def _in_sentences(claim: pd.Series, word: str, evidence: str, decides: str) -> str:
    """A verdict in Markdown: its word with the evidence, and behind a stop what would decide it. A quotation that was
    asked to be "none" has the name of its column before it."""
    if evidence and claim.test.endswith(NOTHING):
        column = claim.test.removesuffix(NOTHING).rpartition("[")[2].rstrip("]")
        evidence = f"{column}: {evidence}"
    said = f"**{in_markdown(word)}** {in_markdown(evidence)}".strip()
    return ". ".join(filter(None, [said.removesuffix("."), in_markdown(decides)])) if decides else said


def write_claims(root: Path, source: Path, states: Sequence[PageState]) -> None:
    """Write the page of claims into the staged sources `source`."""
    table, here = claims(), {state.page.name: state for state in states}
    judged = [verdict(row, root / COMPUTED) for row in table.itertuples()]
    paper = load_pages(root, PAPER) if any(PAPER in own["parameters"] for own in page_profiles(root).values()) else {}
    decides = [
        what_decides(row, one, paper) if one.word == CHANCE else "" for row, one in zip(table.itertuples(), judged)
    ]
    table = table.assign(word=[one.word for one in judged], evidence=[one.evidence for one in judged], decides=decides)
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
                _in_sentences(row, row.word, row.evidence, row.decides),
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
