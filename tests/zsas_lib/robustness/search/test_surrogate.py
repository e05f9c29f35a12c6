"""The surrogate of the gradient-free search, and that search on functions whose minima are known."""

import math
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from threadpoolctl import threadpool_info, threadpool_limits

from zsas_lib.perturbations import RANGES
from zsas_lib.robustness.search import grid, uniform
from zsas_lib.robustness.search.amounts import box, columns
from zsas_lib.robustness.search.objective import Objective, Outcome
from zsas_lib.robustness.search.surrogate import APART, CAUTION, Surrogate
from zsas_lib.robustness.search.worst_case import COMBINATIONS


class Known(Objective):
    """An objective of one image per function of the shares of the box; what the search needs of `Objective`."""

    def __init__(self, over, *functions):
        self.over, self.images, self.functions = tuple(over), torch.zeros(len(functions), 3, 1, 1), functions

    def outcome(self, index, amounts):
        low, high = box(self.over)
        shares = ((amounts - low) / (high - low)).numpy().astype(float)
        found = torch.tensor([self.functions[i](share) for i, share in zip(index.tolist(), shares)])
        return Outcome(torch.where(found.isnan(), torch.nan, -found), found, torch.zeros(len(index), 1, 1), found)


def searched(method, objective, steps, seeds=None, known=None):
    seeds = seeds or [0] * len(objective.functions)
    return method.search(
        objective, steps=steps, restarts=1, seeds=seeds, goal="worst", select="pixel_auroc", batch_size=16, known=known
    )


@cache
def wave(over, seed):
    """A smooth random function on the box, in which the hue is a circle, and its minimum over many points."""
    rng = np.random.default_rng(seed)
    circular = [name == "hue" for name in over]
    columns = [2 if circle else 1 for circle in circular]
    weights = rng.normal(size=(40, sum(columns))) / rng.uniform(0.3, 1.0, size=sum(columns))
    phases, heights = rng.uniform(0, 2 * math.pi, 40), rng.normal(size=40) / 40**0.5

    def features(shares):
        parts = [
            np.stack([np.cos(2 * math.pi * part), np.sin(2 * math.pi * part)], -1) / math.pi
            if circle
            else (2 * part - 1)[..., None]
            for part, circle in zip(np.moveaxis(np.asarray(shares), -1, 0), circular)
        ]
        return np.concatenate(parts, -1)

    def value(shares):
        return float(np.cos(features(shares) @ weights.T + phases) @ heights)

    dense = np.cos(features(rng.random((20_000, len(over)))) @ weights.T + phases) @ heights
    return value, dense.min()


@pytest.mark.parametrize("repeating", [False, True])
def test_choices_are_those_of_an_independent_gaussian_process(repeating):
    """At the lengths and noise that were fitted, scikit-learn's process gives the same means and deviations."""
    rng = np.random.default_rng(0)
    over = ("rotation", "saturation")
    shares, candidates = rng.random((30, 2)), rng.random((200, 2))
    values = np.sin(7 * shares[:, 0]) + shares[:, 1] ** 2
    surrogate = Surrogate(over, repeating=repeating)
    surrogate.fit(shares, values)

    given = np.exp(surrogate._given)
    _, mean, variance = surrogate._state
    lengths, noise = given[[0, 1, 2, 2] if repeating else [0, 1]], variance * (given[-1] + 1e-8)
    kernel = ConstantKernel(variance) * Matern(lengths, nu=2.5) + WhiteKernel(noise)
    reference = GaussianProcessRegressor(kernel, alpha=0, optimizer=None)
    standard = (values - values.mean()) / values.std()

    def placed(points):
        """In a box 2 wide, and on a circle 2 around, through which an angle goes once in a quarter of a turn."""
        around = 2 * math.pi * 2 * points[:, 0]
        circle = [np.cos(around) / math.pi, np.sin(around) / math.pi]
        return np.column_stack([2 * points, *circle] if repeating else [2 * points])

    reference.fit(placed(shares), standard - mean)
    expected, covariance = reference.predict(placed(candidates), return_cov=True)
    deviation = np.sqrt(np.diag(covariance) - noise)
    smoothed = values.mean() + values.std() * (mean + expected)
    assert surrogate.expected(candidates) == pytest.approx(smoothed, abs=1e-6)
    for turn, caution in enumerate(CAUTION):
        (chosen,) = surrogate.choose(candidates, 1, turn)
        merit = expected - caution * deviation
        assert merit[chosen] == pytest.approx(merit.min(), abs=1e-6)


