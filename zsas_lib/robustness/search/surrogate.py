"""A cheap stand-in for what a search measures: a Gaussian process through the points tried on one image."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.linalg import solve_triangular

from ...perturbations import PERTURBATIONS

CAUTION = (0.0, 1.0, 2.0, 4.0)
"""Points are chosen in turn where the mean minus so many standard deviations is lowest: from greedy to curious."""
APART = 1e-3
"""Points closer than this share of the box in every perturbation count as the same."""
STEP = 0.7  # of a logarithm, by which lengths and noise are tried larger and smaller
USUAL = (0.5, 1e-3)  # length in half boxes, and share of noise in the variance, from which a fit starts and is not far
REPEATING = (2.0, 0.2)
"""The usual lengths of what repeats itself: from one turn to the next, and around one, of which half is 1."""
LIMITS = ((0.01, 5.0), (1e-6, 5.0))
WIDTHS = (1.0, 2.0)  # how far from the usual they may be expected, in logarithms
SMALLEST = 1e-8


class Surrogate:
    """A Gaussian process with Matérn 5/2 covariance over shares of the box of ``over``; what wraps, as the hue, is a
    circle; and if ``repeating``, what repeats itself, as an angle after a quarter of a turn, a circle and a line: a
    spiral, which takes more points than a line to be told from one.

    Lengths and noise are the most probable given the points. Later fits start from earlier ones.
    """

    def __init__(self, over: Sequence[str], *, repeating: bool = False):
        records = [PERTURBATIONS[name] for name in over]
        turns = [(own.high - own.low) / own.repeats if repeating and own.repeats else 0 for own in records]
        self._turning = [place for place, often in enumerate(turns) if often]
        # How often each coordinate goes around while its perturbation goes through the box: 0 along a line.
        self._turns = np.array([float(record.wraps) for record in records] + [turns[own] for own in self._turning])
        kinds = np.array([0] * len(self._turns) + [1])  # a length for each coordinate, then the noise
        self._usual, self._limits, self._widths = (np.array(values)[kinds] for values in (USUAL, LIMITS, WIDTHS))
        around = len(over) + np.arange(len(self._turning))
        self._usual[self._turning], self._usual[around] = REPEATING
        self._given = np.log(self._usual)

    @property
    def lengths(self) -> Float[np.ndarray, " over"]:
        """Over which share of the box the number stays much the same, for each perturbation."""
        along = np.exp(self._given[:-1]) / 2
        lengths = along[: len(along) - len(self._turning)]
        around = along[len(lengths) :] / self._turns[len(lengths) :]
        lengths[self._turning] = np.minimum(lengths[self._turning], around)
        return lengths

    def fit(self, shares: Float[np.ndarray, "point over"], values: Float[np.ndarray, " point"]) -> None:
        """Take these points, at least one, for what is known; ``values`` are finite."""
        self._shares = shares
        self._middle, self._unit = values.mean(), values.std() or 1.0
        self._values = (values - self._middle) / self._unit
        gaps = self._gaps(shares, shares)
        best, self._state = self._improbability(self._given, gaps)
        for place in range(len(self._given)):
            for step in (STEP, -STEP):
                while True:
                    other = self._given.copy()
                    other[place] = np.clip(other[place] + step, *np.log(self._limits[place]))
                    found, state = self._improbability(other, gaps)
                    if not found < best - 1e-6:
                        break
                    best, self._state, self._given = found, state, other

    def choose(
        self,
        candidates: Float[np.ndarray, "candidate over"],
        count: int,
        turn: int = 0,
        trend: Float[np.ndarray, " candidate"] | None = None,
    ) -> Int[np.ndarray, " {count}"]:
        """Which of the candidates to measure next, all at once. ``turn`` is how many were chosen before, for `CAUTION`.

        After each choice the uncertainty is what it would be with that point measured. A point that is known already
        is chosen only where there is nothing else. ``trend`` is what candidates have beside that which was fitted, in
        the units of its values.
        """
        factor, mean, variance = self._state
        covariance = self._covariance(self._given, self._gaps(candidates, self._shares))
        solved = solve_triangular(factor, covariance.T, lower=True)
        residual = solve_triangular(factor, self._values - mean, lower=True)
        expected = mean + solved.T @ residual
        if trend is not None:
            expected = expected + trend / self._unit
        left = variance * (1 - (solved**2).sum(0))  # of the variance, once the chosen ones are measured
        noise = variance * np.exp(self._given[-1]) + SMALLEST
        same = self._close(candidates, self._shares).any(1)
        chosen, told = [], np.empty((0, len(candidates)))  # by each chosen one of every candidate, in deviations
        for number in range(count):
            merit = expected - CAUTION[(turn + number) % len(CAUTION)] * np.sqrt(np.maximum(left, 0))
            pick = int(np.where(same, np.inf, merit).argmin())
            chosen.append(pick)
            own = candidates[pick : pick + 1]
            shared = self._covariance(self._given, self._gaps(candidates, own))[:, 0] - solved[:, pick] @ solved
            shared = variance * shared - told[:, pick] @ told
            told = np.concatenate([told, shared[None] / np.sqrt(shared[pick] + noise)])
            left = left - told[-1] ** 2
            same |= self._close(candidates, own)[:, 0]
        return np.array(chosen)

    def expected(self, candidates: Float[np.ndarray, "candidate over"]) -> Float[np.ndarray, " candidate"]:
        """What was fitted, smoothed, at other points, in its own units."""
        factor, mean, _ = self._state
        covariance = self._covariance(self._given, self._gaps(candidates, self._shares))
        weights = solve_triangular(factor, self._values - mean, lower=True)
        return self._middle + self._unit * (mean + solve_triangular(factor, covariance.T, lower=True).T @ weights)

    def distances(self, a: Float[np.ndarray, "a over"], b: Float[np.ndarray, "b over"]) -> Float[np.ndarray, "a b"]:
        """How far apart points are, in shares of the box."""
        return np.sqrt(self._gaps(a, b)[: a.shape[1]].sum(0)) / 2

    def _improbability(self, given: Float[np.ndarray, " parameter"], gaps: Float[np.ndarray, "coordinate point point"]):
        """Minus the logarithm of the likelihood, with the best mean and variance, and of the prior; and the fit."""
        count = len(self._values)
        covariance = self._covariance(given, gaps)
        covariance[np.diag_indices(count)] += np.exp(given[-1]) + SMALLEST
        factor = np.linalg.cholesky(covariance)
        values, ones = solve_triangular(factor, np.stack([self._values, np.ones(count)], 1), lower=True).T
        mean = values @ ones / (ones @ ones)
        residual = values - mean * ones
        variance = (residual @ residual + SMALLEST) / count
        likelihood = count / 2 * np.log(variance) + np.log(np.diag(factor)).sum()
        prior = 0.5 * (((given - np.log(self._usual)) / self._widths) ** 2).sum()
        return likelihood + prior, (factor, mean, variance)

    def _covariance(
        self, given: Float[np.ndarray, " parameter"], gaps: Float[np.ndarray, "coordinate a b"]
    ) -> Float[np.ndarray, "a b"]:
        distance = np.sqrt(5 * np.tensordot(np.exp(-2 * given[:-1]), gaps, 1))
        return (1 + distance + distance**2 / 3) * np.exp(-distance)

    def _gaps(
        self, a: Float[np.ndarray, "a over"], b: Float[np.ndarray, "b over"]
    ) -> Float[np.ndarray, "coordinate a b"]:
        """Squared distances along each coordinate, perturbations first, the box being 2 wide and a circle 2 around."""
        places = [np.concatenate([own, own[:, self._turning]], 1).T for own in (a, b)]
        gaps = 2 * (places[0][:, :, None] - places[1][:, None])
        for coordinate in np.flatnonzero(self._turns):  # sin(x - y) of products, for it is asked of every pair
            x, y = (np.pi * self._turns[coordinate] * own[coordinate] for own in places)
            np.outer(np.sin(x), np.cos(y), out=gaps[coordinate])
            gaps[coordinate] -= np.outer(np.cos(x), np.sin(y))
            gaps[coordinate] *= 2 / np.pi
        return gaps**2

    def _close(self, a: Float[np.ndarray, "a over"], b: Float[np.ndarray, "b over"]) -> Bool[np.ndarray, "a b"]:
        return np.asarray((self._gaps(a, b)[: a.shape[1]] < (2 * APART) ** 2).all(0))
