"""Tables compared pair by pair: flat tables, sweeps, runs, gaps of categories, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from toy import Glow, toy_dataset

import zsas_lib as zsas
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.evaluation.paired import differences, flat_gaps, flat_runs, over_categories, paired, samples
from zsas_lib.evaluation.replicates import REPLICATE, flat, scaled
from zsas_lib.evaluation.sampled import Sampled
from zsas_lib.evaluation.tables import Replicated, with_means
from zsas_lib.robustness.sweeps import uniform_sweep


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("toy"), {"lamp": 4, "star": 3})


@pytest.fixture(scope="module")
def table(dataset):
    return evaluate(Glow(), dataset, resamples=40)


def row(flat_table: pd.DataFrame, **keys) -> pd.DataFrame:
    return flat_table[np.logical_and.reduce([flat_table[name] == value for name, value in keys.items()])]


def test_flat_tables_have_every_row_and_the_replicates_of_means(table):
    whole = flat(table)
    assert whole.groupby("category").size().to_dict() == {"lamp": 41, "star": 41, "mean": 41}
    itself = whole[whole.replicate == -1].set_index("category")
    np.testing.assert_array_equal(itself[list(table)], table)
    mean = row(whole, category="mean", replicate=0).iloc[0]
    share = (mean.aupro - table.aupro["star"]) / (table.aupro["lamp"] - table.aupro["star"])
    assert min(abs(share - expected) for expected in (0, 0.5, 1)) < 1e-9
    assert (mean.units, mean.freedom) == (2, 1) and mean.aupro_200 == mean.aupro_200  # all metrics have it
    lamp = row(whole, category="lamp", replicate=3).iloc[0]
    assert (lamp.units, lamp.freedom) == (7, 2) and lamp.pictures != mean.pictures
    percent = scaled(whole.assign(run=1), 100.0)
    pd.testing.assert_frame_equal(percent[[*REPLICATE, "run"]], whole.assign(run=1)[[*REPLICATE, "run"]])
    np.testing.assert_array_equal(percent[list(table)], 100 * whole[list(table)])


@pytest.mark.slow
def test_sweeps_keep_their_replicates_through_the_store(dataset, tmp_path, table):
    options = {"values": [0.0, 1.0], "resamples": 40}
    whole = uniform_sweep(Glow(), dataset, "hue", **options)
    assert isinstance(whole, Replicated)
    for _ in range(2):
        stored = zsas.stored(uniform_sweep, Glow(), dataset, "hue", **options, store=tmp_path)
        pd.testing.assert_frame_equal(stored.replicates, whole.replicates)
    neutral = row(flat(stored), value=0.0, category="lamp").drop(columns=["perturbation", "value", "unit"])
    pd.testing.assert_frame_equal(  # those of evaluate: the same pictures meet the same resamples
        neutral.reset_index(drop=True), row(flat(table), category="lamp").reset_index(drop=True)
    )
    gap = Sampled.of(row(flat(whole), category="mean", value=1.0), "aupro") - Sampled.of(
        row(flat(whole), category="mean", value=0.0), "aupro"
    )
    rows = whole.set_index(["category", "value"]).aupro
    assert gap.difference().gap == pytest.approx(rows["mean", 1.0] - rows["mean", 0.0])


@pytest.mark.slow
def test_a_turned_picture_that_is_cut_to_what_it_shows_is_drawn_whole(dataset):
    options = {"values": [30.0], "resamples": 40, "derotation": ["zero", "valid"]}
    whole = flat(uniform_sweep(Glow(), dataset, "rotation", **options))
    zero, valid = (row(whole, category="lamp", derotation=name) for name in ("zero", "valid"))
    assert set(valid.units[valid.replicate >= 0]) == {7}
    assert zero.draw.tolist() == valid.draw.tolist() and zero.pictures.tolist() == valid.pictures.tolist()
    gap = Sampled.of(zero, "aupro") - Sampled.of(valid, "aupro")
    assert gap.difference().se < zero.aupro.std()


@pytest.mark.slow
def test_what_cannot_be_paired_is_refused(dataset, table):
    lamp = Sampled.of(row(flat(table), category="lamp"), "aupro")
    with pytest.raises(ValueError, match="same pictures, got those of 7 and 6 others.*one data set"):
        lamp - Sampled.of(row(flat(table), category="star"), "aupro")
    seeded = flat(evaluate(Glow(), dataset, resamples=40, seed=1))
    with pytest.raises(ValueError, match="same resamples of both, got 40 and 40.*one seed"):
        lamp - Sampled.of(row(seeded, category="lamp"), "aupro")
    with pytest.raises(ValueError, match="those of several rows or of none"):
        Sampled.of(flat(table), "aupro")
    runs = flat_runs([table, evaluate(Glow(), dataset, resamples=40, seed=1)])
    with pytest.raises(ValueError, match="runs on the same pictures with the same resamples"):
        Sampled.of(row(runs, category="lamp"), "aupro")
    one = evaluate(Glow(), dataset.select(["lamp"]), resamples=40)
    with pytest.raises(ValueError, match="at least two pictures, or two categories for a mean"):
        Sampled.of(row(flat(one), category="mean"), "aupro").difference()
    assert row(flat(one), category="mean").replicate.tolist() == [-1], "no replicates of a mean over one category"
    found = paired([one], [one]).set_index("category")
    assert (
        found.loc["mean", ["se", "low", "high", "agree"]].isna().all(axis=None) and (found.loc["mean"].gap == 0).all()
    )
    with pytest.raises(ValueError, match="table with replicates, as `evaluate` gives it, got one without"):
        flat(with_means(pd.DataFrame({"category": ["a", "b"], "aupro": [0.1, 0.3]})))


def test_gaps_of_categories_are_resampled_by_category():
    gaps = pd.DataFrame({"category": ["a", "b", "c", "a"], "pair": ["x", "x", "x", "y"], "auroc": [0.1, 0.3, 0.2, 0.5]})
    whole = flat_gaps(gaps, ["pair"])
    table = differences(whole, "pair", ["auroc"]).set_index("pair")
    assert table.gap.tolist() == pytest.approx([0.2, 0.5]) and np.isnan(table.low["y"])
    own = over_categories(gaps[gaps.pair == "x"].set_index("category").auroc)
    assert (table.low["x"], table.high["x"], table.power["x"]) == pytest.approx((own.low, own.high, own.power))
    assert own.se == pytest.approx(0.1 / 3**0.5, rel=0.1)  # that of a mean of three
    both = samples(whole, "auroc", "pair")
    with pytest.raises(ValueError, match="replicates of the same pictures, got those of 3 and 1 others"):
        both["x"] - both["y"]
    with pytest.raises(ValueError, match="at least two pictures, or two categories"):
        both["y"].difference()
    assert scaled(whole, 100.0).auroc.tolist() == pytest.approx((100 * whole.auroc).tolist())


def test_a_mean_has_the_freedom_of_the_categories_that_have_the_metric(dataset):
    """Twelve categories, three of which have the first metric: its interval is about that of Student's t for three."""
    gaps = pd.DataFrame({"category": list("abcdefghijkl"), "few": np.nan, "all": np.linspace(-0.1, 0.2, 12)})
    gaps.loc[:2, "few"] = [0.1, 0.3, -0.05]
    found = {metric: Sampled.of(flat_gaps(gaps), metric).difference() for metric in ("few", "all")}
    few = gaps.few.dropna()
    assert found["few"].gap == pytest.approx(few.mean())
    low, high = stats.t.interval(0.95, 2, few.mean(), few.std(ddof=1) / 3**0.5)
    assert found["few"].high - found["few"].low == pytest.approx(high - low, rel=0.15)
    alone = over_categories(gaps["all"])
    assert found["all"].se == pytest.approx(alone.se), "only their interval is that of fewer"
    assert over_categories(pd.Series([0.1, np.nan, 0.3])).gap == pytest.approx(0.2)
    assert np.isnan(over_categories(pd.Series([0.1, np.nan, np.nan])).se), "one category has no interval"
    kept = [record for record in dataset.records if record.is_anomalous or record.category == "lamp"]
    means = flat(evaluate(Glow(), dataset.part(kept), resamples=40)).query("category == 'mean' and replicate >= 0")
    assert (means.freedom == 1).all() and (means.units == 2).all(), "image metrics have no interval, the others theirs"
    assert means.image_auroc.isna().all() and means.pixel_auroc.notna().all()


@pytest.mark.parametrize("damaged, sound", [(1, 1), (1, 3), (3, 1)])
def test_a_single_damaged_or_sound_picture_has_no_interval(tmp_path, damaged, sound):
    """Every resample that has a number holds it, so that its own chance is not in the resamples: of one of each they
    are all alike, and an interval without width would be certain of anything."""
    few = toy_dataset(tmp_path, {"lamp": damaged}, normal=sound)
    one = Sampled.of(row(flat(evaluate(Glow(), few, resamples=40)), category="lamp"), "pixel_auroc")
    gap = (one - 0.5).difference()
    assert one.freedom == 0 and gap.gap == pytest.approx(one.values[0] - 0.5)
    assert np.isnan([gap.se, gap.low, gap.high, gap.agree, gap.power]).all()
