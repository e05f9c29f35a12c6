"""The table of open questions, row by row."""

import pandas as pd

from zsas_book.tables import readings

TURNED = pd.DataFrame(
    [[81.0, 90.0, 82.0], [83.0, 90.0, 84.0], [85.0, 90.0, 86.0]],
    index=["zero", "mask", "valid"],
    columns=[-45.0, 0.0, 45.0],
)


def test_each_row_has_its_numbers():
    corners, side = readings.turned_answers(TURNED)
    assert corners[2] == (
        "pixel AUROC at 45 degrees: zeros in the corners 82.0, mask turned 84.0, corners left out 86.0; unturned 90.0"
    )
    assert side[2] == "45 degrees to either side: 81.0 and 82.0"
    temperature, pooled = readings.clean_answers(96.4, 1.4, 95.8, 95.3)
    assert temperature[2] == "pixel AUROC 96.4 ± 1.4 with 0.07, 95.8 with 0.01"
    assert pooled[2] == "unperturbed: pooled 96.4, mean per picture 95.3"
    assert (
        "69 % (rotation), 56 % (hue) of 16 points"
        in readings.gradient_answer(pd.Series({"rotation": 68.75, "hue": 56.25}), 16)[2]
    )
    stronger = pd.DataFrame({"rotation": [True, False], "hue": [False, True]})
    assert "with 6 random points each" in readings.nesting_answer(stronger, 6)[2]
    assert "in 2 of 4 cases" in readings.nesting_answer(stronger, 6)[2]
    assert readings.corner_answer(0.168, 0.17, 0.206, 4)[2] == (
        "loss x 100 of 4 normal pictures: 16.8 unturned, at 45 degrees 17.0 with zeros and 20.6 with the corners "
        "left out"
    )
    assert len(readings.COLUMNS) == len(corners)


def test_the_largest_effect_is_named_first():
    said = readings.effects_in_words({"a": 1.0, "b": -2.0, "c": 0.0}, 1.4)
    assert said[0].endswith("is b: -2.0 points.") and said[1] == "The others: a +1.0, c 0.0." and "is 1.4," in said[2]
