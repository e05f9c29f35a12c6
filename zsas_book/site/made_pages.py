"""Pages made from what the computed pages carry: the index of results and the status of every page."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from string import ascii_uppercase

import nbformat
import pandas as pd

from ..pages.states import FRESH, PageState
from ..project.chapters import COMPUTED
from ..tables.numbers import published_numbers

MADE = "_made"
INDEX = "results"

WIDE = "---\nhtml_theme.sidebar_secondary.remove: true\n---\n\n"
"""Head of a page whose table takes the room of the list of sections as well."""

RESULTS = (
    WIDE
    + """\
# Results index

Every number that a page of this book publishes: {count:,} numbers of {pages} pages. Type words to keep the rows that hold
all of them, such as `winclip pixel_auroc mean`; press a column's name to sort. `±` is the standard error or deviation that
stands beside the number. The whole table: {{download}}`numbers.csv <numbers.csv>`.

```{{raw}} html
<div id="zsas-results">
<label for="zsas-search">Search the numbers</label>
<input id="zsas-search" type="search" autocomplete="off" spellcheck="false">
<output id="zsas-count" aria-live="polite"></output>
<div class="zsas-wide" tabindex="0" role="region" aria-label="Numbers found"><table class="table zsas-rows" role="table">
<thead><tr role="row">{heads}</tr></thead>
<tbody id="zsas-rows"></tbody>
</table></div>
<button id="zsas-more" type="button" hidden>Show more</button>
<noscript><p>Searching needs JavaScript; without it, take the whole table above.</p></noscript>
</div>
<script src="../{index}/numbers.js"></script>
<script src="../{index}/index.js"></script>
```
"""
)
HEADS = ("page", "table", "row", "column", "value", "±")

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

*Fresh* pages are what their notebook, parameters, library files and data would give now, judged by their contents, not by
file times. What makes a page stale stands at its top.
"""
)


def write_results_index(root: Path, source: Path, states: Iterable[PageState]) -> None:
    """Write the index of results and its data into the staged sources `source`."""
    titles, tables = {}, []
    for state in states:
        if state.certificate:
            numbers = published_numbers(root / COMPUTED / f"{state.page.name}_files")
            tables.append(numbers.assign(page=state.page.name))
            titles[state.page.name] = page_title(root, state)
    numbers = (
        pd.concat(tables, ignore_index=True)
        if tables
        else pd.DataFrame(columns=["page", "table", "row", "column", "value", "spread"])
    )
    numbers = numbers[["page", "table", "row", "column", "value", "spread"]]
    folder = source / MADE
    folder.mkdir(exist_ok=True)
    numbers.to_csv(folder / "numbers.csv", index=False, float_format="%.6g")
    data = source / "_extra" / INDEX
    data.mkdir(parents=True, exist_ok=True)
    (data / "numbers.js").write_text(f"window.zsasNumbers = {_compact(numbers, titles)};\n", encoding="utf-8")
    heads = "".join(
        f'<th scope="col" role="columnheader"><button type="button" data-column="{place}">{name}</button></th>'
        for place, name in enumerate(HEADS)
    )
    text = RESULTS.format(count=len(numbers), pages=len(tables), heads=heads, index=INDEX)
    (folder / "results.md").write_text(text, encoding="utf-8")


def write_status(root: Path, source: Path, states: Sequence[PageState]) -> None:
    """Write the page that says how every page stands into the staged sources `source`."""
    rows, seconds, places = [], 0, {}
    for state in states:
        record = state.certificate.get("record", {})
        took = record.get("duration", "")
        seconds += int(took.split()[0]) if took else 0
        if record:
            place = f"{record['device']}: " + ", ".join(
                f"{name} {version}" for name, version in record["versions"].items()
            )
            letter = places.setdefault(place, ascii_uppercase[len(places) % 26])
        cells = (
            f"[{page_title(root, state)}](../_computed/{state.page.name})",
            _stands(state),
            record.get("computed", ""),
            took.replace(" ", "\N{NO-BREAK SPACE}"),
            letter if record else "",
            f"`{record['commit']}`" if record else "",
        )
        rows.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    counts = pd.Series([state.word for state in states]).value_counts()
    summary = f"{len(states)} pages: " + ", ".join(f"{count} {word}" for word, count in counts.items())
    summary += f". One after another they took {seconds / 60:.0f} minutes where named below; a page whose results were stored takes seconds."
    folder = source / MADE
    folder.mkdir(exist_ok=True)
    text = STATUS.format(
        summary=summary,
        rows="\n".join(rows),
        places="\n".join(f"- **{letter}** {place}" for place, letter in places.items()),
    )
    (folder / "status.md").write_text(text, encoding="utf-8")


def page_title(root: Path, state: PageState) -> str:
    """The title that the page shows: of its computed notebook, else of `PageState.title`."""
    path = root / COMPUTED / f"{state.page.name}.ipynb"
    if state.certificate and (first := nbformat.read(path, as_version=4).cells[0]).cell_type == "markdown":
        if found := re.search(r"(?m)^# (.*)", first.source):
            return found[1].strip()
    return state.title


def _stands(state: PageState) -> str:
    if state.word == FRESH:
        return "fresh" + (", its data are not on this machine" if state.missing_data else "")
    return f"**{state.word}**: " + " ".join(state.reason.split()).replace("<", "&lt;").replace("{", "&#123;").replace(
        "`", "'"
    )


def _compact(numbers: pd.DataFrame, titles: dict[str, str]) -> str:
    """The numbers as JSON in which every text stands once."""
    texts = {name: pd.factorize(numbers[name]) for name in ("page", "table", "row", "column")}
    rows = [
        [
            *(int(codes[place]) for codes, _ in texts.values()),
            float(f"{value:.6g}"),
            None if pd.isna(spread) else float(f"{spread:.3g}"),
        ]
        for place, (value, spread) in enumerate(zip(numbers.value, numbers.spread))
    ]
    packed = {name: list(map(str, words)) for name, (_, words) in texts.items()} | {"titles": titles, "rows": rows}
    return (
        json.dumps(packed, ensure_ascii=False, separators=(",", ":")).replace("Infinity", "null").replace("</", "<\\/")
    )
