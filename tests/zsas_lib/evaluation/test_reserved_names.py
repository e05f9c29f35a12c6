"""Categories that are called as something in a table is: each has its row, and means are those of all of them."""

import pandas as pd
import pytest
from toy import Glow, toy_dataset

import zsas_lib as zsas
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.evaluation.tables import with_means
from zsas_lib.robustness.ranges import sweep_ranges
from zsas_lib.robustness.search.per_category import choice_gains, shared_amounts
from zsas_lib.robustness.search.whole_sets import bounds
from zsas_lib.robustness.suitability import category_table, picture_table
from zsas_lib.robustness.sweeps import uniform_sweep
from zsas_lib.studies.audit import aupro_of_powers
from zsas_lib.studies.defects import group_metrics
from zsas_lib.studies.groups import group_means
from zsas_lib.studies.vcp_protocol import protocol_table

NAMES = {"lamp": "lamp", "mean": "mean (category)", "All": "All", "all": "all", "image": "image", "pixel": "pixel"}
"""What tables call a category of each name."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("toy"), dict.fromkeys(NAMES, 4))


@pytest.fixture(scope="module")
def table(dataset):
    return evaluate(Glow(), dataset, resamples=4)


def test_each_has_its_row_and_the_mean_is_that_of_all(dataset, table):
    assert dataset.categories == tuple(NAMES) and list(table.index) == [*NAMES.values(), "mean"]
    assert table.loc["mean", "pixel_auroc"] == pytest.approx(table.pixel_auroc.iloc[:-1].mean())
    assert list(dict.fromkeys(table.per_image.category)) == list(NAMES.values())
    alone = evaluate(Glow(), dataset.select(["mean"]), resamples=4)
    assert list(alone.index) == ["mean (category)", "mean"]
    assert alone.pixel_auroc.tolist() == [table.loc["mean (category)", "pixel_auroc"]] * 2


def test_a_category_is_selected_by_either_name(dataset):
    assert dataset.select(["mean (category)"]).records == dataset.select(["mean"]).records
    assert len(dataset.select(["mean"])) == len(dataset) // len(NAMES)


AXES = {
    "evaluate": (evaluate, (), {"resamples": 4}),
    "uniform_sweep": (uniform_sweep, ("rotation", [0.0, 30.0]), {"resamples": 4}),
    "bounds": (bounds, (), {"combinations": [["hue"]], "search": "random", "steps": 2, "resamples": 4}),
    "aupro_of_powers": (aupro_of_powers, (), {"powers": [1.0]}),
    "group_metrics": (group_metrics, ({},), {"resamples": 4}),
    "protocol_table": (protocol_table, (), {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", AXES)
def test_every_axis_and_the_store_keep_them(dataset, tmp_path, monkeypatch, name):
    monkeypatch.setenv("ZSAS_RESULTS", str(tmp_path))
    function, arguments, options = AXES[name]
    two = dataset.select(["lamp", "mean"])
    table = zsas.stored(function, Glow(), two, *arguments, **options).reset_index()
    assert list(dict.fromkeys(table.category)) == ["lamp", "mean (category)", "mean"]
    per_category = table[table.category != "mean"].groupby("category").size()
    assert per_category.nunique() == 1 and (table.category == "mean").sum() == per_category.iloc[0]


@pytest.mark.slow
def test_what_is_made_of_such_tables(dataset, table):
    two = dataset.select(["lamp", "mean"])
    ranges = sweep_ranges(uniform_sweep(Glow(), two, "rotation", [0.0, 30.0], resamples=4))
    assert list(ranges.index) == ["lamp", "mean (category)", "mean"]
    searched = {"over": ["hue"], "resamples": 4, "batch_size": 4}
    shared = shared_amounts(Glow(), two, points=2, **searched)
    oracle = bounds(Glow(), two, combinations=[["hue"]], search="random", steps=2, resamples=4)
    assert list(choice_gains(shared, oracle).index) == ["lamp", "mean (category)", "mean"]
    assert set(category_table(picture_table(two, ["chroma"]), "chroma").index) == {"lamp", "mean (category)"}
    means = group_means(table, {name: "x" if name in ("lamp", "mean") else "y" for name in NAMES})
    assert means.loc["x", "pixel_auroc"] == pytest.approx(table.pixel_auroc.loc[["lamp", "mean (category)"]].mean())


def test_rows_called_mean_alone_are_refused():
    with pytest.raises(ValueError, match=r"All rows are called 'mean'; call a category .* 'mean \(category\)'"):
        with_means(pd.DataFrame({"category": ["mean"], "aupro": [0.5]}))


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_a_setting_that_is_none_is_kept(nothing):
    size = pd.Series([nothing, "8"] * 2, dtype=object)
    rows = pd.DataFrame({"category": ["a", "a", "b", "b"], "size": size, "aupro": [0.1, 0.2, 0.3, 0.6]})
    means = with_means(rows, by=["size"]).query("category == 'mean'")
    assert means.aupro.tolist() == pytest.approx([0.2, 0.4])
    kept, other = means["size"]
    assert other == "8" and (kept is None if nothing is None else pd.isna(kept))
    pairs = with_means(rows.assign(shots=1), by=["size", "shots"]).query("category == 'mean'")
    assert pairs.aupro.tolist() == pytest.approx([0.2, 0.4])
