import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import HuberRegressor

from zsas_lib.robustness.huber import EPSILON, huber_lines


def sets(points, lines=40, noise=0.1, seed=0):
    """Sets of points near a line, one of each far off."""
    rng = np.random.default_rng(seed)
    across = rng.normal(2, 1, (lines, points))
    up = 0.7 * across - 0.3 + rng.normal(0, noise, (lines, points))
    up[:, 1] += rng.normal(0, 5, lines)
    return across, up


def loss(across, up, slopes, intercepts):
    """Huber's (1981, section 7.8), by row, at the scale that is best for each line: that of its k nearest points."""
    away = np.sort(np.abs(up - slopes[:, None] * across - intercepts[:, None]), axis=1)
    found = 2 * EPSILON * away.sum(axis=1)  # where the scale falls to 0
    for near in range(1, away.shape[1] + 1):
        left = away.shape[1] - EPSILON**2 * (away.shape[1] - near)
        if left > 0:
            scale = np.maximum(np.sqrt((away[:, :near] ** 2).sum(axis=1) / left), 1e-300)[:, None]
            z = away / scale
            rho = np.where(z < EPSILON, z**2, 2 * EPSILON * z - EPSILON**2)
            found = np.minimum(found, (scale * (1 + rho)).sum(axis=1))
    return found


def test_a_line_is_the_minimum_of_hubers_joint_loss():
    rng = np.random.default_rng(2)
    x = rng.normal(0, 1, 12)
    y = 0.7 * x - 0.3 + rng.normal(0, 0.1, 12)
    y[3] += 5

    def joint(parameters):  # Huber (1981), section 7.8: slope, intercept and scale together
        slope, intercept, log_scale = parameters
        z = np.abs(y - slope * x - intercept) / np.exp(log_scale)
        rho = np.where(z < 1.35, z**2, 2 * 1.35 * z - 1.35**2)
        return np.sum(np.exp(log_scale) * (1 + rho))

    expected = minimize(joint, [0.5, 0.0, -1.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x
    (slope,), (intercept,) = huber_lines(x[None], y[None])
    assert (slope, intercept) == pytest.approx(expected[:2], abs=1e-6)
    assert slope == pytest.approx(0.7, abs=0.1)  # the outlier does not move it
    assert np.polyfit(x, y, 1)[1] > 0  # as it does least squares


@pytest.mark.parametrize("points", [8, 30])
def test_lines_are_those_of_scikit_learn(points):
    across, up = sets(points)
    slopes, intercepts = huber_lines(across, up)
    for x, y, slope, intercept in zip(across, up, slopes, intercepts):
        places = (x - x.mean()) / x.std()  # on another scale its solver stops early
        fitted = HuberRegressor(epsilon=EPSILON, alpha=0.0, max_iter=1000, tol=1e-7).fit(places[:, None], y)
        assert slope * x + intercept == pytest.approx(fitted.predict(places[:, None]), abs=1e-5)


@pytest.mark.parametrize("tail", [1, 100])
@pytest.mark.parametrize("points", [3, 4, 5, 6, 12])
def test_no_other_line_is_better_however_few_the_points(points, tail):
    """Of few points most may lie on a line, where the scale has no least value above 0 and scikit-learn stops early."""
    rng = np.random.default_rng(0)
    across = rng.normal(0, 1, (2000, points))
    up = 0.7 * across - 0.3 + 0.1 * rng.standard_t(tail, across.shape)
    slopes, intercepts = huber_lines(across, up)
    found = loss(across, up, slopes, intercepts)
    for size in np.logspace(-6, 0.5, 14):
        for _ in range(10):
            aside = rng.normal(0, size, (2, len(across)))
            assert (loss(across, up, slopes + aside[0], intercepts + aside[1]) > found * (1 - 1e-6)).all()


def test_sets_do_not_see_each_other():
    across, up = sets(7, 20)
    together = huber_lines(across, up)
    alone = [huber_lines(x[None], y[None]) for x, y in zip(across, up)]
    assert np.array(together) == pytest.approx(np.array(alone)[..., 0].T, abs=1e-9)


@pytest.mark.parametrize("height", [1e-6, 1.0, 1e6])
def test_one_point_off_a_line_does_not_move_it(height):
    across = np.sort(np.random.default_rng(0).normal(0, 1, (50, 7)), axis=1)
    up = height * (0.7 * across - 0.3)
    up[:, 3] += height
    slopes, intercepts = huber_lines(across, up)
    assert slopes == pytest.approx(0.7 * height, rel=1e-7) and intercepts == pytest.approx(-0.3 * height, rel=1e-7)
    up[:, 3] -= height
    assert huber_lines(across, up)[0] == pytest.approx(0.7 * height, rel=1e-12)


def test_points_at_one_place_have_a_line_without_slope():
    slopes, intercepts = huber_lines(
        np.array([[0.3] * 4, [0.0, 1.0, 2.0, 3.0]]), np.array([[0.0, 1, 1, 5], [0, 2, 4, 6]])
    )
    assert slopes == pytest.approx([0.0, 2.0]) and intercepts == pytest.approx([1.0, 0.0], abs=1e-12)
