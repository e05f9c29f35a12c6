"""Tables of results compared pair by pair: in every resample of the same pictures (of the categories, for a mean over
them), see `sampled`."""

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

from ..metrics.bootstrap import resampled
from .replicates import REPLICATE, checksums, flat, means_of_known
from .sampled import ITSELF, Difference, Sampled
from .tables import ResultTable


def over_categories(*runs: pd.Series) -> Difference:
    """The mean of what two numbers differ by in each category (or picture, where there is one number for each),
    resampled by category; of several runs, such as trainings, with their own chance. Raises ValueError for fewer than
    two."""
    return category_mean(runs).difference()


def category_mean(runs: Sequence[pd.Series]) -> Sampled:
    """The mean over categories of a number that each of several runs has for each category, resampled by category."""
    rows = [
        pd.DataFrame({"category": [str(name) for name in own.index], "gap": own.to_numpy(dtype=float)}) for own in runs
    ]
    return Sampled.of(flat_gaps_of_runs(rows), "gap")


def flat_gaps(gaps: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """What two numbers differ by in each category, as the `flat` table of its means, which are resampled by category: a
    row set for each combination of the columns ``by``.

    ``gaps`` has the category, ``by`` and metrics, one row for each category that both numbers have; where a metric is
    nan it has no weight. Of a combination with fewer than two categories there is the mean alone, which has no
    interval.
    """
    keys, parts = list(by), []
    groups: list[tuple[Any, pd.DataFrame]] = list(gaps.groupby(keys, sort=False)) if keys else [((), gaps)]
    for place, own in groups:
        metrics = own.columns.drop(["category", *keys])
        values, count = own[metrics].to_numpy(dtype=float), len(own)
        drawn = resampled(count, 200, 0) if count > 1 else np.zeros((0, count), dtype=int)
        numbers, freedom = means_of_known(values, drawn)
        means = pd.DataFrame(np.vstack([own[metrics].mean().to_numpy(), numbers]), columns=metrics)
        named: dict[str, Any] = dict(zip(keys, place, strict=True)) | {
            "replicate": range(ITSELF, len(drawn)),
            "draw": [0, *checksums(drawn)],
            "pictures": crc32("\n".join(map(str, own["category"])).encode()),
            "units": count,
            "freedom": freedom,
        }
        parts.append(pd.concat([pd.DataFrame(named, index=means.index), means], axis=1))
    return pd.concat(parts, ignore_index=True)


def flat_gaps_of_runs(runs: Sequence[pd.DataFrame], by: Sequence[str] = ()) -> pd.DataFrame:
    """`flat_gaps` of a model's runs, such as trainings, one below the other with a column ``run``."""
    return pd.concat([flat_gaps(gaps, by).assign(run=number) for number, gaps in enumerate(runs)], ignore_index=True)


def samples(whole: pd.DataFrame, metric: str, by: str) -> dict[str, Sampled]:
    """A metric of every row of a `flat` table that has one setting ``by``, which names it, and perhaps runs. Raises as
    `Sampled.of`."""
    return {str(name): Sampled.of(rows, metric) for name, rows in whole.groupby(by, sort=False)}


def differences(whole: pd.DataFrame, by: str, metrics: Sequence[str]) -> pd.DataFrame:
    """How far from 0 the rows of a `flat` table of differences are: a row for each of them, by its setting ``by``, and
    metric, with the columns ``by``, metric and those of `Difference`, nan but for ``gap`` where fewer than two
    pictures or categories give no interval. Raises as `Sampled.of`."""
    rows = []
    for metric in metrics:
        for name, own in samples(whole, metric, by).items():
            rows.append({by: name, "metric": metric} | vars(own.difference_or_nan()))
    return pd.DataFrame(rows)


def flat_runs(runs: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The `flat` tables of a model's runs, such as trainings, one below the other with a column ``run``."""
    return pd.concat([flat(table).assign(run=number) for number, table in enumerate(runs)], ignore_index=True)


def flat_models(runs: Mapping[str, Sequence[pd.DataFrame]]) -> pd.DataFrame:
    """`flat_runs` of several models, by name, one below the other with a column ``model`` in front."""
    parts = {name: flat_runs(own) for name, own in runs.items()}
    return pd.concat(parts, names=["model"]).reset_index("model").reset_index(drop=True)


def paired(one: Sequence[ResultTable], other: Sequence[ResultTable]) -> pd.DataFrame:
    """By how much the metrics of one model are higher than another's on the same pictures, a row for each category,
    and for their mean, and each metric.

    Each model has a table of `evaluate` for each of its runs, such as trainings. Columns: category, metric, and those
    of `Difference`, as fractions. A model's runs are averaged. A mean over categories has the interval of other
    categories like these; with a single category it has none (nan).

    Raises ValueError for tables of different pictures, pictures in another order, other seeds or numbers of resamples,
    and for a category with fewer than two pictures, which has no interval.
    """
    everything = [*one, *other]
    for table in everything:
        _refuse_others(everything[0], table)
    sides = [dict(list(flat_runs(runs).groupby("category", sort=False))) for runs in (one, other)]
    metrics = [name for name in everything[0].replicates if name not in REPLICATE]
    rows = []
    for category in everything[0].index:
        for metric in metrics:
            found, own = (Sampled.of(side[category], metric) for side in sides)
            rows.append({"category": category, "metric": metric} | vars((found - own).difference_or_nan()))
    return pd.DataFrame(rows)


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
