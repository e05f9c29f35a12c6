import numpy as np
import pandas as pd
import pytest

from zsas_lib.evaluation.tables import with_means
from zsas_lib.robustness.ranges import of_derotation, range_replicates, sweep_ranges


def sweep_of(values: dict[str, list[float]]) -> pd.DataFrame:
    """A sweep of -1, 0 and 1 with one derotation; resamples move a category's values by up to 0.1 together."""
    rows, replicates = [], []
    common = np.random.default_rng(0).uniform(-0.1, 0.1, 40)
    for category, own in values.items():
        for value, quality in zip((-1.0, 0.0, 1.0), own):
            setting = {"category": category, "value": value, "derotation": "zero"}
            rows.append(setting | {"pixel_auroc": quality, "pixel_auroc_se": 0.01})
            drawn = setting | {"replicate": range(40), "draw": range(40), "pictures": 3, "units": 8, "freedom": 3}
            replicates.append(pd.DataFrame(drawn | {"pixel_auroc": quality + common}))
    return with_means(pd.DataFrame(rows), replicates, by=["value", "derotation"])


@pytest.mark.slow
def test_ranges_are_those_of_a_sweep_counted_by_hand():
    table = sweep_ranges(sweep_of({"star": [0.5, 0.9, 0.8], "ring": [0.7, 0.5, 0.6]}))
    assert list(table.index) == ["star", "ring", "mean"]
    star = {"unperturbed": 90, "lowest": 50, "at": -1, "highest": 90, "range": 40, "largest step": 40, "± at 0": 1}
    assert table.loc["star", list(star)].to_dict() == pytest.approx(star)
    assert table.loc["star", ["low", "high"]].tolist() == pytest.approx([40, 40])  # pair by pair nothing varies
    assert table.loc["mean", "range"] == pytest.approx(10) and table.loc["mean", "low"] < 10 < table.loc["mean", "high"]
    alone = sweep_ranges(sweep_of({"star": [0.5, 0.9, 0.8]}))
    assert alone.loc["mean", "range"] == pytest.approx(40) and np.isnan(alone.loc["mean", "low"])


def test_a_category_without_the_metric_has_no_range():
    """Such as one without damaged pictures; the mean is then of the others."""
    table = sweep_ranges(sweep_of({"star": [0.5, 0.9, 0.8], "sound": [np.nan] * 3}))
    assert table.loc["sound"].drop("± at 0").isna().all() and table.loc["mean", "range"] == pytest.approx(40)
    assert table.loc["star"].notna().all()


def test_replicates_of_ranges_are_those_of_the_same_two_values():
    sweep = sweep_of({"star": [0.5, 0.9, 0.8], "ring": [0.7, 0.5, 0.6]})
    assert list(of_derotation(sweep, "zero")) == [name for name in sweep if name != "derotation"]
    found = range_replicates(of_derotation(sweep, "zero"))
    pd.testing.assert_frame_equal(found, range_replicates(sweep))
    itself = found[found.replicate < 0].set_index("category")["range"]
    assert itself.to_dict() == pytest.approx({"star": 40, "ring": 20, "mean": 10})
    assert (found.groupby("category").size() > 40).all() and found[found.category == "star"]["range"].std() < 1e-9


def test_a_sweep_without_the_unperturbed_pictures_has_nothing_to_stand_beside():
    sweep = sweep_of({"star": [0.5, 0.9, 0.8]})
    with pytest.raises(ValueError, match="Expected a sweep with the unperturbed pictures"):
        sweep_ranges(sweep[sweep["value"] != 0])
