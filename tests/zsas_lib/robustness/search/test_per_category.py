"""One perturbation for a whole category, chosen on one half of its pictures."""

import numpy as np
import pandas as pd
import pytest
from toy import Glow, Speckled, toy_dataset

import zsas_lib as zsas
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.robustness.search.per_category import (
    CHOSEN,
    CHOSEN_ON,
    HELD_OUT,
    ORIGINAL,
    choice_gains,
    chosen_amounts,
    halves,
    shared_amounts,
)
from zsas_lib.robustness.search.whole_sets import bounds


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("data"), {"bolt": 4, "nut": 3}, normal=3)


def test_halves_are_apart_and_whole_and_alike(data):
    first, second = halves(data)
    paths = [{record.path for record in part.records} for part in (first, second)]
    assert not paths[0] & paths[1] and paths[0] | paths[1] == {record.path for record in data.records}
    assert [sum(r.is_anomalous for r in part.records if r.category == "bolt") for part in (first, second)] == [2, 2]


def test_a_category_that_cannot_be_halved_is_named(tmp_path):
    with pytest.raises(ValueError, match="anomalous pictures of 'nut'.*got 1"):
        halves(toy_dataset(tmp_path, {"nut": 1}))


@pytest.mark.slow
@pytest.mark.parametrize("goal", ["best", "worst"])
def test_the_choice_is_the_best_on_its_own_half_and_measured_on_the_other(data, goal):
    table = shared_amounts(Speckled(), data, points=8, goal=goal, resamples=5)
    assert len(table) == 8
    rows = table.set_index(["category", "half", "amounts"])
    for category in ("bolt", "nut"):
        gain = rows.pixel_auroc[category, CHOSEN_ON, CHOSEN] - rows.pixel_auroc[category, CHOSEN_ON, ORIGINAL]
        assert gain >= 0 if goal == "best" else gain <= 0
    assert (rows.xs(ORIGINAL, level="amounts")[["degrees", "hue", "saturation"]] == 0).all().all()
    held_out = halves(data)[1]
    clean = zsas.evaluate(Speckled(), held_out, resamples=5)
    for category in ("bolt", "nut"):
        assert rows.pixel_auroc[category, HELD_OUT, ORIGINAL] == pytest.approx(clean.pixel_auroc[category], abs=1e-6)


@pytest.mark.slow
def test_amounts_that_are_not_asked_for_stay_zero_and_passes_are_as_said(data):
    model = Glow()
    table = shared_amounts(model, data.select(["bolt"]), over=["hue"], points=5, resamples=5)
    assert (table[["degrees", "saturation"]] == 0).all().all()
    first, second = halves(data.select(["bolt"]))
    assert model.seen == 5 * len(first) + 2 * len(first) + 2 * len(second)


@pytest.mark.slow
def test_stored_category_by_category_gives_the_same_choice(data, tmp_path):
    whole = shared_amounts(Glow(), data, points=4, resamples=5)
    stored = zsas.stored(shared_amounts, Glow(), data, points=4, resamples=5, store=tmp_path)
    assert list(stored.category) == list(whole.category), "no mean rows, as it makes none"
    assert (whole.pixel_auroc - stored.pixel_auroc).abs().max() < 1e-6 and (whole.degrees == stored.degrees).all()


def test_bad_options_end_in_one_sentence(data):
    with pytest.raises(UnknownNameError, match="bset.*best"):
        shared_amounts(Glow(), data, goal="bset")
    with pytest.raises(ValueError, match="at least one point, got 0"):
        shared_amounts(Glow(), data, points=0)


@pytest.mark.slow
def test_gains_are_in_points_of_the_same_half(data, tmp_path):
    shared = shared_amounts(Speckled(), data, points=6, resamples=5)
    searching = {"combinations": [("rotation", "hue")], "goal": "best", "search": "grid", "steps": 4, "store": tmp_path}
    oracle = bounds(Speckled(), halves(data)[1], resamples=5, **searching)
    gains = choice_gains(shared, oracle)
    assert list(gains.index) == ["bolt", "nut", "mean"]
    rows = shared.set_index(["category", "half", "amounts"]).pixel_auroc
    for category in ("bolt", "nut"):
        for half, column in ((CHOSEN_ON, "gain where chosen"), (HELD_OUT, "gain held out")):
            expected = 100 * (rows[category, half, CHOSEN] - rows[category, half, ORIGINAL])
            assert gains.loc[category, column] == pytest.approx(expected)
    own = oracle[oracle.category == "nut"].set_index("combination")
    expected = 100 * (own.pixel_auroc["rotation + hue"] - rows["nut", HELD_OUT, ORIGINAL])
    assert gains.loc["nut", "gain of the oracle"] == pytest.approx(expected)
    expected = 100 * (own.picture_auroc["rotation + hue"] - own.picture_auroc["none"])
    assert gains.loc["nut", "oracle, per picture"] == pytest.approx(expected)
    assert gains.loc["mean", "gain held out"] == pytest.approx(gains["gain held out"][:2].mean())
    assert gains.loc["mean", "±"] == pytest.approx(np.hypot(*gains["±"][:2]) / 2)


@pytest.mark.slow
def test_chosen_amounts_are_those_of_the_chosen_rows(data):
    shared = shared_amounts(Glow(), data, points=4, resamples=5)
    amounts = chosen_amounts(shared)
    assert list(amounts) == ["degrees", "hue", "saturation"] and list(amounts.index) == ["bolt", "nut"]
    rows = shared[(shared.half == CHOSEN_ON) & (shared.amounts == CHOSEN)].set_index("category")
    pd.testing.assert_frame_equal(amounts, rows[list(amounts)])
