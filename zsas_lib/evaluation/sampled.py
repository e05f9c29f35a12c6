"""What two numbers about the same pictures differ by, and how sure that is.

A difference is taken in every resample of the same pictures (of the categories, for a mean over them), which takes out
what is easy or hard about them. Its interval is that of Student's t around the difference: with few pictures the middle
of the replicates is too narrow. The standard error is that of the replicates, times sqrt(n / (n - 1)) for n pictures
(categories); of several trainings of a model that of their mean is added, and the degrees of freedom are Welch's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import expit, logit, nctdtrinc, stdtr, stdtrit

ITSELF = -1
"""The ``replicate`` that is no resample: all pictures, each once. Only in `replicates.flat` tables."""
LEVEL, POWER = 0.95, 0.8
"""Of intervals, and of what is meant by a difference that could have been seen."""
DUST = 1e-12
"""Of numbers of at most about 1, what rounding alone can make of 0; of larger ones that share of them."""
SIZES = ("gap", "se", "low", "high", "power")
"""The fields of a `Difference` that have the number's unit; ``agree`` is a share."""
SURE = ("low", "high", "agree", "power")
"""The fields that say how sure it is."""


@dataclass(frozen=True)
class Difference:
    """A difference ``gap`` and its standard error; its 95 % interval, ``low`` to ``high``; the share of replicates with
    its sign, ``agree``, nan for 0, which has none; and ``power``, the smallest true difference that such an interval
    leaves out 0 for in 80 % of all cases: what these pictures could have shown. What is less than `DUST` is 0."""

    gap: float
    se: float
    low: float
    high: float
    agree: float
    power: float


@dataclass(frozen=True)
class Sampled:
    """A number and its replicates: ``values`` has the number itself first.

    ``runs`` has how far each of several runs, such as trainings, is from their mean, by their number. ``draws`` are the
    checksums of the resamples; ``pictures``, ``units`` and ``freedom`` as in `replicates.REPLICATE`.
    """

    values: Float[np.ndarray, " replicate"]
    runs: Mapping[int, Float[np.ndarray, " run"]]
    draws: tuple[int, ...]
    pictures: int
    units: int
    freedom: int

    @classmethod
    def of(cls, rows: pd.DataFrame, metric: str) -> "Sampled":
        """A metric of one row of a table: ``rows`` are that row's of its `flat` table, with a column ``run`` where
        there are several runs. Raises ValueError for rows of several, and for runs of other pictures or resamples."""
        numbers = rows["run"].to_numpy() if "run" in rows else np.zeros(len(rows), dtype=int)
        replicate, draw, pictures = (rows[name].to_numpy(np.int64) for name in ("replicate", "draw", "pictures"))
        itself, found = replicate == ITSELF, rows[metric].to_numpy(dtype=float)
        runs = [numbers == number for number in np.unique(numbers)]
        if any(itself[own].sum() != 1 for own in runs):
            raise ValueError("Expected a number and its replicates, got those of several rows or of none.")
        draws = [tuple(draw[own & ~itself].tolist()) for own in runs]
        seen = [int(pictures[own][-1]) for own in runs]
        if len({*draws}) > 1 or len({*seen}) > 1:
            raise ValueError("Expected runs on the same pictures with the same resamples, got others.")
        values = np.stack([found[own] for own in runs])
        mean = values.mean(axis=0)
        units, freedom = (int(rows[name].iat[-1]) for name in ("units", "freedom"))  # of a replicate, if there are any
        apart = {len(runs): values[:, 0] - mean[0]} if len(runs) > 1 else {}
        return cls(mean, apart, draws[0], seen[0], units, freedom)

    def __sub__(self, other: "Sampled | float") -> "Sampled":
        """The difference in every resample; that of runs, where there are as many of both. Raises ValueError for
        replicates of other pictures or resamples."""
        if not isinstance(other, Sampled):
            return replace(self, values=self.values - other)
        if not self.same_pictures(other):
            raise ValueError(
                f"Expected replicates of the same pictures, got those of {self.units} and {other.units} others (of a "
                "mean: categories), so their difference is not paired; evaluate both on one data set."
            )
        if self.draws != other.draws:
            raise ValueError(
                f"Expected the same resamples of both, got {len(self.draws)} and {len(other.draws)} that are not the "
                "same; evaluate both with one seed and number of resamples."
            )
        runs = {number: self.runs.get(number, 0) - other.runs.get(number, 0) for number in {*self.runs, *other.runs}}
        return replace(self, values=self.values - other.values, runs=runs)

    def same_pictures(self, other: "Sampled") -> bool:
        """Whether both are of the same pictures, so that their difference is paired."""
        return (self.pictures, self.units) == (other.pictures, other.units)

    def __mul__(self, factor: float) -> "Sampled":
        return replace(self, values=factor * self.values, runs={n: factor * own for n, own in self.runs.items()})

    def difference_or_nan(self) -> Difference:
        """`difference`; nan but for ``gap`` where there are fewer than two pictures or categories."""
        return self.difference() if self.units > 1 else Difference(float(self.values[0]), *[float("nan")] * 5)

    def difference(self) -> Difference:
        """How far from 0 the number is; nan but for ``gap`` where it has no replicates that are numbers, and of a
        single damaged picture or a single sound one (``freedom`` 0). Raises ValueError for a number of fewer than two
        pictures, or of categories for a mean."""
        if self.units < 2:
            raise ValueError(
                "Expected at least two pictures, or two categories for a mean over them, got fewer: one alone has no "
                "interval."
            )
        gap, replicates = float(self.values[0]), self.values[1:][np.isfinite(self.values[1:])]
        if len(replicates) < 2 or self.freedom < 1 or not np.isfinite(gap):
            return Difference(gap, *[float("nan")] * 5)
        scale = float(np.abs(self.values[np.isfinite(self.values)]).max())
        parts = [(float(np.var(replicates, ddof=1)) * self.units / (self.units - 1), self.freedom)]
        for number, own in self.runs.items():
            parts.append((float(np.var(own, ddof=1)) / number, number - 1))
            drawn = np.random.default_rng(number).integers(number, size=(len(replicates), number))
            replicates = replicates + np.sqrt(number / (number - 1)) * own[drawn].mean(axis=1)
        return difference_of(gap, parts, share_of_sign(replicates, gap, scale), scale=scale)


