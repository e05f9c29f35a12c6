"""The index of results: every number that the book's pages publish, as a page to search and a table to download."""

import base64
import gzip
import json
import math
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ..fractions import metric_of
from ..pages.states import PageState
from ..project.chapters import COMPUTED
from ..tables.numbers import published_numbers
from .staging import MADE, WIDE, page_title

INDEX = "results"

RESULTS = (
    WIDE
    + """\
# Results index

Every number that a page of this book publishes: {count:,} numbers of {pages} pages. Type words to keep the rows that
hold all of them, such as `winclip pixel_auroc mean`; press a column's name to sort. `±` is the standard error or
deviation that stands beside the number. Metrics, and what stands beside them, are fractions, whatever their page
prints; of other columns `unit` says what the name tells, and is empty where it tells none. The whole table:
{{download}}`numbers.csv <numbers.csv>`.

```{{raw}} html
<div id="zsas-results">
<label for="zsas-search">Search the numbers</label>
<input id="zsas-search" type="search" autocomplete="off" spellcheck="false">
<output id="zsas-count" aria-live="polite"></output>
<div class="zsas-wide" tabindex="0" role="region" aria-label="Numbers found">
<table class="table zsas-rows" role="table">
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
HEADS = ("page", "table", "row", "column", "value", "±", "unit")
COLUMNS = ("page", "table", "row", "column", "value", "spread", "unit")
TEXTS = ("page", "table", "row", "column", "unit")
NAMED = {"(%)": "percent", "(points)": "points", "ms per picture": "ms", "peak MB": "MB", "GFLOP": "GFLOP"}
"""What a column's name has in it, and the unit that this tells."""
FRACTION = "fraction"
"""The unit of metrics in every table."""


def write_results_index(root: Path, source: Path, states: Iterable[PageState]) -> None:
    """Write the index of results and its data into the staged sources `source`."""
    titles, tables = {}, []
    for state in states:
        if state.certificate:
            numbers = published_numbers(root / COMPUTED / f"{state.page.name}_files")
            tables.append(numbers.assign(page=state.page.name))
            titles[state.page.name] = page_title(root, state)
    numbers = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*COLUMNS[:-1]])
    numbers = numbers.assign(unit=units(numbers))[[*COLUMNS]]
    folder = source / MADE
    folder.mkdir(exist_ok=True)
    numbers.to_csv(folder / "numbers.csv", index=False, float_format="%.6g")
    data = source / "_extra" / INDEX
    data.mkdir(parents=True, exist_ok=True)
    (data / "numbers.js").write_text(f'window.zsasNumbers = "{_packed(numbers, titles)}";\n', encoding="utf-8")
    heads = "".join(
        f'<th scope="col" role="columnheader"><button type="button" data-column="{place}">{name}</button></th>'
        for place, name in enumerate(HEADS)
    )
    text = RESULTS.format(count=len(numbers), pages=len(tables), heads=heads, index=INDEX)
    (folder / "results.md").write_text(text, encoding="utf-8")


def units(numbers: pd.DataFrame) -> pd.Series:
    """The unit of every number of a table with `COLUMNS`, in a word; "" where the name of its column tells none."""

    def told(column: str) -> str:
        if metric_of(column):
            return FRACTION
        return next((unit for mark, unit in NAMED.items() if mark in column), "")

    return numbers["column"].map({column: told(str(column)) for column in numbers["column"].unique()}).astype(object)


def _packed(numbers: pd.DataFrame, titles: dict[str, str]) -> str:
    """The numbers as JSON, gzipped and in base64, for training by training and step by step their words repeat.

    Every text stands once: a row has the places of its page, table, name and column, the value and the spread or null,
    and the place of its unit.
    """
    texts = {name: pd.factorize(numbers[name]) for name in TEXTS}
    *places, unit = [own.tolist() for own, _ in texts.values()]
    values = [[_short(value, digits) for value in numbers[name]] for name, digits in (("value", 6), ("spread", 3))]
    data = {name: list(map(str, words)) for name, (_, words) in texts.items()}
    data |= {"titles": titles, "rows": list(zip(*places, *values, unit))}
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(written.encode(), mtime=0)).decode()


def _short(value: float, digits: int) -> float | None:
    """The number to as many digits; none where JSON has no word for it."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
