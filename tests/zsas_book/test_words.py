"""Sentences of verdicts, against sentences written by hand."""

import numpy as np
import pandas as pd
import pytest
from flats import flat_of
from toy import toy_dataset

from zsas_book import words
from zsas_lib.evaluation.paired import samples


@pytest.mark.parametrize(
    ("items", "said"),
    [([], "none"), (["ceramic_ring"], "ceramic ring"), (["a", "b"], "a and b"), (["a", "b", 3], "a, b and 3")],
)
def test_lists_are_said_with_an_and(items, said):
    assert words.listed(items) == said


@pytest.mark.parametrize(
    ("count", "noun", "said"),
    [
        (0, "picture", "no picture"),
        (1, "category", "1 category"),
        (3, "category", "3 categories"),
        (1725, "picture", "1,725 pictures"),
    ],
)
def test_nouns_follow_their_number(count, noun, said):
    assert words.counted(count, noun) == said


def test_a_plural_of_its_own():
    assert words.counted(2, "forward pass", "forward passes") == "2 forward passes"


@pytest.mark.parametrize(
    ("value", "said"), [(1.26, "+1.3"), (-0.04, "0.0"), (0.04, "0.0"), (-2.0, "-2.0"), (float("nan"), "nan")]
)
def test_points_have_a_sign_unless_they_round_to_nothing(value, said):
    assert words.points(value) == said


def test_an_amount_has_its_unit_where_it_has_one():
    assert words.amount("rotation", 45.0) == "45 degrees"
    assert words.amount("hue", -1.0472) == "-1.05 radians"
    assert words.amount("saturation", 0.25) == "0.25"


def test_few_categories_are_named_and_many_counted(tmp_path):
    few = toy_dataset(tmp_path, {"ceramic_ring": 1, "star": 1})
    assert words.of_pictures(few) == "8 pictures (ceramic ring, star)"
    many = toy_dataset(tmp_path, dict.fromkeys("abcdefg", 1))
    assert words.of_pictures(many) == "28 pictures of 7 categories"


def test_the_leader_is_judged_pair_by_pair():
    """Both move by 10 points together and by 0.1 or 5 apart."""
    numbers = {("A",): 0.9, ("B",): 0.92, ("C",): 0.8}
    clear = samples(flat_of(numbers, ["name"], own=0.001), "pixel_auroc", "name")
    said = words.leading(clear)
    assert said.startswith("B leads over A by +2.0 points (95 % interval +1.") and said.endswith("power 0.5)")
    noisy = samples(flat_of(numbers, ["name"], own=0.05), "pixel_auroc", "name")
    assert words.leading(noisy).endswith("), which is within chance")
    alone = samples(flat_of(numbers, ["name"], units=1), "pixel_auroc", "name")
    assert words.leading(alone) == "B leads over A by +2.0 points (no interval)"
    assert words.leading({"A": clear["A"]}) == "A is the only one"
    assert words.span(clear).startswith("+12.0 points (95 % interval +11.")


def test_what_is_not_known_neither_leads_nor_spans():
    numbers = samples(flat_of({("A",): 0.9, ("B",): 0.92, ("C",): 0.8}, ["name"], own=0.001), "pixel_auroc", "name")
    nothing = numbers["C"] * float("nan")
    for place in (0, 3):
        own = list(numbers.items())
        own.insert(place, ("D", nothing))
        assert words.leading(dict(own)) == words.leading(numbers) and words.span(dict(own)) == words.span(numbers)
    assert words.leading({"A": numbers["A"], "D": nothing}) == "A is the only one"
    assert words.leading({"D": nothing}) == "none leads" and words.span({"D": nothing}) == "not known"


def test_what_stands_out_has_an_interval_without_zero():
    gaps = pd.DataFrame(
        {"gap": [2.5, 1.9, -2.1], "low": [0.1, -0.1, -3.0], "high": [4.9, 3.9, -1.2]}, index=["uniop", "loreb", "idp"]
    )
    assert words.beyond_chance(gaps) == "uniop +2.5 and idp -2.1"
    assert words.beyond_chance(gaps.iloc[1:2]) == "none"
    assert words.beyond_chance(gaps.assign(low=np.nan, high=np.nan)) == "unknown without a spread"


def test_extremes_name_who_has_them():
    values = pd.Series({"ceramic_ring": -0.26, "star": 2.2})
    assert words.extremes(values, unit="points") == "from -0.3 (ceramic ring) to 2.2 points (star)"


