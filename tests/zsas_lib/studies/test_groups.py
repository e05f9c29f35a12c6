"""Means over groups of categories."""

import pandas as pd
import pytest
from toy import Glow, Speckled, toy_dataset

import zsas_lib as zsas
from zsas_lib.evaluation.paired import samples
from zsas_lib.studies.groups import category_spans, flat_groups, group_means


def test_means_leave_the_mean_row_out():
    table = pd.DataFrame({"pixel_auroc": [0.6, 0.8, 0.5, 9.0]}, index=["a", "b", "c", "mean"])
    means = group_means(table, {"a": "x", "b": "x", "c": "y"})
    assert means.pixel_auroc.to_dict() == pytest.approx({"x": 0.7, "y": 0.5})


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    pictures = toy_dataset(tmp_path_factory.mktemp("toy"), {"nut": 3, "ring": 3, "star": 3}, normal=3)
    found = [zsas.evaluate(model, pictures, resamples=30) for model in (Glow(), Speckled())]
    return {"one": found, "two": found[1:]}


def test_groups_of_models_have_the_same_resamples_of_categories(runs):
    groups = {"nut": "x", "ring": "x", "star": "y"}
    whole = flat_groups(runs, groups)
    itself = whole[whole.replicate < 0].set_index(["model", "group"])
    for name, own in runs.items():
        means = sum(group_means(table, groups) for table in own) / len(own)
        assert itself.loc[name].image_auroc.to_dict() == pytest.approx(means.image_auroc.to_dict())
    assert itself.units.to_dict() == {("one", "x"): 2, ("one", "y"): 1, ("two", "x"): 2, ("two", "y"): 1}
    models = {name: samples(own, "pixel_auroc", "group") for name, own in whole.groupby("model")}
    gap = (models["one"]["x"] - models["two"]["x"]).difference()
    assert gap.gap == pytest.approx(itself.pixel_auroc["one", "x"] - itself.pixel_auroc["two", "x"])


@pytest.mark.slow
def test_spans_are_between_the_extreme_categories_in_every_resample(runs):
    spans = category_spans(runs, "pixel_auroc")
    of_two = runs["two"][0].pixel_auroc.drop("mean")
    found = samples(spans, "span", "model")
    assert found["two"].values[0] == pytest.approx(of_two.max() - of_two.min())
    assert found["two"].values[1:].mean() == pytest.approx(found["two"].values[0])
    assert set(found["one"].runs) == {2} and found["one"].units == 18
    assert (found["two"] - found["two"]).difference().se == 0
