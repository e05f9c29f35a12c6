"""Printed tables in the shape and under the column names of computed ones."""

import pandas as pd

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
