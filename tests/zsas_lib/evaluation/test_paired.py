"""Paired differences: on synthetic data of known truth, between runs, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from flats import flat_of
from scipy import stats
from toy import Glow, toy_dataset

import zsas_lib as zsas
from benchmarks.paired import pixel_differences
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.evaluation.paired import differences, flat_gaps, flat_runs, over_categories, paired, samples
from zsas_lib.evaluation.replicates import REPLICATE, flat, scaled
from zsas_lib.evaluation.sampled import Sampled, difference_of, in_points, share_of_sign, unpaired
from zsas_lib.evaluation.tables import Replicated, with_means
from zsas_lib.metrics.bootstrap import resampled
from zsas_lib.robustness.sweeps import uniform_sweep


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("toy"), {"lamp": 4, "star": 3})


@pytest.fixture(scope="module")
def table(dataset):
    return evaluate(Glow(), dataset, resamples=40)


def row(flat_table: pd.DataFrame, **keys) -> pd.DataFrame:
    return flat_table[np.logical_and.reduce([flat_table[name] == value for name, value in keys.items()])]


def sampled(values: np.ndarray, units: int, freedom: int, runs=None) -> Sampled:
    return Sampled(values, runs or {}, tuple(range(len(values) - 1)), 0, units, freedom)


@pytest.mark.slow
def test_the_interval_of_a_difference_covers_the_truth_in_95_percent():
    """AUROC, AP, F1-max and AUPRO of 12 pictures, 300 times, against those of 20,000 pictures. The middle 95 % of the
    replicates would cover 84 to 92 %. `python -m benchmarks paired` does this at length."""
    rng, pictures = np.random.default_rng(5), 12
    truth, covered = pixel_differences(rng, 20_000, resamples=0)[:, 0], []
    for _ in range(300):
        values = pixel_differences(rng, pictures, resamples=200)
        found = [sampled(own, pictures, pictures // 2 - 1).difference() for own in values]
        covered.append([gap.low <= true <= gap.high for gap, true in zip(found, truth)])
    assert np.all(np.abs(np.mean(covered, axis=0) - 0.95) <= 0.03), np.mean(covered, axis=0)


@pytest.mark.slow
def test_the_interval_of_a_mean_covers_the_truth_and_its_power_is_kept():
    """Gaps of 9 categories, normal around 0.02 with deviation 0.03, 1,000 times; then with the difference that the mean
    power promises to show, which 80 % of the intervals show."""
    rng, categories = np.random.default_rng(0), 9
    drawn = resampled(categories, 200, 0)

    def found(truth: float):
        gaps = rng.normal(truth, 0.03, categories)
        return sampled(np.r_[gaps.mean(), drawn @ gaps / categories], categories, categories - 1).difference()

    own = [found(0.02) for _ in range(1000)]
    assert np.mean([gap.low <= 0.02 <= gap.high for gap in own]) == pytest.approx(0.95, abs=0.03)
    power = np.mean([gap.power for gap in own])
    assert np.mean([found(power).low > 0 for _ in range(1000)]) == pytest.approx(0.8, abs=0.06)


@pytest.mark.slow
def test_trainings_are_a_second_level():
    """6 categories, 3 trainings whose own deviation is twice that of the categories' mean: covered all the same, which
    it is not without them."""
    rng, categories, runs = np.random.default_rng(1), 6, 3
    drawn, covered = resampled(categories, 200, 0), {True: [], False: []}
    for _ in range(600):
        gaps, seeds = rng.normal(0.02, 0.03, categories), rng.normal(0, 0.04, runs)
        values = np.r_[gaps.mean(), drawn @ gaps / categories] + seeds.mean()
        for known in covered:
            of_runs = {runs: seeds - seeds.mean()} if known else {}
            gap = sampled(values, categories, categories - 1, of_runs).difference()
            covered[known].append(gap.low <= 0.02 <= gap.high)
    assert np.mean(covered[True]) == pytest.approx(0.95, abs=0.03)
    assert np.mean(covered[False]) < 0.85


def test_a_difference_in_numbers():
    values = np.array([0.3, 0.1, 0.2, 0.4, -0.1])
    gap = sampled(values, units=4, freedom=3).difference()
    se = np.std(values[1:], ddof=1) * np.sqrt(4 / 3)
    assert (gap.gap, gap.se, gap.agree) == (0.3, pytest.approx(se), 0.75)
    assert (gap.low, gap.high) == pytest.approx(stats.t.interval(0.95, 3, 0.3, se))
    assert stats.nct.sf(stats.t.ppf(0.975, 3), 3, gap.power / se) == pytest.approx(0.8, abs=1e-6)
    with_runs = sampled(values, 4, 3, {2: np.array([-0.05, 0.05])}).difference()
    assert with_runs.se == pytest.approx(np.hypot(se, 0.05)) and with_runs.gap == 0.3
    welch = (se**2 + 0.05**2) ** 2 / (se**4 / 3 + 0.05**4 / 1)  # four pictures, two trainings
    assert (with_runs.low, with_runs.high) == pytest.approx(stats.t.interval(0.95, welch, 0.3, with_runs.se))
    pair = sampled(values, units=2, freedom=1).difference()
    assert pair.se == pytest.approx(np.std(values[1:], ddof=1) * 2**0.5)
    points = in_points(vars(gap))
    assert points == pytest.approx({name: (1 if name == "agree" else 100) * own for name, own in vars(gap).items()})
    assert share_of_sign(values, 0.3) == 0.8 and np.isnan(share_of_sign(values, 0.0))
    assert share_of_sign(values, -0.1) == 0.2 and np.isnan(share_of_sign(1e9 * values, 1e-4, scale=1e9))
    alone = unpaired(sampled(values, 4, 3), sampled(values - 0.1, 4, 3))
    assert alone.gap == pytest.approx(0.1) and alone.se == pytest.approx(se * 2**0.5)
    assert alone.agree == pytest.approx(stats.t.cdf(0.1 / alone.se, 6))


def test_runs_are_known_by_how_far_they_are_from_their_mean_and_differ_run_by_run():
    rows = flat_of({("A",): 0.6, ("B",): 0.5}, ["name"], runs=3, apart=0.02)
    one, other = (Sampled.of(row(rows, name=name), "pixel_auroc") for name in "AB")
    assert (
        list(one.runs) == [3] and one.runs[3] == pytest.approx([-0.02, 0, 0.02]) and one.values[0] == pytest.approx(0.6)
    )
    alike = (one - other).difference()
    assert alike.gap == pytest.approx(0.1) and alike.se == 0, "trainings that move both are no chance of the difference"
    turned = Sampled(other.values, {3: -other.runs[3]}, other.draws, other.pictures, other.units, other.freedom)
    assert (one - turned).difference().se == pytest.approx(0.04 / 3**0.5)
    two = Sampled.of(row(flat_of({("B",): 0.5}, ["name"], runs=2, apart=0.06), name="B"), "pixel_auroc")
    apart = (one - two).difference()
    assert apart.se == pytest.approx(np.hypot(0.02 / 3**0.5, 0.06 / 2**0.5 / 2**0.5)), "of other trainings both count"
    assert (one - two).runs.keys() == {2, 3} and (one * 100.0).runs[3] == pytest.approx([-2, 0, 2])


@pytest.mark.parametrize("freedom", [1, 2, 5, 29, 199])
def test_of_a_difference_as_large_as_the_power_four_of_five_are_beyond_chance(freedom):
    power = difference_of(1.0, [(0.09, freedom)]).power / 0.3
    rng = np.random.default_rng(0)
    shown = (rng.normal(size=100_000) + power) / np.sqrt(rng.chisquare(freedom, 100_000) / freedom)
    assert (np.abs(shown) > stats.t.ppf(0.975, freedom)).mean() == pytest.approx(0.8, abs=0.005)


def test_zero_has_no_sign_and_dust_is_zero():
    names = list("abcd")
    exact = over_categories(pd.Series([0.25, -0.25, 0.25, -0.25], index=names))
    dust = over_categories(pd.Series([0.25, -0.25, 0.25, -0.25 + 1e-16], index=names))
    assert np.isnan(exact.agree) and exact.gap == 0 < exact.se
    assert np.isnan(dust.agree) and dust.gap == 0 and dust.se == pytest.approx(exact.se)
    for same in (0.0, 0.1 + 0.2 - 0.3):
        alike = over_categories(pd.Series([same] * 4, index=names))
        assert (alike.gap, alike.se, alike.low, alike.high, alike.power) == (0, 0, 0, 0, 0) and np.isnan(alike.agree)
    assert np.isnan(difference_of(0.0, [(0.02, 3)]).agree)
    constant = over_categories(pd.Series([0.01] * 4, index=names))
    assert (constant.low, constant.high, constant.se, constant.agree) == (constant.gap, constant.gap, 0, 1)
    rounded = sampled(np.array([0.5, 0.5, 1e-17, 0.5, 1e-17]), 4, 3).difference()
    assert rounded.agree == 0.5, "replicates that are 0 but for rounding"
    large = sampled(np.array([4e6, 4e6, 4e6 + 1e-9, 4e6 - 1e-9]) - 0.0, 4, 3).difference()
    assert large.se == 0, "rounding of large numbers"


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