def test_a_trend_counts_beside_what_was_fitted():
    """In the units of the values: one that outweighs their differences decides alone."""
    shares = np.linspace(0.1, 0.9, 8)[:, None]
    candidates = np.linspace(0.05, 0.95, 7)[:, None]
    surrogate = Surrogate(("saturation",))
    surrogate.fit(shares, 100 + 0.01 * shares[:, 0])
    for lowest in range(len(candidates)):
        trend = np.where(np.arange(len(candidates)) == lowest, -0.5, 0.5)
        assert surrogate.choose(candidates, 1, trend=trend)[0] == lowest


def test_a_second_choice_knows_of_the_first():
    """Chosen together, points are as if the first had been measured and given just what was expected of it."""
    rng = np.random.default_rng(1)
    shares, candidates = rng.random((12, 2)), rng.random((100, 2))
    surrogate = Surrogate(("rotation", "saturation"))
    surrogate.fit(shares, shares.sum(1))
    chosen = surrogate.choose(candidates, 8, turn=3)
    assert len(set(chosen)) == 8
    gaps = np.linalg.norm(candidates[chosen][:, None] - candidates[chosen], axis=-1)[np.triu_indices(8, 1)]
    greedy = Surrogate(("rotation", "saturation"))
    greedy.fit(shares, shares.sum(1))
    apart = [greedy.choose(candidates, 1, turn=3 + number)[0] for number in range(8)]
    alone = np.linalg.norm(candidates[apart][:, None] - candidates[apart], axis=-1)[np.triu_indices(8, 1)]
    assert gaps.mean() > alone.mean()


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("points, speed", [(15, 9), (60, 1)])
def test_each_choice_is_that_of_an_independent_process_which_measured_the_earlier_ones(points, speed):
    """Half of the candidates are chosen, so that what choices say of each other counts: where little is known of a
    function of short lengths, and where much is known of one of long lengths under noise."""
    rng = np.random.default_rng(2)
    shares, candidates = rng.random((points, 2)), rng.random((60, 2))
    values = np.sin(speed * shares[:, 0]) + np.cos(speed * shares[:, 1]) + 0.3 * rng.normal(size=points)
    surrogate = Surrogate(("rotation", "saturation"))
    surrogate.fit(shares, values)
    given = np.exp(surrogate._given)
    _, mean, variance = surrogate._state
    noise = variance * (given[-1] + 1e-8)
    kernel = ConstantKernel(variance) * Matern(given[:2], nu=2.5) + WhiteKernel(noise)
    known, told = shares, (values - values.mean()) / values.std() - mean
    chosen = surrogate.choose(candidates, 30, turn=2)
    assert len(set(chosen)) == 30
    for number, own in enumerate(chosen):
        reference = GaussianProcessRegressor(kernel, alpha=0, optimizer=None).fit(2 * known, told)
        expected, deviation = reference.predict(2 * candidates, return_std=True)
        merit = expected - CAUTION[(2 + number) % len(CAUTION)] * np.sqrt(deviation**2 - noise)
        merit[chosen[:number]] = np.inf
        assert merit[own] == pytest.approx(merit.min(), abs=1e-6)
        known, told = np.concatenate([known, candidates[[own]]]), np.append(told, expected[own])


