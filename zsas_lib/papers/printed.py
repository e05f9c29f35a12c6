"""Printed tables in the shape and under the column names of computed ones."""

import pandas as pd

from ..data import official
from ..data.registry import DATASETS
from . import reported

METRIC_NAMES = {
    ("pixel", "AUROC"): "pixel_auroc",
    ("pixel", "AUPRO"): "aupro_200",
    ("pixel", "AP"): "pixel_ap",
    ("pixel", "F1"): "pixel_f1_max",
    ("pixel", "IoU"): "pixel_iou",
    ("image", "AUROC"): "image_auroc",
    ("image", "AP"): "image_ap",
    ("image", "F1"): "image_f1_max",
    ("image", "TPR"): "tpr",
    ("image", "TNR"): "tnr",
}
"""(level, metric) of a printed number -> the column of `evaluate` or `protocol_table`. V's AUPRO is the legacy one."""


def printed_metrics(paper: str, table: str | int, index: str = "method") -> pd.DataFrame:
    """A printed table with one row per ``index`` ("method" or "setting"), in its order, and a column per metric, as
    printed (percent). What has no column here (FPR and FNR, the complements of TNR and TPR) is left out."""
    rows = reported(paper, table)
    rows = rows.assign(column=[METRIC_NAMES.get(pair) for pair in zip(rows.level, rows.metric)]).dropna(subset="column")
    wide = rows.pivot(index=index, columns="column", values="value")
    order = [column for column in METRIC_NAMES.values() if column in wide]
    return wide.loc[list(dict.fromkeys(rows[index])), order].rename_axis(columns=None)


TURNED = {"MVTec-AD": 2, "VisA": 3}
"""The numbers of paper S's tables of corner errors, by data set."""


def corner_errors(family: str) -> pd.DataFrame:
    """Paper S's table of what may be turned for a data set, "MVTec-AD" or "VisA", smallest corner error first.

    By category, as this library calls them; columns corner_mse and used, whether the paper's sweeps take the category.
    """
    printed = reported("S", TURNED[family]).pivot(index="category", columns="metric", values="value")
    dataset = next(record.name for record in DATASETS.values() if record.family == family and not record.stand_in)
    called = {name.replace("_", ""): name for name in official.categories(dataset)}
    named = printed.rename(lambda name: called[name.replace("_", "")]).rename_axis(columns=None)
    return named.astype({"used": bool}).sort_values("corner_mse")


def printed_value(paper: str, table: str | int, column: str, family: str, method: str, setting: str = "") -> float:
    """One printed number in percent: of the metric that `METRIC_NAMES` calls ``column``, of a method on a data set,
    where its setting holds ``setting``. Raises KeyError where the table has no such number."""
    rows = reported(paper, table)
    rows = rows.loc[
        (rows.method == method) & (rows.dataset == family) & rows.setting.fillna("").str.contains(setting, regex=False)
    ]
    for level, metric, value, unit in zip(rows.level, rows.metric, rows.value, rows.unit):
        if METRIC_NAMES.get((level, metric)) == column:
            return 100 * value if unit == "fraction" else value
    raise KeyError(f"{paper} Table {table} prints no {column} of {method} on {family} ({setting or 'any setting'}).")
