"""Tables as pages show them, read back from their HTML."""

import re
from html import unescape

import numpy as np
import pandas as pd
import pytest
from pandas.io.formats.style import Styler

from zsas_book.tables.shown import shown

NB = "\N{NO-BREAK SPACE}"


def cells(styler: Styler) -> list[list[str]]:
    """The text of every cell, row by row, the head's first."""
    rows = re.findall(r"<tr>(.*?)</tr>", styler.to_html(), re.DOTALL)
    found = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[unescape(re.sub(r"<[^>]+>", "", cell)) for cell in row] for row in found]


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "pixel_auroc": [0.9312, 0.5, np.nan],
            "loss": [0.02, -0.01, 0.25],
            "model": ["april-gan", "vcpclip+", "own_model.pt of size_x"],
            "pictures": [1, 20, 300],
        },
        index=pd.Index(["ceramic_ring", "mean", "own name"], name="category"),
    )


def test_identifiers_become_words_and_the_rows_have_their_name_in_the_head():
    assert cells(shown(frame())) == [
        ["category", "pixel AUROC", "loss", "model", "pictures"],
        ["ceramic ring", "0.9", "0.0", "APRIL-GAN", "1"],
        ["mean", "0.5", "0.0", "VCP-CLIP+", "20"],
        ["own name", "", "0.2", "own_model.pt of size_x", "300"],
    ]


def test_percent_is_of_the_columns_named_or_of_all_floats():
    named = cells(shown(frame(), percent=["pixel_auroc"], na_rep="–"))
    assert [row[1] for row in named[1:]] == ["93.1", "50.0", "–"] and [row[2] for row in named[1:]] == [
        "0.0",
        "0.0",
        "0.2",
    ]
    every = cells(shown(frame(), percent=True))
    assert [row[2] for row in every[1:]] == ["2.0", "-1.0", "25.0"] and [row[4] for row in every[1:]] == [
        "1",
        "20",
        "300",
    ]


def test_errors_stand_beside_their_numbers_in_the_same_format():
    errors = pd.DataFrame({"pixel_auroc": [0.004, np.nan, 0.1], "loss": [0.0011] * 3}, index=frame().index)
    rows = cells(shown(frame(), percent=True, errors=errors, formats={"loss": "{:+.2f}"}))
    assert [row[1] for row in rows[1:]] == [f"93.1{NB}±{NB}0.4", "50.0", ""]
    assert rows[1][2] == f"+2.00{NB}±{NB}0.11" and rows[0][1] == "pixel AUROC"


def test_formats_may_be_functions_and_the_names_of_rows_be_hidden():
    styler = shown(frame()[["pictures"]], formats={"pictures": lambda count: f"{count:,d} pictures"}, index=False)
    assert cells(styler) == [["pictures"], ["1 pictures"], ["20 pictures"], ["300 pictures"]]


def test_no_number_is_torn_from_its_error_unit_or_thousands():
    text = ["44.3 ± 3.0", "1 071.9", "12 px", "3 or 4", "of 2 x 2", "5 %", "90 degrees or 7 ms", "8 steps"]
    rows = cells(shown(pd.DataFrame({"text": text}), index=False))[1:]
    assert [row[0] for row in rows] == [
        f"44.3{NB}±{NB}3.0",
        f"1{NB}071.9",
        f"12{NB}px",
        "3 or 4",
        "of 2 x 2",
        f"5{NB}%",
        f"90{NB}degrees or 7{NB}ms",
        "8 steps",
    ]


@pytest.mark.parametrize("text", ["<b>x</b>", "$x$", "a & b", "$\\alpha$ <script>"])
def test_text_shows_its_letters_wherever_it_stands(text):
    table = pd.DataFrame({text: [text]}, index=pd.Index([text], name=text)).rename_axis(columns=text)
    html = shown(table).to_html()
    assert [cell for row in cells(shown(table)) for cell in row if cell.strip()] == [text] * 5
    assert "<b>" not in html and "<script" not in html
    assert not re.search(r"\$[^<]", html) and html.count("<span>$</span>") == 5 * text.count("$")


def test_heads_of_two_lines_and_rows_of_two_names():
    columns = pd.MultiIndex.from_tuples([("image_auroc", "mean"), ("image_auroc", "±")])
    index = pd.MultiIndex.from_tuples([("foreign_material", "winclip")], names=["type", "model"])
    table = pd.DataFrame([[1.0, 2.0]], index=index, columns=columns)
    head = cells(shown(table))
    assert [[cell.strip() for cell in row] for row in head] == [
        ["", "", "image AUROC"],
        ["type", "model", "mean", "±"],
        ["foreign material", "WinCLIP", "1.0", "2.0"],
    ]
    named = cells(shown(table.rename_axis(columns=["metric", "what"])))
    assert [cell.strip() for cell in named[1]] == ["", "what", "mean", "±"]
    assert [cell.strip() for cell in named[2]] == ["type", "model", "", ""], "the corner is taken"


def test_the_frame_stays_and_what_is_added_to_the_styler_is_shown():
    table = frame()
    styler = shown(table, percent=True).set_caption("A caption")
    pd.testing.assert_frame_equal(table, frame())
    assert "<caption>A caption</caption>" in styler.to_html() == styler._repr_html_()


def test_columns_and_rows_that_are_not_there_are_refused():
    for wrong in ({"percent": ["auroc"]}, {"formats": {"auroc": "{}"}}, {"errors": frame().rename(columns=str.upper)}):
        with pytest.raises(ValueError, match="names '(auroc|PIXEL_AUROC)'.*columns are 'pixel_auroc', 'loss'"):
            shown(frame(), **wrong)
    with pytest.raises(ValueError, match=r"table's rows \['ceramic_ring', .*reindex"):
        shown(frame(), errors=frame()[["loss"]].iloc[:2])