def test_lengths_follow_how_fast_the_number_changes():
    shares = np.random.default_rng(0).random((80, 2))
    surrogate = Surrogate(("rotation", "saturation"))
    for _ in range(3):
        surrogate.fit(shares, np.sin(30 * shares[:, 0]) + 0.5 * shares[:, 1])
    fast, slow = surrogate.lengths
    assert fast < slow / 4


def test_the_hue_is_a_circle():
    shares = np.array([[0.02], [0.3], [0.5], [0.7]])
    surrogate = Surrogate(("hue",))
    surrogate.fit(shares, np.array([0.0, 1.0, 1.0, 1.0]))
    (chosen,) = surrogate.choose(np.array([[0.15], [0.98], [0.85]]), 1, turn=CAUTION.index(0.0))
    assert chosen == 1


def test_an_angle_is_expected_to_do_what_it_did_a_quarter_of_a_turn_before():
    """A valley seen between -90 and 0 degrees, and none of what lies around that a quarter of a turn later."""
    known = np.concatenate([np.linspace(0.02, 0.48, 24), [0.55, 0.95]])
    surrogate = Surrogate(("rotation",), repeating=True)
    surrogate.fit(known[:, None], 1 - np.exp(-(((known % 0.5 - 0.2) / 0.03) ** 2)))
    candidates = np.linspace(0.6, 0.9, 31)[:, None]
    assert candidates[surrogate.expected(candidates).argmin(), 0] == pytest.approx(0.7, abs=0.021)
    assert surrogate.expected(np.array([[0.7]])) < 0.5 < surrogate.expected(np.array([[0.85]]))
    assert surrogate.lengths < 0.1, "of the box, not of a quarter of a turn"


def test_an_angle_that_does_not_repeat_itself_is_learnt_not_to():
    """One fall over half a turn, of which a quarter of a turn later is another part."""
    known = np.linspace(0, 1, 30)[:, None]
    surrogate = Surrogate(("rotation",), repeating=True)
    surrogate.fit(known, (known[:, 0] - 0.8) ** 2)
    between = np.linspace(0.05, 0.95, 50)[:, None]
    assert surrogate.expected(between) == pytest.approx((between[:, 0] - 0.8) ** 2, abs=0.02)


def test_what_is_known_is_not_measured_again():
    shares = np.linspace(0, 1, 9)[:, None]
    surrogate = Surrogate(("saturation",))
    surrogate.fit(shares, (shares[:, 0] - 0.5) ** 2)
    candidates = np.concatenate([shares + APART / 3, [[0.45]]])
    assert surrogate.choose(candidates, 1)[0] == 9


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("over", COMBINATIONS, ids="+".join)
def test_the_search_finds_the_bottom_of_a_bowl(over):
    bottom = np.linspace(0.2, 0.9, len(over))
    circular = np.array([name == "hue" for name in over])

    def bowl(share):
        away = np.abs(share - bottom)
        return float((np.where(circular, np.minimum(away, 1 - away), away) ** 2).sum())

    points = searched(grid, Known(over, bowl), 40)
    best = points.loc[points.pixel_auroc.idxmin(), columns(over)].to_numpy(float)
    low, high = (end.numpy() for end in box(over))
    assert np.abs((best - low) / (high - low) - bottom).max() < 0.03


@pytest.mark.slow
@pytest.mark.parametrize(("steps", "share"), [(5, 0.8), (15, 0.2), (50, 0.05)])
def test_the_search_beats_random_points_on_the_whole(steps, share):
    """Mean distance to the minimum on 21 functions over all combinations: smaller than that of random points, of which
    there are five sets for each."""
    mine, theirs = [], []
    for place, over in enumerate(COMBINATIONS):
        functions, minima = zip(*(wave(over, place + 7 * turn) for turn in range(3)))
        found = searched(grid, Known(over, *functions), steps).groupby("image").pixel_auroc.min()
        mine += list(found - np.array(minima))
        sets = Known(over, *(function for function in functions for _ in range(5)))
        chance = searched(uniform, sets, steps, seeds=[*range(5)] * 3).groupby("image").pixel_auroc.min()
        theirs += list(chance.to_numpy().reshape(3, 5).mean(1) - minima)
    assert np.mean(mine) < share * np.mean(theirs)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("steps", [1, 2, 3, 5, 6, 7, 20])
