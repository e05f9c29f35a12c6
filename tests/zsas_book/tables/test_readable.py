"""Tables as they are read, from what pandas writes."""

import re

import pandas as pd
import pytest

from zsas_book.tables.readable import readable


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {"AUROC": ["44.3 ± 3.0", "1 071.9"], "note": ["of 2 x 2", "3 or 4"]},
        index=pd.Index(["ceramic_ring", "mean"], name="category"),
    )


@pytest.mark.parametrize("written", [lambda table: table.style.to_html(), lambda table: table.to_html()])
def test_the_name_of_the_rows_stands_in_the_corner_and_no_number_is_torn(written):
    html = readable(written(frame()))
    assert re.findall(r">([^<>\s]+)</th>", html.split("</thead>")[0]) == ["category", "AUROC", "note"]
    assert html.count("<tr") == 3 and "ceramic ring" in html and "ceramic_ring" not in html
    assert "44.3\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}3.0" in html and "1\N{NO-BREAK SPACE}071.9" in html
    assert "of 2 x 2" in html and "3 or 4" in html


def test_heads_of_two_lines_keep_what_both_say():
    table = frame().set_axis(pd.MultiIndex.from_tuples([("here", "AUROC"), ("here", "note")]), axis=1)
    html = readable(table.style.to_html())
    assert html.count("<tr") == 4 and html.index(">here<") < html.index(">category<") < html.index(">AUROC<")
    named = frame().rename_axis("quantity", axis=1).style.to_html()
    assert readable(named).count("<tr") == named.count("<tr") == 4, "the corner is taken"


def test_what_is_no_table_stays():
    assert readable("<p>a_b 1 000 ± 2</p>") == "<p>a_b 1 000 ± 2</p>"
