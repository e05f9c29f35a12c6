"""Tables and sentences of empirical worst cases."""

import pandas as pd
import pytest
from tiny_clip import tiny_backbone
from toy import toy_dataset

from zsas_book.tables import bound_words
from zsas_book.tables.bounds import beside_table_1, shown_bounds, shown_bounds_of_models

ALL = "rotation + hue + saturation"
CHANCE = {"pixel_auroc": 0.5, "aupro": 0.15, "pixel_f1_max": 0.1}
SPACE = "\N{NO-BREAK SPACE}"


def bounds(lower: float = 0.0) -> pd.DataFrame:
    numbers = {"nut": (0.9, 0.7, 0.5), "ceramic_ring": (0.8, 0.75, 0.4), "mean": (0.85, 0.725, 0.45)}
    rows = [
        {
            "category": category,
            "combination": combination,
            "pixel_auroc": value - (lower if combination == ALL else 0.0),
            "pixel_auroc_se": 0.02,
            "picture_auroc": value,
            "aupro": value - 0.2,
            "pixel_f1_max": value - 0.4,
            "loss": -value / 10,
        }
        for category, values in numbers.items()
        for combination, value in zip(("none", "rotation", ALL), values)
    ]
    return pd.DataFrame(rows)


def test_means_are_shown_in_percent_with_their_error_and_chance_below():
    html = shown_bounds(bounds(), CHANCE).to_html()
    assert f"85.0{SPACE}±{SPACE}2.0" in html and "none: original" in html
    assert "-8.50" in html and "15.0" in html and "ceramic" not in html


def test_models_are_shown_original_worst_and_lost():
    html = shown_bounds_of_models({"winclip": bounds(), "vcpclip+": bounds(0.1)}, ALL, CHANCE).to_html()
    assert "WinCLIP" in html and "VCP-CLIP+" in html and f"35.0{SPACE}±{SPACE}2.0" in html
    assert f"{100 * 0.4 / 0.35:.1f}" in html and "lost" in html


@pytest.mark.slow
def test_table_1_stands_beside_the_means(tmp_path):
    pictures = toy_dataset(tmp_path, {"nut": 1})
    table = beside_table_1(bounds(), ALL, pictures, tiny_backbone(), "winclip").set_index("claim")
    assert len(table) == 8 and set(table.verdict) == {"not comparable: toy, tiny"}
    row = table.loc["MVTec-AD, ViT-B/16+, worst case, all three: loss x 100"]
    assert row.reported == pytest.approx(8.5) and row.reproduced == pytest.approx(-4.5)
    assert table.loc["MVTec-AD, ViT-B/16+, original: AUROC", "reported"] == 80.1


def test_of_a_model_that_table_1_does_not_have_nothing_is_reported(tmp_path):
    pictures = toy_dataset(tmp_path, {"nut": 1})
    options = {"called": "AnomalyCLIP", "loss": False}
    table = beside_table_1(bounds(), ALL, pictures, tiny_backbone(), "anomalyclip", **options)
    assert set(table.verdict) == {"not reported"} and len(table) == 6
    assert table.claim[0] == "MVTec-AD, AnomalyCLIP, original: AUROC"


@pytest.mark.slow
def test_what_is_left_in_words():
    said = bound_words.bounds_in_words(bounds(), ALL, CHANCE)
    assert "pixel AUROC goes from 85.0 to 45.0 %, AUPRO goes from 65.0 to 25.0 %" in said[0]
    assert (
        "that is all (5.0 points below chance) of pixel AUROC, 80 % of AUPRO and all (5.0 points below chance) of "
        "pixel F1-max" in said[1]
    )
    assert said[2] == "The loss that S ascends, times 100, goes from -8.5 to -4.5."
    assert said[3] == "Categories that end below chance: 1 of 2."
    assert said[4].startswith("Categories paired, in points: pixel AUROC -40.0 (95 % interval -")
    assert bound_words.bounds_in_words(bounds(), ALL, CHANCE | {"aupro": 0.9})[1] == "", "nothing above chance"


def test_models_in_words_are_compared_category_by_category():
    said = bound_words.models_in_words({"winclip": [bounds()], "vcpclip+": [bounds(0.1)]}, ALL, CHANCE)
    assert said[0] == (
        "Of the pixel AUROC that it has above chance, WinCLIP loses all (5.0 points below chance) and VCP-CLIP+ loses "
        "all (15.0 points below chance)."
    )
    assert said[1] == (
        "From original to worst case VCP-CLIP+ loses 10.0 points more than WinCLIP, categories paired (95 % interval "
        "+10.0 to +10.0, 100 % of resamples agree in sign, power 0.0): less robust."
    )
    assert said[2] == (
        "Alone, the costliest perturbation is rotation for WinCLIP (12.5 points) and rotation for VCP-CLIP+ (12.5 "
        "points)."
    )
    one = {"winclip": [bounds()], "vcpclip+": [bounds(0.1)]}
    one = {name: [table.query("category != 'nut'") for table in own] for name, own in one.items()}
    assert "(no interval): a difference within or beyond chance" in bound_words.models_in_words(one, ALL, CHANCE)[1]
    trained = bound_words.models_in_words({"winclip": [bounds()], "vcpclip+": [bounds(), bounds(0.2)]}, ALL, CHANCE)[1]
    assert "loses 10.0 points more" in trained and "a difference within chance" in trained  # trainings 20 points apart