def in_points(fields: Mapping[str, float] | pd.Series) -> dict[str, float]:
    """The fields of a `Difference` of fractions in points; agree stays a fraction."""
    known = dict(fields.items())
    return {name: 100 * float(known[name]) for name in SIZES} | {"agree": float(known["agree"])}


def agreeing(agree: float) -> str:
    """The share of resamples that agree in sign, a fraction: ", 93 % of resamples agree in sign"; "" for nan, of a
    difference without a sign."""
    return "" if np.isnan(agree) else f", {100 * agree:.0f} % of resamples agree in sign"


def unpaired(one: Sampled, other: Sampled) -> Difference:
    """What two numbers about different pictures differ by, each with its own chance. ``agree`` is that of Student's t.
    Raises ValueError as `Sampled.difference`."""
    own = [side.difference() for side in (one, other)]
    gap = own[0].gap - own[1].gap
    parts = [(part.se**2, side.freedom) for part, side in zip(own, (one, other))]
    return difference_of(gap, parts)


def without_dust(number: float, scale: float = 1.0) -> float:
    """The number; 0 where it is no more than rounding makes of numbers as large as ``scale`` (see `DUST`)."""
    return 0.0 if abs(number) < DUST * max(1.0, abs(scale)) else number


def share_of_sign(replicates: Float[np.ndarray, " replicate"], number: float, scale: float = 1.0) -> float:
    """Which share of the replicates has the number's sign; nan for 0, which has none."""
    if not without_dust(number, scale):
        return float("nan")
    known = np.abs(replicates) >= DUST * max(1.0, abs(scale))
    return float(np.mean(known & (np.sign(replicates) == np.sign(number))))


def difference_of(
    gap: float, parts: Sequence[tuple[float, int]], agree: float | None = None, scale: float = 1.0
) -> Difference:
    """Of a difference and its independent variances, each with its degrees of freedom. Without ``agree`` that is the
    chance of Student's t. ``scale`` is the size of the numbers that it is made of."""
    gap, variance = without_dust(gap, scale), sum(own for own, _ in parts)
    if not without_dust(float(np.sqrt(variance)), scale):
        return Difference(gap, 0.0, gap, gap, 1.0 if gap else float("nan"), 0.0)
    freedom = variance**2 / sum(own**2 / degrees for own, degrees in parts)
    se = float(np.sqrt(variance))
    reach = float(stdtrit(freedom, (1 + LEVEL) / 2))  # what `scipy.stats.t` asks
    shown = float(nctdtrinc(freedom, 1 - POWER, reach))  # of a Student's t that is about this, `POWER` is above reach
    if not gap:
        agree = float("nan")
    elif agree is None:
        agree = float(stdtr(freedom, abs(gap) / se))
    return Difference(gap, se, gap - reach * se, gap + reach * se, agree, shown * se)


def of_resamples(values: np.ndarray, units: int, *, by_sign: bool = False) -> Difference:
    """Of a number and of what resamples of its ``units`` units make of it, ``values[0]`` and the rest. Those that are
    not finite take no part; there is no interval (nan) where the number is not, or fewer than two of them are left.
    ``by_sign``: agree is the share of them that has the number's sign, else as in `difference_of`."""
    number, known = float(values[0]), values[1:][np.isfinite(values[1:])]
    if not np.isfinite(number) or len(known) < 2:
        return Difference(number, *[float("nan")] * 5)
    scale = float(np.abs([number, *known]).max())
    agree = share_of_sign(known, number, scale) if by_sign else None
    return difference_of(number, [(float(np.var(known, ddof=1)) * units / (units - 1), units - 1)], agree, scale)


def interval_of_share(values: Float[np.ndarray, " replicate"], units: int, smallest: float) -> tuple[float, float]:
    """The ends of the 95 % interval of a number in [0, 1] and of what resamples of its ``units`` units make of it,
    ``values[0]`` and the rest, that of `of_resamples` between logits, so that it stays in [0, 1]; nan where there is
    none, as for a single unit. Before its logit is taken a number counts as at least ``smallest``, and as one less
    that at most."""
    if units < 2:
        return float("nan"), float("nan")
    found = of_resamples(logit(np.clip(values, smallest, 1 - smallest)), units)
    low, high = (float(expit(end)) for end in (found.low, found.high))
    return min(low, float(values[0])), max(high, float(values[0]))


def keys_of(flat: pd.DataFrame) -> list[str]:
    """The columns that tell rows apart in a `replicates.flat` table, or in several put together: those before
    ``replicate``."""
    return list(flat.columns[: list(flat.columns).index("replicate")])
