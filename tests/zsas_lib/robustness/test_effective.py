import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from zsas_lib.evaluation.sampled import ITSELF, Sampled
from zsas_lib.robustness.effective import effective_robustness, huber_line, rank_correlation


def points(models=8, categories=30, seed=0):
    """Models on a line between logits, each category with its own ease; the last model lies above it."""
    rng = np.random.default_rng(seed)
    ease = rng.normal(0, 0.3, categories)
    rows = []
    for number in range(models):
        level = -1.5 + 0.4 * number
        for place, own in enumerate(ease):
            shift = 0.8 * (level + own) - 0.5 + (1.2 if number == models - 1 else 0)
            rows.append((f"m{number}", f"c{place}", expit(level + own), expit(shift)))
    return pd.DataFrame(rows, columns=["model", "category", "plain", "shifted"])


def found(table, reference=7, **options):
    names = [f"m{number}" for number in range(reference)]
    return effective_robustness(table, plain="plain", shifted="shifted", reference=names, **options)


def test_a_line_is_the_minimum_of_hubers_joint_loss():
    rng = np.random.default_rng(2)
    x = rng.normal(0, 1, 12)
    y = 0.7 * x - 0.3 + rng.normal(0, 0.1, 12)
    y[3] += 5

    def loss(parameters):  # Huber (1981), section 7.8: slope, intercept and scale together
        slope, intercept, log_scale = parameters
        z = np.abs(y - slope * x - intercept) / np.exp(log_scale)
        rho = np.where(z < 1.35, z**2, 2 * 1.35 * z - 1.35**2)
        return np.sum(np.exp(log_scale) * (1 + rho))

    expected = minimize(loss, [0.5, 0.0, -1.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x
    assert huber_line(x, y) == pytest.approx(expected[:2], abs=1e-4)
    assert huber_line(x, y)[0] == pytest.approx(0.7, abs=0.1)  # the outlier does not move it
    assert np.polyfit(x, y, 1)[1] > 0  # as it does least squares


@pytest.mark.slow
def test_a_model_above_the_line_is_told_from_those_on_it():
    whole = found(points())
    gaps = {name: Sampled.of(rows, "effective").difference() for name, rows in whole.groupby("model")}
    own = whole[(whole["model"] == "m7") & (whole["replicate"] == ITSELF)].iloc[0]
    assert own["effective"] == pytest.approx(own["shifted"] - own["expected"])
    assert own["expected"] == pytest.approx(expit(0.8 * logit(own["plain"]) - 0.5), abs=0.02)
    assert gaps["m7"].low > 0.15
    assert all(abs(gaps[f"m{number}"].gap) < 0.02 for number in range(7))


def test_the_line_is_fitted_anew_in_every_resample():
    whole = found(points(), resamples=20)
    replicates = whole[(whole["model"] == "m7") & (whole["replicate"] != ITSELF)]
    assert len(replicates) == 20 and replicates["expected"].std() > 1e-3


def test_models_at_one_place_have_a_line_without_slope():
    assert huber_line(np.full(4, 0.3), np.array([0.0, 1.0, 1.0, 5.0])) == (0.0, 1.0)


@pytest.mark.parametrize("column", ["plain", "shifted"])
def test_a_category_in_which_no_model_has_the_metric_is_left_out(column):
    table = points(categories=5)
    lacking = table.assign(**{column: table[column].mask(table["category"] == "c2")})
    pd.testing.assert_frame_equal(
        found(lacking, resamples=10), found(table[table["category"] != "c2"], resamples=10), check_exact=True
    )
    with pytest.raises(ValueError, match="same categories of every model"):
        found(lacking.fillna({column: 0.5}, limit=1))
    with pytest.raises(ValueError, match="got 7 and 1"):
        found(lacking[lacking["category"].isin(["c1", "c2"])])


def test_bad_input_is_refused():
    table = points()
    with pytest.raises(ValueError, match="at least 3 reference models and 2 categories, got 2 and 30"):
        found(table, reference=2)
    with pytest.raises(ValueError, match="got m8 too"):
        found(table, reference=9)
    with pytest.raises(ValueError, match="same categories of every model"):
        found(table.iloc[1:])
    with pytest.raises(ValueError, match="got 3 and 1"):
        found(table[table["category"] == "c0"], reference=3)


@pytest.mark.slow
def test_rank_correlation_of_models_in_order_is_certain():
    across = np.arange(8.0)
    same = rank_correlation(across, across**3, range(8), resamples=100)
    assert (same.gap, same.low, same.agree) == pytest.approx((1, 1, 1))
    rng = np.random.default_rng(0)
    other = rank_correlation(across, rng.permutation(across), range(8), resamples=200)
    assert other.low < 0 < other.high
    assert np.isnan(rank_correlation(across[:3], across[:3], range(3)).low)


def test_members_are_resampled_each_with_all_its_seeds():
    rng = np.random.default_rng(1)
    across, up = rng.normal(size=(2, 8))
    alone = rank_correlation(across, up, range(8))
    thrice = rank_correlation(np.repeat(across, 3), np.repeat(up, 3), sorted([*range(8)] * 3))
    assert vars(thrice) == pytest.approx(vars(alone), nan_ok=True)
    assert np.isnan(rank_correlation(across, up, ["a", "b", "c", "c"] * 2).low), "three members"


def test_what_is_the_same_for_all_foretells_nothing():
    found = rank_correlation(np.ones(5), np.arange(5.0), range(5))
    assert np.isnan([found.gap, found.low, found.high, found.agree]).all()
