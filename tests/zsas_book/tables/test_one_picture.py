"""Thresholds on the map of one picture in words."""

import pandas as pd
import pytest

from zsas_book.tables.one_picture import thresholds_in_words


@pytest.mark.parametrize(
    ("f1", "said"),
    [
        (
            [0.5, 0.48, 0.2],
            "The best of 3 thresholds gives this picture an F1 of 50.0 %; within a tenth of it lie those from 0.300 to "
            "0.400, of a map from 0.100 to 0.900.",
        ),
        (
            [0.5, 0.2, 0.1],
            "The best of 3 thresholds gives this picture an F1 of 50.0 %; within a tenth of it lies 0.300 alone, of a "
            "map from 0.100 to 0.900.",
        ),
        (
            [0.0, 0.0, 0.0],
            "Nothing above any of 3 thresholds from 0.300 to 0.500, of a map from 0.100 to 0.900, is damaged: all "
            "have an F1 of 0.",
        ),
    ],
)
def test_which_thresholds_come_near_the_best(f1, said):
    table = pd.DataFrame({"threshold": [0.3, 0.4, 0.5], "f1": f1})
    assert thresholds_in_words(table, 0.1, 0.9) == said
