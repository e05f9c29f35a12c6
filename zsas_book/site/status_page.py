"""The status page: how every page of the book stands, when, where and in how long it was computed."""

from collections.abc import Sequence
from pathlib import Path
from string import ascii_uppercase

import pandas as pd

from ..escape import in_markdown
from ..pages.states import FRESH, PageState
from .staging import MADE, WIDE, page_title

STATUS = (
    WIDE
    + """\
# Status

{summary}

| page | stands | computed | took | where | commit |
|---|---|---|---|---|---|
{rows}

## Where

{places}

*Fresh* pages are what their notebook, parameters, library files and data would give now, judged by their contents, not
by file times. What makes a page stale stands at its top.
"""
)


def write_status(root: Path, source: Path, states: Sequence[PageState]) -> None:
    """Write the page that says how every page stands into the staged sources `source`."""
    rows, seconds, places = [], 0, {}
    for state in states:
        record = state.certificate.record if state.certificate else {}
        took = state.certificate.duration if state.certificate else ""
        seconds += int(took.split()[0]) if took else 0
        if record:
            versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
            place = in_markdown(f"{record['device']}: {versions}")
            letter = places.setdefault(place, ascii_uppercase[len(places) % 26])
        cells = (
            f"[{page_title(root, state)}](../_computed/{state.page.name})",
            _stands(state),
            record.get("computed", ""),
            took.replace(" ", "\N{NO-BREAK SPACE}"),
            letter if record else "",
            f"`{record['commit']}`" if record else "",
        )
        rows.append(f"| {' | '.join(cells)} |")
    counts = pd.Series([state.word for state in states]).value_counts()
    summary = f"{len(states)} pages: " + ", ".join(f"{count} {word}" for word, count in counts.items())
    summary += (
        f". One after another they took {seconds / 60:.0f} minutes where named below; a page whose results were stored "
        "takes seconds."
    )
    folder = source / MADE
    folder.mkdir(exist_ok=True)
    text = STATUS.format(
        summary=summary,
        rows="\n".join(rows),
        places="\n".join(f"- **{letter}** {place}" for place, letter in places.items()),
    )
    (folder / "status.md").write_text(text, encoding="utf-8")


def _stands(state: PageState) -> str:
    if state.word == FRESH:
        return "fresh" + (", its data are not on this machine" if state.missing_data else "")
    return f"**{state.word}**: {in_markdown(state.reason)}"
