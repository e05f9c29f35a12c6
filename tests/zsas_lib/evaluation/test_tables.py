"""Mean rows: what they average, per which setting, and what is refused; tables of single categories joined."""

import numpy as np
import pandas as pd
import pytest
from toy import Glow, toy_dataset

import zsas_lib as zsas
from zsas_lib.evaluation import tables
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.evaluation.tables import ResultTable, joined, with_means
from zsas_lib.metrics.metric import METRICS, Metric
from zsas_lib.robustness.search.comparison import bound_curves
from zsas_lib.robustness.search.whole_sets import bounds
from zsas_lib.robustness.sweeps import uniform_sweep
from zsas_lib.studies.audit import aupro_of_powers
from zsas_lib.studies.defects import group_metrics
from zsas_lib.studies.vcp_protocol import protocol_table


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("toy"), {"lamp": 3, "star": 2})


@pytest.fixture(scope="module")
def table(dataset) -> ResultTable:
    return evaluate(Glow(), dataset, resamples=50)


def rows() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "category": ["a", "a", "b", "b", "mean"],
            "value": [0.0, 1.0, 0.0, 1.0, 0.0],
            "aupro": [0.1, 0.2, 0.3, np.nan, 9.0],
            "pixel_auroc_se": [0.3, 0.3, 0.4, 0.4, 9.0],
        }
    )


def test_means_are_taken_per_setting():
    means = with_means(rows(), by=["value"]).query("category == 'mean'")
    assert list(means["value"]) == [0, 1] and list(means["aupro"]) == pytest.approx([0.2, 0.2])
    assert list(means["pixel_auroc_se"]) == pytest.approx([0.25, 0.25])
    assert len(with_means(rows(), by=["value"])) == 6


def test_a_column_that_is_neither_metric_nor_setting_is_refused():
    with pytest.raises(ValueError, match=r"'value' is neither a metric .*METRICS nor a setting.*Register.*by=\[...\]"):
        with_means(rows())
    unlisted = rows().assign(new_metric=[0.1, 0.2, 0.3, 0.4, 9.0])
    with pytest.raises(ValueError, match="'new_metric' is neither"):
        with_means(unlisted, by=["value"])
    with pytest.raises(ValueError, match="'value_se' is neither"):
        with_means(rows().assign(value_se=0.1), by=["value"])
    with pytest.raises(ValueError, match="by names valeu, but the columns are category, value,"):
        with_means(rows(), by=["valeu"])


def test_a_metric_that_is_registered_is_averaged(monkeypatch):
    new = {"new_metric": Metric("new_metric", "new metric", level="pixel")}
    still = {"chosen_at": Metric("chosen_at", "threshold", level="pixel", averaged=False)}
    monkeypatch.setattr(tables, "METRICS", METRICS | new | still)
    table = with_means(rows().assign(new_metric=[0.1, 0.2, 0.3, 0.5, 9.0], chosen_at=1.0), by=["value"])
    means = table.query("category == 'mean'")
    assert list(means["new_metric"]) == pytest.approx([0.2, 0.35])
    assert means["chosen_at"].isna().all() and (table.chosen_at[table.category != "mean"] == 1).all()


def test_a_column_may_be_a_setting_in_one_table_and_a_metric_in_another():
    table = with_means(pd.DataFrame({"category": ["a", "b"], "loss": [0.5, 0.5], "aupro": [0.1, 0.3]}), by=["loss"])
    assert table.query("category == 'mean'").drop(columns="category").to_numpy().tolist() == [[0.5, pytest.approx(0.2)]]


@pytest.mark.slow
def test_parts_join_to_the_whole(table, dataset):
    parts = [evaluate(Glow(), dataset.select([category]), resamples=50) for category in dataset.categories]
    whole = joined(parts)
    pd.testing.assert_frame_equal(whole, table)
    pd.testing.assert_frame_equal(whole.per_image, table.per_image)
    pd.testing.assert_frame_equal(whole.spread, table.spread)


