import numpy as np
import pandas as pd
import pytest

from zsas_book import figures
from zsas_book.tables import design_choices as tables
from zsas_book.tables.zoo import cards_table
from zsas_lib.backbones.zoo import zoo_cards
from zsas_lib.robustness.design_choices import ACCURACY, BETTER, CALIBRATION, FACTORS, TOLD, WITHIN, WORSE
from zsas_lib.robustness.naming_towers import TowerCard


def row(member, axis, low, high, seen, seeds=3, power=0.04):
    known = {"member": member, "against": "reference", "seeds": seeds, "axis": axis, "gap": (low + high) / 2}
    return known | {"se": 0.01, "low": low, "high": high, "agree": 0.9, "power": power, "seen": seen}


SURE = pd.DataFrame(
    [
        row("vit", ACCURACY, -0.052, -0.01, WORSE, power=0.03),
        row("vit", CALIBRATION, -0.03, 0.01, WITHIN, power=0.02),
        row("sigmoid", ACCURACY, 0.0, 0.02, WITHIN, power=0.05),
        row("sigmoid", CALIBRATION, -0.05, -0.01, BETTER, power=0.02),
        row("labels", ACCURACY, 0.01, 0.03, BETTER),
        row("labels", CALIBRATION, 0.01, 0.05, WORSE),
        row("narrow", ACCURACY, -0.01, 0.02, WITHIN),
        row("narrow", CALIBRATION, -0.01, 0.02, WITHIN),
        row("short", ACCURACY, 0.01, 0.03, BETTER, seeds=1, power=0.9),
        row("short", CALIBRATION, -0.01, 0.02, WITHIN, seeds=1, power=0.9),
    ]
)


def test_arrows_go_with_the_number_and_words_say_whether_that_is_good():
    table = tables.arrows(SURE, zoo_cards())
    assert list(table.index) == ["vit", "sigmoid", "labels", "narrow", "short"]
    assert table.loc["vit", ACCURACY] == "↓ worse -3.1 (-5.2 to -1.0)"
    assert table.loc["vit", CALIBRATION] == "· -1.0 (-3.0 to +1.0)"
    assert table.loc["sigmoid", ACCURACY].startswith("· ")  # 0 is its lower end
    assert table.loc["sigmoid", CALIBRATION] == "↓ better -3.0 (-5.0 to -1.0)"
    assert table.loc["labels", CALIBRATION] == "↑ worse +3.0 (+1.0 to +5.0)"
    assert table.loc["vit", "choice"] == "architecture: ViT, 4 blocks instead of ResNet, 4 blocks"
    assert table.loc["short", "choice"] == "length of training: 300 steps instead of 1,000 steps, from one seed"


def test_a_released_tower_stands_in_the_place_of_the_one_that_it_is_compared_with():
    unknown = {"source": "", "loss": "captions", "begins": None, "pictures": 0, "pictures_seen": 0, "parameters": 1}
    unknown |= {"core_seconds": 0.0, "architecture": {}, "seed": 0, "kind": "CNN", "axis": "tower", "baseline": ""}
    cards = [TowerCard(name=name, value=name, **unknown) for name in ("ViT-B-16:openai", "RN50:openai")]
    own = pd.DataFrame([row("RN50:openai", ACCURACY, -0.05, 0.01, WITHIN, seeds=1) | {"against": "ViT-B-16:openai"}])
    choice = tables.arrows(own, cards).loc["RN50:openai", "choice"]
    assert choice == "tower: RN50:openai instead of ViT-B-16:openai, from one seed"
    assert np.isnan(cards_table(cards).loc["RN50:openai", "core seconds"])


def test_advice_sorts_choices_by_what_is_seen_of_them():
    better, worse, weighed, equal, alone = tables.advice(SURE)
    assert better == "Better somewhere and worse nowhere, so worth choosing: sigmoid (calibration error -3.0)."
    assert worse == "Worse somewhere and better nowhere, so better left: vit (plain accuracy -3.1)."
    assert weighed.endswith("to be weighed: labels (plain accuracy +2.0, better; calibration error +3.0, worse).")
    assert (
        equal.endswith(": narrow.")
        and alone.startswith("From one seed")
        and alone.endswith(": short (plain accuracy +2.0, better).")
    )
    only = tables.advice(SURE[SURE["member"] == "short"])
    assert len(only) == 1 and only[0].startswith("From one seed")


def test_limits_count_what_is_open_and_say_what_could_have_been_seen():
    said = tables.limits(SURE)
    assert said[0] == "Of 10 differences 5 have 0 in their interval." and "about 0.5 of 10 would" in said[1]
    assert said[2] == (
        "In plain accuracy a true difference shows in 80 % of all cases from 3.0 (vit) to 5.0 points (sigmoid) "
        "upwards; undecided: sigmoid and narrow."
    )
    assert "90.0 points" in tables.limits(SURE[SURE["seeds"] == 1])[2]


def test_axes_that_are_not_there_are_named():
    assert tables.absent_axes(SURE) == (
        f"Left out: {FACTORS} (too few networks for a line). Left out: {TOLD} (no strangers were asked about)."
    )
    told = pd.concat([SURE, pd.DataFrame([row("vit", TOLD, 0.0, 0.1, WITHIN)])])
    assert tables.absent_axes(told) == f"Left out: {FACTORS} (too few networks for a line)."


@pytest.mark.slow
def test_points_are_hollow_where_the_interval_holds_0():
    figure = figures.choice_dots(SURE)
    assert [axis.get_title().replace("\n", " ") for axis in figure.axes] == [ACCURACY, CALIBRATION]
    one, other = figure.axes
    assert one.get_xlabel() == "better →" and other.get_xlabel() == "← better"
    assert [text.get_text() for text in one.get_yticklabels()] == ["vit", "sigmoid", "labels", "narrow", "short"]
    drawn = [line for line in one.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in drawn] == pytest.approx([-3.1, 1.0, 2.0, 0.5, 2.0])
    assert [line.get_markerfacecolor() == "none" for line in drawn] == [False, True, False, True, False]
    ends = one.collections[0].get_segments()[0][:, 0]
    assert np.sort(ends) == pytest.approx([-5.2, -1.0])
