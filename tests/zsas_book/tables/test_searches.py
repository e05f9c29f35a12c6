"""Tables and sentences of how searches compare."""

import numpy as np
import pandas as pd
from toy import toy_dataset

from zsas_book.tables.searches import length_beside_paper_s, shown_tightness, tightness_in_words
from zsas_lib.evaluation.sampled import SURE

COLUMNS = [
    "a tenth of the passes",
    "all passes",
    "minus Adam",
    "minus Adam_se",
    *SURE,
    "at least as tight as Adam in",
    "passes to Adam's bound",
]
PARTIAL = "Adam, image term's gradient only"
TIGHTNESS = pd.DataFrame(
    [
        [90, 80, 0, *[np.nan] * 5, 3, 40],
        [81, 74, -6, 0.6, -8.4, -3.6, 1, 3.5, 3, 5],
        [82, 75, -5, 0.7, -8, -2, 1, 4, 3, 8],
        [90, 85, 5, 0.9, 1, 9, 0.98, 5, 1, np.nan],
        [91, 83, 3, 0.5, 1, 5, 1, 3, 2, np.nan],
    ],
    columns=COLUMNS,
    index=pd.Index(["Adam", "two fidelities", "grid", "random", PARTIAL], name="search"),
).astype({name: float for name in COLUMNS if "at least" not in name})


def test_the_table_has_intervals_beside_the_difference_and_words_for_what_was_not_reached():
    html = shown_tightness(TIGHTNESS).to_html()
    assert ">-5.0<" in html and ">-8.0 to -2.0<" in html and "nan" not in html
    assert html.count("not reached") == 2 and ">40<" in html and "passes to Adam" in html


def test_the_sentences_name_bounds_passes_and_the_released_gradient():
    said = tightness_in_words(TIGHTNESS, 40, 3)
    assert "Adam is at 80.0 %, two fidelities at 74.0, grid at 75.0 and random at 85.0" in said[0]
    assert said[1] == (
        "Where Adam ends, two fidelities is there after 5, grid is there after 8 and random does not reach it within "
        "40."
    )
    assert said[2] == (
        "With a tenth of the passes, two fidelities stand +1.0 and the grid +2.0 points from where Adam ends with all."
    )
    assert "Adam ends +3.0 points from Adam with the whole gradient" in said[3]
    assert said[4] == (
        "On the same 3 pictures two fidelities end -6.0 points from Adam (95 % interval -8.4 to -3.6, 100 % of "
        "resamples agree in sign, power 3.5)."
    )
    assert len(tightness_in_words(TIGHTNESS.drop(index=PARTIAL), 40, 1)) == 3


def test_the_length_stands_beside_the_paper_s(tmp_path):
    pictures = toy_dataset(tmp_path, {"nut": 1})
    (row,) = length_beside_paper_s(TIGHTNESS, 40, pictures, "tiny").to_dict("records")
    assert row["reproduced"] == "20 steps of Adam, 40 passes; its bound by two fidelities: 5 passes"
    assert row["verdict"] == "4 pictures of toy, tiny"
