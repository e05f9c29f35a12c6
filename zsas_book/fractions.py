"""Metrics as fractions, as every table is published, whatever a page prints."""

import pandas as pd

from zsas_lib.metrics import METRICS

BESIDE = ("_se", "_std", "_low", "_high", "_reported", "_beside")
"""What ends the name of a column that stands beside a metric's, in the same unit."""
PERCENT = "%"
ROUNDED = 1e-6
"""By how much a number may be beyond its range by rounding."""


def as_fractions(data: pd.DataFrame, *also: str) -> pd.DataFrame:
    """A table of percent or points with its metrics, and the columns ``also``, divided by 100; all others stay."""
    columns = [*_of_metrics(data), *also]
    return data.assign(**(data[columns] / 100))


def require_fractions(data: pd.DataFrame, name: str) -> None:
    """Raises ValueError, naming the column, where a metric of the table called ``name`` is farther from 0 than it or a
    difference of it can be: such a table is of percent."""
    for column, metric in _of_metrics(data).items():
        values, low, high = data[column], METRICS[metric].low, METRICS[metric].high
        reach = max(high - low, high, -low)
        if pd.api.types.is_numeric_dtype(values) and (farthest := values.abs().max()) > reach * (1 + ROUNDED):
            raise ValueError(
                f"Expected column {column!r} of {name!r} as it is computed, of at most {reach:g}, got {farthest:g}; "
                "tables are published as fractions (`figures.as_fractions`), whatever the page prints."
            )


def metric_of(column: str) -> str | None:
    """The metric that a column is of, by its name, or stands beside, if it is one that is printed in percent; None for
    any other column."""
    names = [column, *(column.removesuffix(end) for end in BESIDE if column.endswith(end))]
    return next((name for name in names if name in METRICS and METRICS[name].unit == PERCENT), None)


def _of_metrics(data: pd.DataFrame) -> dict[str, str]:
    return {column: metric for column in data.columns if (metric := metric_of(str(column)))}