def test_grey_pixels_are_said_to_turn_red():
    said = bound_words.grey_in_words(pd.Series([1.0, 0.5, 0.0]))
    assert said.startswith("50 % of all pixels are grey, and 1 of 3 pictures throughout: hue leaves them as they are")
    assert "a positive saturation shift turns them red" in said
    assert bound_words.grey_in_words(pd.Series([0.0, 0.004])) == ""


def test_how_many_points_a_page_tries():
    assert bound_words.tried_in_words("two-fidelity", 25, 12) == (
        "25 forward passes per picture and combination, 12 where nothing is turned"
    )
    assert bound_words.tried_in_words("grid", 10, 25) == "10 points per picture and combination"
    assert bound_words.tried_in_words("adam", 200) == "200 points per picture"


def test_trainings_in_words():
    own = {"winclip": [bounds()], "vcpclip+": [bounds(), bounds(0.1)]}
    assert bound_words.trainings_in_words(own, ALL) == (
        "Between trainings, the worst case's mean differs by 10.0 points (VCP-CLIP+)."
    )
    assert bound_words.trainings_in_words({"winclip": [bounds()]}, ALL) == ""


@pytest.mark.parametrize(
    ("other", "whose"), [(9.0, "most part the picture's"), (5.0, "as to the model"), (1.0, "the model's own")]
)
def test_whose_the_worst_case_is(other, whose):
    costs = pd.DataFrame([[10.0, other], [other, 10.0]], ["winclip", "vcpclip+"], ["winclip", "vcpclip+"])
    losses = {"winclip": pd.Series([1.0, 2, 3]), "vcpclip+": pd.Series([3.0, 4, 9])}
    said = bound_words.transfer_in_words(costs, losses)
    assert f"cost WinCLIP {10 * other:.0f} % and VCP-CLIP+ {10 * other:.0f} % of what its own cost." in said[0]
    assert whose in said[1] and "1.00 (WinCLIP and VCP-CLIP+), over 3 damaged pictures." in said[2]


def test_one_model_has_no_others():
    costs = pd.DataFrame([[10.0]], ["winclip"], ["winclip"])
    (alone,) = bound_words.transfer_in_words(costs, {})
    assert alone.startswith("Only one model was searched")
    nothing = pd.DataFrame([[0.0, 0.0], [0.0, 0.0]], ["winclip", "clip"], ["winclip", "clip"])
    assert bound_words.transfer_in_words(nothing, {}) == ["No model loses anything at its own worst cases."]


def test_angles_in_words():
    rows = pd.DataFrame({"is_anomalous": [True, True, False, False], "degrees": [0.0, 40.0, 0.0, 0.0]})
    said = bound_words.angles_in_words({"zero": rows, "valid": rows.assign(degrees=[40.0, 40, 0, 40])})
    assert "for 75 % of the pictures with zero fill and for 25 % with" in said[0]
    assert said[1] == "For normal pictures the two are 100 and 50 %, for damaged ones 50 and 0 %."
    assert said[2] == (
        "Of these, 2 pictures are there with zero fill alone and none with the corners left out alone: no "
        "more uneven than chance makes it (sign test, p = 0.5)."
    )
    damaged = bound_words.angles_in_words({"zero": rows[:2], "valid": rows[:2]})
    assert damaged[1] == "For damaged pictures the two are 50 and 50 %."
    same = bound_words.angles_in_words({"zero": rows, "valid": rows})
    assert "no picture is there with zero fill alone and none with" in same[2] and "p = 1)" in same[2]
    many = pd.DataFrame({"is_anomalous": [True] * 8, "degrees": [0.0] * 8})
    turned = many.assign(degrees=40.0)
    assert (
        "left out alone: zero fill makes part of the peak at 0 (sign test, p = 0.0078)."
        in (bound_words.angles_in_words({"zero": many, "valid": turned})[2])
    )
    assert "zero fill lowers the peak at 0" in bound_words.angles_in_words({"zero": turned, "valid": many})[2]


def test_what_damaged_pictures_lose():
    several = bound_words.losses_in_words(pd.Series([39.7, 2.0, 0.9]), 0, 1)
    assert several == [
        "Of its own pixel AUROC, the damaged picture that loses most loses 39.7 points, the median one 2.0, the "
        "steadiest 0.9.",
        "Of 3 damaged pictures, 1 ends with the defect scored lower than the rest of the picture; none began so.",
    ]
    assert "2 end with" in bound_words.losses_in_words(pd.Series([3.0, 2.0]), 1, 2)[1]
    for begin, end, words in ((1, 1, "begins and ends"), (0, 1, "ends"), (0, 0, "does not end")):
        assert bound_words.losses_in_words(pd.Series([19.7]), begin, end) == [
            f"The only damaged picture loses 19.7 points of its own pixel AUROC; it {words} with the defect scored "
            "lower than the rest of the picture."
        ]
