"""Worst cases of a data set: nested, stored per picture, resumable, pooled per category."""

import pandas as pd
import pytest
from toy import Glow, Speckled, toy_dataset

import zsas_lib as zsas
from zsas_lib.base.errors import OptionError
from zsas_lib.robustness.search import whole_sets as study
from zsas_lib.robustness.search.whole_sets import bounds, worst_cases
from zsas_lib.robustness.search.worst_case import COMBINATIONS

FEW = [("rotation",), ("hue",), ("rotation", "hue")]
SEARCH = {"search": "grid", "steps": 6, "restarts": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("data"), {"bolt": 2, "nut": 1}, normal=1)


@pytest.mark.slow
def test_one_row_per_picture_and_combination_and_larger_ones_are_never_weaker(data, tmp_path):
    cases = worst_cases(Speckled(), data, **SEARCH, store=tmp_path)
    assert len(cases) == len(data) * 8
    assert list(cases.combination[:8]) == [
        "none",
        "rotation",
        "hue",
        "saturation",
        "rotation + hue",
        "rotation + saturation",
        "hue + saturation",
        "rotation + hue + saturation",
    ]
    table = cases[cases.is_anomalous].pivot(index="picture", columns="combination", values="pixel_auroc")
    for more in COMBINATIONS:
        for less in [(), *COMBINATIONS]:
            if set(less) < set(more):
                assert (table[study.combination_name(more)] <= table[study.combination_name(less)] + 1e-9).all()
    clean = cases[cases.combination == "none"]
    assert (clean[["degrees", "hue", "saturation", "passes"]] == 0).all().all()
    assert clean.pixel_auroc.tolist() == pytest.approx(
        zsas.evaluate(Speckled(), data).per_image.pixel_auroc.tolist(), abs=1e-6, nan_ok=True
    )
    assert (cases[cases.combination != "none"].passes == SEARCH["steps"]).all()


@pytest.mark.slow
def test_combinations_that_turn_nothing_take_fewer_steps_where_that_is_asked_for(data, tmp_path):
    cases = worst_cases(Speckled(), data, **SEARCH, steps_in_place=4, store=tmp_path).set_index("combination").passes
    for over in COMBINATIONS:
        assert (cases[study.combination_name(over)] == (SEARCH["steps"] if "rotation" in over else 4)).all()
    with pytest.raises(OptionError, match="steps_in_place=0; expected a whole number of at least 1"):
        worst_cases(Speckled(), data, **SEARCH, steps_in_place=0, store=tmp_path)


def test_a_search_that_builds_on_fewer_steps_is_not_taken_for_one_that_builds_on_more(data, tmp_path):
    """The points of hue alone inform the search over rotation and hue, so how many there are decides what it finds."""
    searched = {"combinations": [("hue",), ("rotation", "hue")], "search": "grid", "steps": 8, "restarts": 1}
    for less in (3, None):
        worst_cases(Speckled(), data, **searched, steps_in_place=less, store=tmp_path / "both")
    again = worst_cases(Speckled(), data, **searched, store=tmp_path / "both")
    pd.testing.assert_frame_equal(again, worst_cases(Speckled(), data, **searched, store=tmp_path / "anew"))


@pytest.mark.slow
def test_what_is_stored_is_not_searched_again(data, tmp_path):
    first = worst_cases(Glow(), data, combinations=FEW, **SEARCH, store=tmp_path)
    model = Glow()
    again = worst_cases(model, data, combinations=FEW, **SEARCH, store=tmp_path)
    assert model.seen == 0
    pd.testing.assert_frame_equal(first, again)
    worst_cases(model, data, combinations=[*FEW, ("saturation",)], **SEARCH, store=tmp_path)
    assert model.seen == len(data) * (SEARCH["steps"] + 1)


@pytest.mark.slow
def test_what_was_searched_with_another_batch_size_is_searched_again(data, tmp_path):
    for size in (16, 3):
        worst_cases(model := Glow(), data, combinations=FEW[:1], **SEARCH, batch_size=size, store=tmp_path)
        assert model.seen > 0


@pytest.mark.slow
def test_an_interrupted_study_goes_on_where_it_was_with_the_same_result(data, tmp_path):
    class Tired(Glow):
        def forward(self, images, class_names):
            if self.seen > 30:
                raise KeyboardInterrupt
            return super().forward(images, class_names)

    whole = worst_cases(Glow(), data, combinations=FEW, **SEARCH, batch_size=2, store=tmp_path / "whole")
    Tired.__module__, Tired.__qualname__ = Glow.__module__, Glow.__qualname__
    with pytest.raises(KeyboardInterrupt):
        worst_cases(Tired(), data, combinations=FEW, **SEARCH, batch_size=2, store=tmp_path / "parts")
    stored = len(list((tmp_path / "parts").rglob("*.parquet")))
    assert 0 < stored < len(data) * len(FEW)
    model = Glow()
    resumed = worst_cases(model, data, combinations=FEW, **SEARCH, batch_size=2, store=tmp_path / "parts")
    assert model.seen == (len(data) * len(FEW) - stored) * (SEARCH["steps"] + 1)
    pd.testing.assert_frame_equal(whole, resumed, atol=1e-5)


@pytest.mark.slow
def test_bounds_pool_the_chosen_maps(data, tmp_path):
    table = bounds(Speckled(), data, combinations=FEW, **SEARCH, resamples=5, store=tmp_path)
    clean = table[table.combination == "none"].set_index("category")
    expected = zsas.evaluate(Speckled(), data, resamples=5)
    for metric in ("pixel_auroc", "aupro", "pixel_f1_max", "image_auroc"):
        assert clean[metric].to_dict() == pytest.approx(expected[metric].to_dict(), abs=1e-3)
    cases = worst_cases(Speckled(), data, combinations=FEW, **SEARCH, store=tmp_path)
    means = cases.groupby(["category", "combination"]).pixel_auroc.mean()
    both = table[table.category != "mean"].set_index(["category", "combination"])
    assert both.picture_auroc.to_dict() == pytest.approx(means.to_dict())
    assert (
        table[table.category == "mean"].loss
        - both.groupby("combination").loss.mean()[table.combination.unique()].to_numpy()
    ).abs().max() < 1e-9


def test_no_combination_is_refused(data):
    with pytest.raises(ValueError, match="Expected at least one combination"):
        worst_cases(Glow(), data, combinations=[])
