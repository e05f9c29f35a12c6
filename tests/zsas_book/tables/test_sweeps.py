"""Tables and sentences of uniform sweeps."""

import numpy as np
import pandas as pd
import pytest
from tiny_clip import tiny_backbone
from toy import toy_dataset

from zsas_book.tables.sweeps import beside_paper_s, colour_in_words, ranges_in_words, shown_ranges

COLUMNS = ["unperturbed", "lowest", "at", "highest", "range", "largest step", "± at 0", "low", "high"]
RANGES = pd.DataFrame(
    [
        [90.0, 80.0, -45.0, 91.0, 11.0, 6.0, 1.5, 2.0, 20.0],
        [70.0, 69.0, 30.0, 72.0, 3.0, 2.0, 0.5, -1.0, 7.0],
        [80.0, 75.0, 45.0, 81.0, 6.0, 4.0, 1.0, 0.5, 11.5],
    ],
    columns=COLUMNS,
    index=pd.Index(["ceramic_ring", "star", "mean"], name="category"),
)


@pytest.mark.slow
def test_what_paper_s_says_stands_beside_the_page_s_own(tmp_path):
    pictures = toy_dataset(tmp_path, {"ceramic_ring": 1, "star": 1})
    table = beside_paper_s(RANGES, "rotation", pictures, tiny_backbone(), "winclip").set_index("claim")
    assert table.reported["unperturbed, MVTec-AD, ViT-B/16+"] == 80.1
    assert table.reproduced["unperturbed, MVTec-AD, ViT-B/16+"] == 80.0
    assert table.reproduced["range of one object (Fig. 2: up to 10)"] == 11.0
    assert table.reproduced["step between neighbouring angles (Fig. 2: up to 3)"] == 6.0
    assert set(table.verdict) == {"not comparable: toy, tiny"}


@pytest.mark.slow
def test_the_flattest_object_is_compared_with_the_flattest(tmp_path):
    pictures = toy_dataset(tmp_path, {"star": 1})
    table = beside_paper_s(RANGES, "hue", pictures, tiny_backbone(), "winclip").set_index("claim")
    assert table.reproduced["range of the flattest object (Fig. 3: screw, unaffected)"] == 3.0


def test_ranges_are_said_by_median_widest_and_mean():
    moves, chance, caution = ranges_in_words(RANGES)
    assert "7.0 points in the median category and by 11.0 in the widest (ceramic ring); the mean moves by 6.0" in moves
    assert moves.endswith("(95 % interval +0.5 to +11.5).")
    assert chance.endswith("in 1 of 2 categories they differ beyond chance.") and "chosen on the same" in caution
    unknown = RANGES.assign(low=np.nan, high=np.nan)
    assert ranges_in_words(unknown)[0].endswith("the mean moves by 6.0.")
    assert "nan" not in shown_ranges(unknown).to_html()


def test_ranges_are_shown_with_their_error():
    html = shown_ranges(RANGES).to_html()
    assert "90.0\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}1.5" in html and "ceramic ring" in html and "± at 0" not in html
    assert "+2.0 to +20.0" in html
    assert "-45" in html and "largest step" not in html


def test_no_page_without_a_mean():
    with pytest.raises(KeyError, match="mean"):
        ranges_in_words(RANGES.drop(index="mean"))


def coloured(chroma, moves):
    names = ["screw", "star", "ring"][: len(chroma)]
    return pd.DataFrame({"chroma": chroma, "range": moves}, index=names)


@pytest.mark.parametrize(
    ("chroma", "moves", "said"),
    [
        ([0.0], [0.0], ["The one category (screw, 0.00 of chroma) moves by 0.0 points."]),
        ([0.0, 0.2], [0.0, 0.0], ["The category with the least chroma (screw, 0.00) moves by 0.0 points, as all do."]),
        (
            [0.1, 0.2],
            [4.0, 3.0],
            ["The category with the least chroma (screw, 0.10) moves most, by 4.0 points."],
        ),
        (
            [0.1, 0.2, 0.3],
            [1.0, 3.0, 2.0],
            [
                "The category with the least chroma (screw, 0.10) moves by 1.0 points, the one that moves most (star, "
                "3.0 points) has 0.20.",
                "Over 3 categories the rank correlation of the two is 0.50.",
            ],
        ),
        (
            [0.0, 0.0, 0.0],
            [4.0, 3.0, 2.0],
            ["All have the same chroma (0.00), and the one that moves most (screw) moves by 4.0 points."],
        ),
        (
            [0.1, 0.2, 0.3],
            [0.0, 0.0, 0.0],
            ["The category with the least chroma (screw, 0.10) moves by 0.0 points, as all do."],
        ),
    ],
)
def test_who_moves_most_is_said_where_categories_differ(chroma, moves, said):
    assert colour_in_words(coloured(chroma, moves), "chroma") == said
