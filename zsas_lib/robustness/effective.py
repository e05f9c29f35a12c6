"""Effective robustness: what is left of a drop once it is said how well a model does anyway.

Models that do better in plain view do better under a shift too, along a line that is nearly straight between logits
(Taori et al., NeurIPS 2020; Miller et al., ICML 2021). The line is fitted to a group of reference models, robustly
(Huber), and a model's effective robustness is how far it lies above the line: in the metric's own unit, so that 0.05 is
five points more than its plain view foretells. Intervals are over resampled categories: in each resample all means, the
line and the distances are made anew, so that the line's own uncertainty is part of them.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import expit, logit
from scipy.stats import spearmanr
from sklearn.linear_model import HuberRegressor

from ..evaluation.replicates import checksums
from ..evaluation.sampled import ITSELF, Difference, share_of_sign, without_dust
from ..metrics.bootstrap import resampled

SMALLEST = 5e-3
"""What a metric counts as at least, and one less this at most, before its logit is taken."""
EPSILON = 1.35
"""From how many scales on a residual counts linearly: 95 % efficient for normal ones (Huber, 1981)."""
FEWEST = 3
"""Reference models that a line is fitted to."""


def logits_of(values: Float[np.ndarray, "*model"]) -> Float[np.ndarray, "*model"]:
    """The logits of metrics in [0, 1], which are clipped to `SMALLEST` and 1 less that."""
    return logit(np.clip(values, SMALLEST, 1 - SMALLEST))


def huber_line(across: Float[np.ndarray, " model"], up: Float[np.ndarray, " model"]) -> tuple[float, float]:
    """Slope and intercept of scikit-learn's Huber regression without shrinkage; of points that all lie at one place
    across, no slope and their median."""
    return _line(tuple(across.tolist()), tuple(up.tolist()))


@lru_cache(maxsize=4096)  # the mean over factors has the points of a single one again, and so has what is drawn of it
def _line(places: tuple[float, ...], heights: tuple[float, ...]) -> tuple[float, float]:
    across, up = np.array(places), np.array(heights)
    if np.ptp(across) < 1e-9:
        return 0.0, float(np.median(up))
    middle, spread = across.mean(), across.std()  # on one scale, else its solver stops early
    fitted = HuberRegressor(epsilon=EPSILON, alpha=0.0, max_iter=1000, tol=1e-7).fit(
        ((across - middle) / spread)[:, None], up
    )
    slope = float(fitted.coef_[0] / spread)
    return slope, float(fitted.intercept_ - slope * middle)


def expected(
    across: Float[np.ndarray, " model"], up: Float[np.ndarray, " model"], reference: Sequence[int]
) -> Float[np.ndarray, " model"]:
    """What the line of the reference models foretells of each model: sigma(a logit(x) + b)."""
    places = list(reference)
    slope, intercept = huber_line(logits_of(across[places]), logits_of(up[places]))
    return expit(slope * logits_of(across) + intercept)


def effective_robustness(
    table: pd.DataFrame,
    *,
    plain: str,
    shifted: str,
    reference: Sequence[str],
    by: str = "model",
    over: str = "category",
    resamples: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """How far models lie above the line of the reference ones, as a flat table with its replicates.

    ``table`` has a row for each model (column ``by``) and category (``over``) with a metric in [0, 1] in plain view and
    under the shift; all models the same categories. One in which no model has the metric (nan), such as one without
    damaged pictures, is left out. A reference model is part of its own line. Columns: ``by``, those of
    `replicates.REPLICATE` but for the category, and the metrics ``plain``, ``shifted`` (means over categories),
    expected and effective.

    Raises ValueError for fewer than `FEWEST` reference models or two categories, and where a model lacks a category.
    """
    table = pd.DataFrame(table[table[over].isin(with_metric(table, [plain, shifted], over))])
    sides = [table.pivot(index=over, columns=by, values=column) for column in (plain, shifted)]
    names = list(dict.fromkeys(table[by]))
    values = [side[names].to_numpy(dtype=float) for side in sides]
    count = len(sides[0])
    if absent := sorted(set(reference) - set(names)):
        raise ValueError(f"Expected reference models among {', '.join(names)}, got {', '.join(absent)} too.")
    if len(set(reference)) < FEWEST or count < 2:
        raise ValueError(
            f"Expected at least {FEWEST} reference models and 2 categories, got {len(set(reference))} and {count}: no "
            "line can be fitted, or nothing resampled."
        )
    if np.isnan(values).any():
        raise ValueError("Expected the same categories of every model, got some without; leave them out of all.")
    places = [names.index(name) for name in reference]
    drawn = resampled(count, resamples, seed)
    weights = np.vstack([np.ones((1, count)), drawn]) / count
    means = [weights @ side for side in values]
    _, first, which = np.unique(weights, axis=0, return_index=True, return_inverse=True)  # few, of few categories
    lines = np.stack([expected(means[0][row], means[1][row], places) for row in first])[which.reshape(-1)]
    draws, pictures = [0, *checksums(drawn)], crc32("\n".join(map(str, sides[0].index)).encode())
    parts = []
    for number, name in enumerate(names):
        own = {by: name, "replicate": range(ITSELF, resamples), "draw": draws, "pictures": pictures, "units": count}
        own |= {"freedom": count - 1, plain: means[0][:, number], shifted: means[1][:, number]}
        own |= {"expected": lines[:, number], "effective": means[1][:, number] - lines[:, number]}
        parts.append(pd.DataFrame(own))
    return pd.concat(parts, ignore_index=True)


def with_metric(table: pd.DataFrame, metrics: Sequence[str], over: str = "category") -> list[Any]:
    """The categories in which any model has a number, in each of the metrics."""
    counts = pd.DataFrame(table.groupby(over, sort=False)[list(metrics)].count())
    return [name for name, known in zip(counts.index, counts.to_numpy().min(axis=1)) if known]


def rank_correlation(
    across: Float[np.ndarray, " model"],
    up: Float[np.ndarray, " model"],
    members: Sequence[Any],
    resamples: int = 1000,
    seed: int = 0,
) -> Difference:
    """Spearman's rank correlation over models and its percentile interval: whether one number foretells another.
    ``members`` says of each model which it is, alike for those that differ in their seed alone, as they are not
    independent: members are resampled, each with all its seeds. ``power`` is not known (nan), all but ``gap`` is nan of
    fewer than four members, and that too where one number is the same for all."""
    same = min(len(np.unique(across)), len(np.unique(up))) < 2
    gap = float("nan") if same else _spearman(across, up)
    _, own = np.unique(np.asarray(members), return_inverse=True)
    places = [np.flatnonzero(own == number) for number in range(own.max() + 1)]
    if len(places) < 4 or same:
        return Difference(gap, *[float("nan")] * 5)
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < resamples:
        drawn = np.concatenate([places[number] for number in rng.integers(len(places), size=len(places))])
        if min(len(np.unique(across[drawn])), len(np.unique(up[drawn]))) > 1:
            found.append(_spearman(across[drawn], up[drawn]))
    values = np.array(found)
    low, high = np.quantile(values, [0.025, 0.975])
    agree = share_of_sign(values, gap)
    return Difference(without_dust(gap), float(values.std(ddof=1)), float(low), float(high), agree, float("nan"))


def _spearman(across: np.ndarray, up: np.ndarray) -> float:
    found: Any = spearmanr(across, up)
    return float(found.statistic)