def test_tables_that_were_made_otherwise_are_joined_by_what_is_no_float():
    parts = [
        pd.DataFrame({"category": [name, "mean"], "kind": ["x", "x"], "shots": [1, 1], "aupro": [value, value]})
        for name, value in (("a", 0.1), ("b", 0.3))
    ]
    whole = joined(parts)
    assert whole.attrs["settings"] == ["kind", "shots"]
    assert whole.query("category == 'mean'").iloc[0].to_list() == ["mean", "x", 1, pytest.approx(0.2)]
    with pytest.raises(ValueError, match="'angle' is neither"):
        joined([part.assign(angle=0.5) for part in parts])


def test_tables_without_mean_rows_are_joined_without_any():
    parts = [pd.DataFrame({"category": [name], "angle": [0.5], "aupro": [0.1]}) for name in "ab"]
    pd.testing.assert_frame_equal(joined(parts), pd.concat(parts, ignore_index=True))


def groups(dataset):
    return {"half": {f"{record.category}/{record.path.name}": "odd" for record in dataset.records[::2]}}


CALLERS = {
    "uniform_sweep": (
        lambda data: (uniform_sweep, ("rotation", [0.0, 30.0]), {"resamples": 4}),
        ["perturbation", "value", "unit"],
    ),
    "several derotations": (
        lambda data: (uniform_sweep, ("rotation", [30.0]), {"derotation": ["zero", "mask"], "resamples": 4}),
        ["perturbation", "value", "unit", "derotation"],
    ),
    "bounds": (
        lambda data: (bounds, (), {"combinations": [["hue"]], "search": "random", "steps": 2, "resamples": 4}),
        ["combination"],
    ),
    "bound_curves": (
        lambda data: (bound_curves, (), {"search": "random", "passes": 4, "over": ["hue"]}),
        ["picture", "passes"],
    ),
    "protocol_table": (lambda data: (protocol_table, (), {}), ["score"]),
    "group_metrics": (lambda data: (group_metrics, (groups(data),), {"resamples": 4}), ["grouping", "group"]),
    "aupro_of_powers": (lambda data: (aupro_of_powers, (), {"powers": [1.0, 2.0]}), ["power"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLERS)
def test_every_caller_names_its_settings_and_the_store_keeps_them(dataset, tmp_path, monkeypatch, name):
    """One mean row for each of its settings; from the store, computed or loaded, the same table."""
    monkeypatch.setenv("ZSAS_RESULTS", str(tmp_path / "results"))
    (function, arguments, options), settings = CALLERS[name][0](dataset), CALLERS[name][1]
    whole = function(Glow(), dataset, *arguments, **options)
    assert whole.attrs["settings"] == settings
    means, own = whole[whole.category == "mean"], whole[whole.category != "mean"]
    assert len(means) == len(own[settings].drop_duplicates()) < len(own)
    measured = [column for column in whole if column in METRICS]
    by_hand = own.groupby(settings, sort=False)[measured].mean().reset_index(drop=True)
    pd.testing.assert_frame_equal(means[measured].reset_index(drop=True), by_hand)
    for _ in range(2):
        stored = zsas.stored(function, Glow(), dataset, *arguments, **options, store=tmp_path)
        pd.testing.assert_frame_equal(stored, whole)
        assert stored.attrs["settings"] == settings


@pytest.mark.slow
def test_runs_are_averaged_with_their_errors_and_spread_by_their_means(dataset):
    runs = [evaluate(Glow(), dataset, resamples=4, seed=seed) for seed in (0, 1)]
    runs[1]["pixel_auroc"] -= 0.1
    mean = tables.over_runs(runs)
    assert mean.index.tolist() == runs[0].index.tolist()
    np.testing.assert_allclose(mean.pixel_auroc, runs[0].pixel_auroc - 0.05)
    errors = [run.spread.loc["lamp", "pixel_auroc"] for run in runs]
    assert errors[0] != errors[1] and mean.loc["lamp", "pixel_auroc_se"] == pytest.approx(np.mean(errors))
    spread = tables.between_runs(runs, ["pixel_auroc", "image_auroc"])
    assert spread.to_dict() == pytest.approx({"pixel_auroc": 0.1 / 2**0.5, "image_auroc": 0.0})
    assert tables.between_runs(runs[:1], ["pixel_auroc"]).to_dict() == {"pixel_auroc": 0.0}
