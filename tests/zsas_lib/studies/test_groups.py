"""Means over groups of categories."""

import numpy as np
import pandas as pd
import pytest
from toy import Glow, Speckled, toy_dataset

import zsas_lib as zsas
from zsas_lib.evaluation.paired import samples
from zsas_lib.evaluation.tables import ResultTable
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
    assert whole.groupby("model").run.unique().map(list).to_dict() == {"one": [0, 1], "two": [0]}
    itself = whole[whole.replicate < 0].groupby(["model", "group"]).mean()
    for name, own in runs.items():
        means = sum(group_means(table, groups) for table in own) / len(own)
        assert itself.loc[name].image_auroc.to_dict() == pytest.approx(means.image_auroc.to_dict())
    assert itself.units.to_dict() == {("one", "x"): 2, ("one", "y"): 1, ("two", "x"): 2, ("two", "y"): 1}
    models = {name: samples(own, "pixel_auroc", "group") for name, own in whole.groupby("model")}
    gap = (models["one"]["x"] - models["two"]["x"]).difference()
    assert gap.gap == pytest.approx(itself.pixel_auroc["one", "x"] - itself.pixel_auroc["two", "x"])


def test_the_chance_of_trainings_is_in_what_groups_differ_by():
    names = ["a", "b", "c"]
    first, second, other = (
        ResultTable({"image_auroc": [own, own + 0.01, own + 0.02, 0.0]}, [*names, "mean"]) for own in (0.6, 0.8, 0.7)
    )
    whole = flat_groups({"one": [first, second], "two": [other]}, dict.fromkeys(names, "x"))
    of = samples(whole, "image_auroc", "model")
    found = (of["one"] - of["two"]).difference()
    assert found.gap == pytest.approx(0) and found.se == pytest.approx(0.1)  # of two trainings 0.2 apart


@pytest.mark.slow
def test_spans_are_between_the_extreme_categories_in_every_resample(runs):
    spans = category_spans(runs, "pixel_auroc")
    of_two = runs["two"][0].pixel_auroc.drop("mean")
    found = samples(spans, "span", "model")
    assert found["two"].values[0] == pytest.approx(of_two.max() - of_two.min())
    assert found["two"].values[1:].mean() == pytest.approx(found["two"].values[0])
    assert set(found["one"].runs) == {2} and found["one"].units == 18
    assert (found["two"] - found["two"]).difference().se == 0


@pytest.mark.slow
def test_a_resample_without_a_class_in_any_category_has_no_span(tmp_path):
    pictures = toy_dataset(tmp_path, {"lamp": 1, "star": 1}, normal=1)
    spans = category_spans({"one": [zsas.evaluate(Glow(), pictures, resamples=40)]})
    assert np.isfinite(spans.span[0]) and spans.span.isna().any(), "some hold one kind of pictures alone"
    assert spans.span[1:].mean() == pytest.approx(spans.span[0])
