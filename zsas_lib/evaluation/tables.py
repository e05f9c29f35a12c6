"""Tables of results: one row per category and setting, their means, and the per-image rows and errors beside them."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from ..data.dataset import AnomalyDataset
from ..data.record import MEAN, row_name
from ..metrics.metric import METRICS

ERROR = "_se"  # ends the name of a column of standard errors
PICTURES, REPLICATES = "per_image", "replicates"  # what stands beside a `ResultTable`, picture by picture
SETTINGS = "settings"  # of a table's ``attrs``: the columns that `with_means` was told to be settings


class Replicated(pd.DataFrame):
    """A table of metrics with one more beside it, made by `with_means`; in all else a DataFrame.

    `replicates` has the metrics of resampled pictures (`replicates.category_replicates`); None where the table was put
    together from others.
    """

    _metadata = ["replicates"]
    replicates = cast(pd.DataFrame, None)

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return Replicated


class ResultTable(Replicated):
    """A table of metrics with three more beside it, made by `evaluate`; in all else a DataFrame.

    `per_image` has one row per picture, `spread` the standard errors of some of the metrics, with the table's rows,
    `replicates` the metrics of resampled pictures (`replicates.category_replicates`).
    """

    _metadata = ["per_image", "spread", "replicates"]

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return ResultTable


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of one function for single categories as the one it would have made of all of them, means included.

    Settings are what `with_means` was told when it made the tables (``attrs``, which files of the store keep). For
    tables that it did not make: the columns that hold no floats. Tables without rows "mean" are put together without
    any. Raises ValueError as `with_means`.
    """
    if isinstance(tables[0], ResultTable):
        rows = [table.join(table.spread.add_suffix(ERROR)).reset_index() for table in tables]
        beside = (pd.concat([getattr(t, name) for t in tables], ignore_index=True) for name in (PICTURES, REPLICATES))
        return result_table(with_means(_categories(rows)), *beside)
    if SETTINGS not in tables[0].attrs and not any(MEAN in set(table["category"]) for table in tables):
        return pd.concat(tables, ignore_index=True)
    rows = _categories(tables)
    replicates = [table.replicates for table in tables if getattr(table, REPLICATES, None) is not None]
    return with_means(rows, replicates, by=tables[0].attrs.get(SETTINGS, _no_floats(rows)))