def test_any_number_of_points_is_what_is_tried_and_each_once(steps):
    over = tuple(RANGES)
    points = searched(grid, Known(over, wave(over, 0)[0], wave(over, 1)[0]), steps)
    assert points.groupby("image").size().tolist() == [steps, steps]
    assert points.groupby("image").passes.max().tolist() == [steps, steps]
    names = columns(tuple(RANGES))
    assert not points.duplicated(["image", *names]).any()
    assert (points.groupby("image").first()[names].abs() < 1e-6).all().all()


@pytest.mark.slow
def test_images_are_searched_apart():
    over = ("rotation", "hue")
    one, other = wave(over, 3)[0], wave(over, 4)[0]
    together = searched(grid, Known(over, one, other), 24)
    alone = searched(grid, Known(over, other), 24)
    names = [*columns(tuple(RANGES)), "pixel_auroc"]
    mine = together[together.image == 1].sort_values("passes")[names]
    np.testing.assert_allclose(mine, alone.sort_values("passes")[names], atol=1e-5)


@pytest.mark.slow
def test_known_points_save_the_search_from_starting_anew():
    """A search that is told where the narrow minimum lies goes on from there; without that it misses it."""
    over = ("rotation", "saturation")

    def pit(share):
        return 1 - math.exp(-(((share[0] - 0.83) / 0.02) ** 2) - ((share[1] - 0.1) / 0.02) ** 2)

    low, high = (end.numpy() for end in box(over))
    degrees, saturation = low + (high - low) * np.array([0.84, 0.11])
    told = pd.DataFrame({"image": [0], "degrees": degrees, "hue": 0.0, "saturation": saturation})
    told = told.assign(loss=-pit((0.84, 0.11)), pixel_auroc=pit((0.84, 0.11)))
    objective = Known(over, pit)
    assert (
        searched(grid, objective, 24, known=told).pixel_auroc.min()
        < 0.35
        < searched(grid, objective, 24).pixel_auroc.min()
    )


@pytest.mark.slow
def test_points_without_a_finite_map_and_flat_functions_stop_nothing():
    over = ("rotation", "saturation")

    def holed(share):
        return math.nan if share[0] > 0.5 else float(share[1])

    points = searched(grid, Known(over, holed, lambda share: 0.5, lambda share: math.nan), 20)
    assert points.groupby("image").size().tolist() == [20, 20, 20]
    assert points[points.image == 0].pixel_auroc.min() < 0.05


def test_long_histories_are_thinned_but_keep_the_best():
    over = ("hue",)
    amounts = np.linspace(-3, 3, 1000)
    history = pd.DataFrame(
        {"image": 0, "degrees": 0.0, "hue": amounts, "saturation": 0.0, "loss": 0.0, "pixel_auroc": (amounts - 1) ** 2}
    )
    shares, values = grid.informative(history, over, "worst", "pixel_auroc")
    assert len(shares) == len(values) == grid.KNOWN
    assert values.min() == history.pixel_auroc.min() and values.max() == history.pixel_auroc.max()
    gaps = np.diff(np.sort(shares[:, 0]))
    assert gaps.max() < 0.05


@pytest.mark.slow
def test_surrogates_stay_on_one_thread_and_leave_the_others_as_they_were(monkeypatch):
    """Their matrices are small: with more threads, these wait for each other."""

    def threads():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    seen, fit = [], Surrogate.fit
    monkeypatch.setattr(Surrogate, "fit", lambda *given: seen.append(threads()) or fit(*given))
    with threadpool_limits(2, user_api="blas"):
        searched(grid, Known(("hue",), lambda share: float(share[0])), 5)
        assert seen == [{1}] * len(seen) != [] and threads() == {2}
