"""Sentences of few-shot results, and paper K's numbers beside them."""

import numpy as np
import pandas as pd
import pytest
from flats import flat_of
from tiny_clip import tiny_backbone
from toy import toy_dataset

from zsas_book.tables.few_shot import beside_paper_k, gains_in_words, weights_in_words
from zsas_lib.studies.few_shot import BOTH, REFERENCES, TEXT


def whole(own: float = 0.0) -> pd.DataFrame:
    numbers = {}
    for category, values in {"tile": (0.5, 0.6, 0.8), "grid": (0.9, 0.8, 0.7), "mean": (0.7, 0.7, 0.75)}.items():
        for shots, value in zip((0, 1, 4), values):
            for weight in [TEXT] if not shots else [BOTH, REFERENCES]:
                numbers[category, shots, weight] = value
    parts = [
        flat_of({place: value}, ["category", "shots", "weight"], own=own, runs=3 if place[1] else 1)
        for place, value in numbers.items()
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.slow
def test_gains_are_said_pair_by_pair_and_how_many_fall():
    told = gains_in_words(whole(own=0.001), 4)
    assert told[0].startswith(
        "Mean image AUROC goes from 70.0 to 70.0 % with 1 reference (0.0 points (95 % interval -0."
    )
    assert "and changes by +5.0 points (95 % interval +4." in told[0]
    assert told[1] == ("Of 2 categories, 1 fall, 1 of them beyond chance; the references' map alone reaches 75.0 %.")
    assert gains_in_words(whole(own=0.3), 4)[1].startswith("Of 2 categories, 1 fall, none of them beyond chance;")
    assert told[-1] == "Numbers of different sets drawn: 3 of 1 and 3 of 4."


def test_words_references_and_their_mean_are_told_apart():
    lines = pd.DataFrame({"tile": [60.0, 62.0, 99.0], "mean": [60.0, 62.0, 90.0]}, index=[TEXT, BOTH, REFERENCES])
    numbers = {("mean", 4, BOTH): 0.62, ("mean", 4, REFERENCES): 0.9}
    clear, noisy = (flat_of(numbers, ["category", "shots", "weight"], own=own) for own in (0.001, 0.5))
    told = weights_in_words({"image_auroc": lines, "pixel_auroc": 0.1 * lines}, clear)
    assert told[0].startswith(
        "Mean image AUROC is 60.0 % by words alone, 62.0 % by the plain mean of both, and 90.0 % by references alone, "
        "which beat both in 1 of 1 category; in the mean their plain mean hides what the references know (+28.0 "
        "points (95 % interval +27."
    )
    assert told[0].endswith("It is highest, 90.0 %, at a weight of 1.")
    assert "within chance of each other" in weights_in_words({"image_auroc": lines, "pixel_auroc": lines}, noisy)[1]


@pytest.mark.slow
def test_what_paper_k_says_stands_beside_the_same_setting(tmp_path):
    lines = pd.DataFrame({"tile": [50.0, 60.0, 80.0], "mean": [70.0, 72.5, 75.0]}, index=[0, 1, 4])
    sizes = pd.DataFrame({"carpet": [55.0, 66.0], "mean": [44.0, 77.0]}, index=[1, 3])
    pictures = toy_dataset(tmp_path, {"tile": 1, "carpet": 1})
    table = beside_paper_k(lines, sizes, pictures, tiny_backbone()).set_index("claim")
    assert table.reproduced["image AUROC gain, mean, from 0 to 1 references"] == 2.5
    assert table.reproduced["image AUROC, tile, 4 references"] == 80.0
    assert table.reproduced["image AUROC, carpet, windows of side 3"] == 66.0
    assert table.reported["image AUROC, tile, 0 references"] == 15.0
    assert set(table.verdict) == {"not comparable: toy, tiny"}


@pytest.mark.slow
def test_a_number_of_references_that_was_not_run_is_not_measured(tmp_path):
    lines = pd.DataFrame({"tile": [50.0], "mean": [70.0]}, index=[0])
    sizes = pd.DataFrame({"mean": [44.0]}, index=[1])
    table = beside_paper_k(lines, sizes, toy_dataset(tmp_path, {"tile": 1}), tiny_backbone()).set_index("claim")
    assert np.isnan(table.reproduced["image AUROC gain, mean, from 0 to 1 references"])
    assert table.verdict["image AUROC, tile, 4 references"] == "not measured"