def _categories(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rows of tables one below the other, but for those of means."""
    return pd.concat([table.loc[table["category"] != MEAN] for table in tables], ignore_index=True)


def with_means(rows: pd.DataFrame, replicates: Sequence[pd.DataFrame] = (), *, by: Sequence[str] = ()) -> pd.DataFrame:
    """Rows of categories, followed by rows "mean": one for each setting, that is, for each combination of values in
    the columns ``by``, None and nan being values as others.

    All other columns but the category are metrics or their standard errors (``_se``). Of a metric that is ``averaged``
    a mean row holds the unweighted mean over the categories that have it, and its standard error, that of independent
    categories; of another one nan. Rows "mean" among ``rows`` are dropped first: they are those of means, and a
    category of that name is called as `row_name` says. ``attrs["settings"]`` of the table is ``by``. With
    ``replicates`` of the rows, which are tables to be put one below the other, it is a `Replicated` one.

    Raises ValueError for a column that is neither, since nobody could say whether to average it, for a setting that is
    no column, and for rows "mean" alone.
    """
    if lacking := [column for column in by if column not in rows]:
        raise ValueError(f"by names {', '.join(lacking)}, but the columns are {', '.join(map(str, rows))}.")
    errors = [column for column in rows if column not in by and column.removesuffix(ERROR) in METRICS.keys() - {column}]
    metrics = [column for column in rows if column not in by and column in METRICS]
    if unknown := [column for column in rows if column not in ("category", *by, *metrics, *errors)]:
        raise ValueError(
            f"Column {', '.join(map(repr, unknown))} is neither a metric of zsas_lib.metrics.METRICS nor a setting, so "
            "there is no telling whether a mean averages it. Register a metric in a file of zsas_lib/metrics; name a "
            "setting in by=[...] of with_means."
        )
    if len(rows) and set(rows["category"]) == {MEAN}:
        raise ValueError(f"All rows are called {MEAN!r}; call a category of that name {row_name(MEAN)!r} (`row_name`).")
    rows = _categories([rows])
    averaged = [column for column in metrics if METRICS[column].averaged] + errors
    table = pd.concat([rows, _means(rows, by, averaged, errors)], ignore_index=True)
    table.attrs[SETTINGS] = list(by)
    if replicates:
        attrs, table = table.attrs, Replicated(table)
        table.attrs, table.replicates = attrs, pd.concat(replicates, ignore_index=True)
    return table


def _means(rows: pd.DataFrame, by: Sequence[str], averaged: list[str], errors: list[str]) -> pd.DataFrame:
    """The rows "mean" of `with_means`: the first row of each setting, with other numbers."""
    setting = rows.groupby(list(by), sort=False, dropna=False).ngroup().to_numpy() if by else np.zeros(len(rows), int)
    _, first = np.unique(setting, return_index=True)
    count = len(first) if by else 1
    numbers = np.array([rows[column].to_numpy(float) for column in averaged]).reshape(len(averaged), len(rows))
    of_errors = np.isin(averaged, errors)
    found = np.full((len(averaged), count), np.nan)
    for place in range(count):
        own = np.ascontiguousarray(numbers[:, setting == place])  # as it lies, so it is added up
        known = ~np.isnan(own)
        own, units = np.where(known, own, 0), known.sum(axis=1)
        own[of_errors] **= 2
        sums = own.sum(axis=1)
        sums[of_errors] **= 0.5
        np.divide(sums, units, out=found[:, place], where=units > 0)
    columns: dict[str, object] = dict.fromkeys(map(str, rows), np.full(count, np.nan))
    columns |= {"category": [MEAN] * count, **dict(zip(averaged, found))}
    for column in by:  # of the rows' own type, in which None stays None
        columns[column] = pd.Series(rows[column].array[first], dtype=rows[column].dtype)
    return pd.DataFrame(columns)


def settings_of(rows: pd.DataFrame, by: Sequence[str]) -> list[pd.DataFrame]:
    """The rows of each combination of values in the columns ``by``, in order of first appearance."""
    if not by:
        return [rows]
    return [group for _, group in rows.groupby(list(by), sort=False, dropna=False)]


def _no_floats(rows: pd.DataFrame) -> list[str]:
    return [
        column
        for column, kind in rows.dtypes.items()
        if column != "category" and column not in METRICS and not pd.api.types.is_float_dtype(kind)
    ]


def picture_rows(dataset: AnomalyDataset, scores: Float[Tensor, " image"], own: list[dict[str, float]]) -> pd.DataFrame:
    scored = pd.DataFrame(own)
    return pd.DataFrame(
        {
            "path": [record.name(dataset.root) for record in dataset.records],
            "category": [row_name(record.category) for record in dataset.records],
            "defect": [record.defect for record in dataset.records],
            "is_anomalous": [record.is_anomalous for record in dataset.records],
            "anomalous_fraction": scored.anomalous_fraction,
            "image_score": scores.tolist(),
            "map_max": scored.map_max,
            "map_top": scored.map_top,
            "pixel_auroc": scored.pixel_auroc,
        }
    )


def result_table(rows: pd.DataFrame, pictures: pd.DataFrame, replicates: pd.DataFrame) -> ResultTable:
    """The table of what `with_means` gives, with what stands beside it."""
    rows = rows.set_index("category")
    errors = [column for column in rows if column.endswith(ERROR)]
    table = ResultTable(rows.drop(columns=errors))
    table.per_image, table.replicates = pictures, replicates
    table.spread = pd.DataFrame(rows[errors]).rename(columns=lambda name: name.removesuffix(ERROR))
    return table


def over_runs(tables: Sequence[ResultTable]) -> pd.DataFrame:
    """The mean over runs of one model, such as trainings, of what `evaluate` says of each; the runs' standard errors,
    averaged too, stand beside the metrics as columns ``_se``."""
    rows = [pd.DataFrame(table.join(table.spread.add_suffix(ERROR))) for table in tables]
    return cast(pd.DataFrame, pd.concat(rows).groupby(level=0, sort=False).mean())  # of a table, by rows


def between_runs(tables: Sequence[pd.DataFrame], metrics: Sequence[str]) -> pd.Series:
    """The standard deviation over runs of the mean over categories, by metric; 0 for a single run, which has none."""
    means = pd.DataFrame([table.loc[MEAN, list(metrics)] for table in tables]).astype(float)
    return means.std() if len(means) > 1 else 0.0 * means.iloc[0]
