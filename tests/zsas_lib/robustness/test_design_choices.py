import numpy as np
import pytest
from pretended_answers import pretended

from zsas_lib.base.errors import OptionError
from zsas_lib.evaluation.sampled import ITSELF
from zsas_lib.robustness import design_choices as science
from zsas_lib.robustness.naming import STRANGERS
from zsas_lib.robustness.naming_calibration import AS_IT_IS, calibration_of_names, errors_as_they_are
from zsas_lib.robustness.out_of_distribution import PROBABILITY, strangers_told
from zsas_lib.robustness.retrieval import PICTURES, retrieved
from zsas_lib.robustness.visual_factors import ALL, accuracies, against, factor_robustness, relatives


@pytest.fixture(scope="module")
def found():
    strengths = {"reference": 0.4, "few": 0.9, "vit": 0.4, "tuned": 0.5}
    every = [pretended(name, seed, noise) for name, noise in strengths.items() for seed in (0, 1)]
    return [*every, pretended("short", 0, 0.4)]


@pytest.fixture(scope="module")
def sure(found):
    table, absent = science.design_choices(found)
    assert absent == {}
    return table.set_index(["member", "axis"])


@pytest.mark.slow
def test_every_axis_is_what_its_own_page_has(found, sure):
    gains = against(accuracies(found))
    gains = gains[(gains["factor"] == "clean") & (gains["replicate"] == ITSELF)].groupby("member")["gain"].mean()
    assert sure["gap"].xs(science.ACCURACY, level="axis").to_dict() == pytest.approx(gains.to_dict())

    line = factor_robustness(accuracies(found), ["reference", "few", "short"])
    line = line[(line["factor"] == ALL) & (line["replicate"] == ITSELF)].set_index(["member", "run"])["effective"]
    assert sure.loc[("vit", science.FACTORS), "gap"] == pytest.approx((line["vit"] - line["reference"]).mean())
    assert sure.loc[("short", science.FACTORS), "gap"] == pytest.approx(line["short", 0] - line["reference", 0])

    told = strangers_told(found)
    told = told[(told["score"] == PROBABILITY) & (told["replicate"] == ITSELF)].groupby("member")["auroc"].mean()
    assert sure.loc[("few", science.TOLD), "gap"] == pytest.approx(told["few"] - told["reference"])

    one = retrieved(found)
    one = one[(one["direction"] == PICTURES) & (one["replicate"] == ITSELF)].groupby("member")["mAP"].mean()
    assert sure.loc[("tuned", science.FOUND), "gap"] == pytest.approx(one["tuned"] - one["reference"])


@pytest.mark.slow
def test_errors_without_a_temperature_are_those_of_the_page_on_calibration(found, sure):
    errors, _ = calibration_of_names(found[:3])
    kept = errors[(errors["set"] == ALL) & (errors["way"] == AS_IT_IS)].drop(columns=["set", "way"])
    own = errors_as_they_are(found[:3])
    assert own["member"].tolist() == kept["member"].tolist()
    for column in ("ece", "draw", "run", "replicate"):
        assert own[column].to_numpy() == pytest.approx(kept[column].to_numpy())
    itself = errors_as_they_are(found)
    means = itself[itself["replicate"] == ITSELF].groupby("member")["ece"].mean()
    assert sure.loc[("few", science.CALIBRATION), "gap"] == pytest.approx(means["few"] - means["reference"])


@pytest.mark.slow
def test_what_is_seen_follows_from_the_interval_and_from_which_way_is_better(sure):
    worse = sure.loc[("few", science.ACCURACY)]
    assert worse["high"] < 0 and worse["seen"] == science.WORSE
    for row in sure.reset_index().to_dict("records"):
        if row["low"] <= 0 <= row["high"]:
            assert row["seen"] == science.WITHIN
        else:
            good = (row["gap"] > 0) == (row["axis"] != science.CALIBRATION)
            assert row["seen"] == (science.BETTER if good else science.WORSE)
    assert {science.WITHIN, science.WORSE} <= set(sure["seen"])


@pytest.mark.slow
def test_a_member_from_one_seed_is_compared_with_that_seed_of_the_reference(found, sure):
    alone = sure.loc["short"]
    assert set(alone["seeds"]) == {1} and set(sure.loc["vit", "seeds"]) == {2}
    right = {(own.card.name, own.card.seed): own for own in found}
    plain = accuracies([right["short", 0], right["reference", 0]])
    means = plain[plain["factor"] == "clean"].groupby("member")["accuracy"].mean()
    assert alone.loc[science.ACCURACY, "gap"] == pytest.approx(means["short"] - means["reference"])
    assert np.isfinite(alone["low"]).all()  # over names alone


@pytest.mark.slow
def test_members_that_have_nothing_to_be_compared_with_are_left_out_and_named(found):
    alone = [own for own in found if own.card.name != "vit"] + [pretended("vit", 2)]
    table, absent = science.design_choices(alone)
    assert absent == {"vit": "there is no reference of its seeds to compare it with"}
    assert "vit" not in set(table["member"]) and set(table["against"]) == {"reference"}
    with pytest.raises(OptionError, match="with a seed in common, got few, vit"):
        science.design_choices([own for own in found if own.card.name in ("few", "vit")])


def test_without_enough_relatives_there_is_no_line_and_no_such_axis(found):
    few = [own for own in found if own.card.name in ("reference", "vit")]
    assert relatives([own.card for own in found]) == ["reference", "few", "short"]
    table, _ = science.design_choices(few)
    assert list(table["axis"]) == [axis for axis in science.MORE_IS_BETTER if axis != science.FACTORS]


@pytest.mark.slow
def test_strangers_of_all_kinds_count_alike(found):
    told = strangers_told(found[:1])
    told = told[(told["score"] == PROBABILITY) & (told["replicate"] == ITSELF)]
    whole = science.on_all_axes(found[:1])
    own = whole[(whole["axis"] == science.TOLD) & (whole["replicate"] == ITSELF)]
    assert len(told) == len(STRANGERS) and own["value"].item() == pytest.approx(told["auroc"].mean())
    assert own["units"].item() == told["units"].min()
