"""Metrics of resampled pictures beside a table of results, and what two tables of the same pictures differ by.

The pictures of each category are resampled apart, so a mean is one over these categories and no others. All models meet
the same resamples: whatever is easy or hard about a picture is taken out of a difference.
"""

from collections.abc import Mapping, Sequence
from typing import cast
from zlib import crc32

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from torch import Tensor

from ..metrics.bootstrap import Counts, resampled
from ..metrics.replicates import image_replicates, pixel_replicates
from .tables import MEAN, ResultTable, over_runs

REPLICATE = ["category", "replicate", "draw"]
"""Columns that say which resample a row is of; ``draw`` is a checksum of how often it has which picture."""
LOW, HIGH = 0.025, 0.975


def category_replicates(
    row: Mapping[str, object],
    counts: Counts,
    scores: Float[Tensor, " image"],
    labels: Bool[Tensor, " image"],
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """The metrics of one category's resampled pictures, a row each, beside the columns of `REPLICATE`.

    ``row`` has the category and its metrics. Replicates are shifted by what counting in bins moves those
    (`metrics.replicates`). The samples are those that standard errors are made of; in which order they stand depends on
    the category, so that categories of as many pictures are no copies of each other.
    """
    category, images = str(row["category"]), len(scores)
    drawn = resampled(images, resamples, seed)
    drawn = drawn[np.random.default_rng([seed, crc32(category.encode())]).permutation(resamples)]
    everything = np.vstack([np.ones((1, images), dtype=drawn.dtype), drawn])
    found = pd.DataFrame(pixel_replicates(counts, everything) | image_replicates(scores, labels, everything))
    exact = pd.Series({name: row[name] for name in found}, dtype=float)
    shifted = (found + (exact - found.iloc[0])).iloc[1:].reset_index(drop=True)
    draws = [crc32(sample.astype("<i8").tobytes()) for sample in drawn]
    return pd.concat(
        [pd.DataFrame({"category": category, "replicate": range(resamples), "draw": draws}), shifted], axis=1
    )


def paired(one: Sequence[ResultTable], other: Sequence[ResultTable], *, seed: int = 0) -> pd.DataFrame:
    """By how much the metrics of one model are higher than another's on the same pictures, a row for each category, and
    for their mean, and each metric.

    Each model has a table of `evaluate` for each of its runs, such as trainings. Columns: category, metric, gap, se
    (the standard deviation of its replicates), low and high (their middle 95 %), agree (the share of replicates with
    the sign of the gap), as fractions. A model's runs are averaged; of several, each replicate averages as many, drawn
    with replacement from ``seed``.

    Raises ValueError for tables of different pictures, pictures in another order, other seeds or numbers of resamples,
    and for a category with fewer than two pictures, which has no interval.
    """
    everything = [*one, *other]
    for table in everything:
        _refuse_others(everything[0], table)
    exact = pd.DataFrame(over_runs(one)) - pd.DataFrame(over_runs(other))
    replicates = _with_means(_over_runs(one, seed) - _over_runs(other, seed + 1))
    rows = []
    for category in exact.index:
        for metric in replicates:
            gap, values = exact.loc[category, metric], replicates.loc[category, metric].dropna()
            rows.append({"category": category, "metric": metric, "gap": gap} | _spread_of(values, gap))
    return pd.DataFrame(rows)


def _spread_of(values: pd.Series, gap: float) -> dict[str, float]:
    if len(values) < 2:
        return dict.fromkeys(("se", "low", "high", "agree"), float("nan"))
    low, high = np.quantile(values, [LOW, HIGH])
    agree = np.mean(np.sign(values) == np.sign(gap))
    return {"se": float(np.std(values, ddof=1)), "low": float(low), "high": float(high), "agree": float(agree)}


def _over_runs(tables: Sequence[ResultTable], seed: int) -> pd.DataFrame:
    """The replicates of runs, averaged; the rows are categories and replicates."""
    runs = np.stack([table.replicates.drop(columns=REPLICATE).to_numpy() for table in tables])
    first = tables[0].replicates
    if len(tables) > 1:
        chosen = np.random.default_rng(seed).integers(len(tables), size=(len(tables), len(first)))
        chosen = chosen[:, first["replicate"]]  # a replicate has the same runs in every category
        runs = runs[chosen, np.arange(len(first))]
    index = pd.MultiIndex.from_frame(first[REPLICATE[:2]])
    return pd.DataFrame(runs.mean(0), index=index, columns=first.columns.drop(REPLICATE))


def _with_means(replicates: pd.DataFrame) -> pd.DataFrame:
    """Replicates with those of the mean over categories, which has no more than the fewest."""
    means = cast(pd.DataFrame, replicates.groupby(level="replicate").mean())  # of a table
    return pd.concat([replicates, pd.concat({MEAN: means}, names=replicates.index.names)])


def _refuse_others(first: ResultTable, table: ResultTable) -> None:
    pictures, others = (part.per_image["path"].tolist() for part in (first, table))
    if pictures != others:
        differing = {*pictures} ^ {*others}
        raise ValueError(
            f"Expected tables of the same pictures in the same order, got {len(pictures)} and {len(others)} pictures, "
            f"{len(differing)} of them in one alone; evaluate both models on one data set."
        )
    draws, theirs = (part.replicates[REPLICATE] for part in (first, table))
    if not draws.equals(theirs):
        raise ValueError(
            "Expected the same resamples in both tables; evaluate both models with one seed and resamples."
        )
    counts = first.per_image.groupby("category").size()
    if len(few := counts[counts < 2]):
        raise ValueError(f"Expected at least two pictures of each category, got one of {', '.join(few.index)}.")