def test_paired_differences_have_the_mean_s_interval():
    gaps = pd.Series({"a": 1.0, "b": 3.0, "c": -1.0})
    said = words.paired(gaps)
    assert said.startswith("+1.0 points (95 % interval -") and "% of resamples agree in sign, power" in said
    assert said.endswith("), up in 2 of 3 categories, from -1.0 (c) to 3.0 (b)")
    assert words.paired(gaps, sure=False) == "+1.0 points, up in 2 of 3 categories, from -1.0 (c) to 3.0 (b)"
    assert words.paired(gaps[:1]) == "+1.0 points (no interval), up in 1 of 1 category, from 1.0 (a) to 1.0 (a)"


def test_a_change_is_said_from_and_to():
    assert words.from_to(81.24, 79.3) == "from 81.2 to 79.3 %"
    assert words.from_to(0.5, 0.25, "", digits=2) == "from 0.50 to 0.25"


def test_a_verdict_is_one_paragraph():
    assert words.verdict("First.", "", "Second.").data == "**Verdict.** First. Second."
    assert words.verdict("It is.", of="WinCLIP").data == "**Verdict, WinCLIP.** It is."
    assert words.verdict().data == words.verdict("", of="WinCLIP").data == "", "there is none"


@pytest.mark.parametrize(
    ("error", "said"), [(1.0, "uniop +2.5 and idp -2.1"), (2.0, "none"), (float("nan"), "unknown without a spread")]
)
def test_what_stands_out_is_more_than_two_errors_away_from_0(error, said):
    assert words.standing_out(pd.Series({"uniop": 2.5, "loreb": 1.9, "idp": -2.1}), error) == said


def test_what_models_learned_from_and_are_tested_on(tmp_path):
    pictures = toy_dataset(tmp_path, {"ceramic_ring": 1})
    said = words.trained_on(pictures.select(anomalous=True), pictures)
    assert said == "trained on 1 picture of toy and tested on 4 pictures (ceramic ring) of toy"


def test_trainings_are_counted_and_only_models_that_are_asked_are_trained_once():
    once = ["adaclip", "af-clip"]
    whole = "3 trainings of each model that learns"
    assert words.trainings_of(["winclip", "vcpclip+"], [0, 1, 2], once) == whole
    assert words.trainings_of(["adaclip", "vcpclip+"], [0, 1, 2], once) == f"{whole} (of AdaCLIP one)"
    assert words.trainings_of(["af-clip", "adaclip"], [0, 1, 2], once) == f"{whole} (of AF-CLIP and AdaCLIP one each)"
    assert words.trainings_of(["af-clip", "adaclip"], [4], once) == "1 training of each model that learns"


def test_sentences_show_their_letters():
    name = "<b>$x$</b> *a*_b"
    assert words.say(f"Of {name},", "", "1.5 remains.").data == (
        r"Of \<b\><span>\$</span>x<span>\$</span>\</b\> \*a\*\_b, 1.5 remains."
    )
    assert words.verdict("It holds.", of="a_b").data == r"**Verdict, a\_b.** It holds."
    assert words.paragraphs([words.verdict("a"), words.say("b")]).data == "**Verdict.** a\n\nb"


def test_a_paired_difference_is_judged_by_its_interval_and_says_how_sure_it_is():
    judged = [
        words.beyond(low, high, "A", "B", "neither")
        for low, high in ((0.1, 0.3), (-3.0, -1.0), (-1.0, 2.0), (0.0, 1.0))
    ]
    assert judged == ["A", "B", "neither", "neither"]
    assert words.beyond(float("nan"), float("nan"), "A", "B", "neither") == "neither"
    found = words.how_sure(-1.24, 3.4, 0.93, 2.06)
    assert found == "95 % interval -1.2 to +3.4, 93 % of resamples agree in sign, power 2.1"
    assert words.how_sure(-1.2, 3.4, float("nan"), 2.1) == "95 % interval -1.2 to +3.4, power 2.1", (
        "of a difference of 0"
    )
    assert words.how_sure(*[float("nan")] * 4) == "no interval"


def test_without_an_interval_nothing_is_said_of_chance():
    nan = float("nan")
    assert [
        words.beyond(*ends, "a gain", "a loss", "within chance of") for ends in ((1.0, 2.0), (-2.0, -1.0), (-1.0, 2.0))
    ] == [
        "a gain",
        "a loss",
        "within chance of",
    ]
    assert words.beyond(nan, nan, "a gain", "a loss", "within chance of") == "within or beyond chance of"
    assert words.beyond(nan, nan, "A leads", "B leads", "no difference", "no interval") == "no interval"
