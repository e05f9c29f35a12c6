"""A number and its replicates: differences, their intervals and power, on synthetic data of known truth."""

import numpy as np
import pandas as pd
import pytest
from flats import flat_of
from scipy import stats

from benchmarks.paired import pixel_differences
from zsas_lib.evaluation.paired import over_categories
from zsas_lib.evaluation.sampled import (
    Sampled,
    difference_of,
    in_points,
    interval_of_share,
    of_resamples,
    share_of_sign,
    unpaired,
)
from zsas_lib.metrics.bootstrap import resampled


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


def test_a_number_and_what_resamples_make_of_it():
    values = np.array([0.6, 0.4, 0.7, np.nan, 0.5, -0.1, np.inf])
    known = values[[1, 2, 4, 5]]
    found = of_resamples(values, units=5)
    se = known.std(ddof=1) * np.sqrt(5 / 4)
    assert (found.gap, found.se) == (0.6, pytest.approx(se)) and found.agree == pytest.approx(stats.t.cdf(0.6 / se, 4))
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 4, 0.6, se))
    assert of_resamples(values, units=5, by_sign=True).agree == 0.75
    for none in (values[:2], np.array([np.nan, 0.1, 0.2]), np.array([0.1, np.nan, 0.2])):
        assert np.isnan([of_resamples(none, 5).se, of_resamples(none, 5, by_sign=True).agree]).all()
    large = 1e6 + np.array([0.0, 1e-8, -1e-8])
    assert of_resamples(large, 3).se == 0, "rounding of large numbers"


def test_the_interval_of_a_share_stays_in_0_to_1():
    values = np.array([0.9, 0.8, 0.95, 1.0, 0.85])
    low, high = interval_of_share(values, 6, smallest=0.01)
    logits = np.log(np.minimum(values, 0.99) / (1 - np.minimum(values, 0.99)))
    ends = stats.t.interval(0.95, 5, logits[0], logits[1:].std(ddof=1) * np.sqrt(6 / 5))
    assert (low, high) == pytest.approx([1 / (1 + np.exp(-end)) for end in ends])
    assert interval_of_share(np.array([1.0, 1.0, 1.0]), 6, smallest=0.01) == (pytest.approx(0.99), 1.0)
    assert interval_of_share(np.array([0.0, 0.0, 0.0]), 6, smallest=0.01) == (0.0, pytest.approx(0.01))
    assert np.isnan(interval_of_share(values, 1, smallest=0.01)).all()
    assert not np.isnan(interval_of_share(values, 2, smallest=0.01)).any()


def test_runs_are_known_by_how_far_they_are_from_their_mean_and_differ_run_by_run():
    rows = flat_of({("A",): 0.6, ("B",): 0.5}, ["name"], runs=3, apart=0.02)
    one, other = (Sampled.of(rows[rows["name"] == name], "pixel_auroc") for name in "AB")
    assert (
        list(one.runs) == [3] and one.runs[3] == pytest.approx([-0.02, 0, 0.02]) and one.values[0] == pytest.approx(0.6)
    )
    alike = (one - other).difference()
    assert alike.gap == pytest.approx(0.1) and alike.se == 0, "trainings that move both are no chance of the difference"
    turned = Sampled(other.values, {3: -other.runs[3]}, other.draws, other.pictures, other.units, other.freedom)
    assert (one - turned).difference().se == pytest.approx(0.04 / 3**0.5)
    two = Sampled.of(flat_of({("B",): 0.5}, ["name"], runs=2, apart=0.06), "pixel_auroc")
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
