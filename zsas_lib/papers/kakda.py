"""Paper K's tables, under the names of computed ones, and its numbers beside the same numbers elsewhere."""

import pandas as pd

from . import reported
from .comparable import family, settings
from .consistency import PER_CATEGORY, printed_means

MODELS = {"WinCLIP": "winclip", "AnomalyCLIP": "anomalyclip"}
LEVELS = {"image": "image_auroc", "pixel": "pixel_auroc"}
GROUPED = {"contrast": 5, "type": 6}
"""Paper K's table of groups of defects, by what they are grouped by."""


def printed_auroc(metric: str, dataset: str) -> dict[str, pd.Series]:
    """The ``metric`` ("image_auroc" or "pixel_auroc") of both models in every category and in the mean, as fractions
    (Tables 1 and 3); no model for a data set that is not paper K's own, or a stand-in for it."""
    printed = {}
    for method, number in PER_CATEGORY.items():
        if family(dataset) in set(settings("K", number).dataset):
            rows = reported("K", number)
            printed[MODELS[method]] = rows[rows.level.map(LEVELS) == metric].set_index("category").value
    return printed


def printed_gains() -> pd.DataFrame:
    """What AnomalyCLIP gains over WinCLIP in the means of paper K's own rows: a row for all categories ("all") and one
    for each group, columns image_auroc and pixel_auroc, in points."""
    means = printed_means().pivot(index="over", columns=["level", "model"], values="recomputed")
    return pd.DataFrame(
        {metric: 100 * (means[level, "AnomalyCLIP"] - means[level, "WinCLIP"]) for level, metric in LEVELS.items()}
    )


def printed_groups(grouping: str) -> pd.DataFrame:
    """Paper K's Table 5 ("contrast") or 6 ("type"): a row a group, columns AUROC and AUROC_std, fractions, and
    defect_types, a count. It does not say which AUROC it is."""
    table = reported("K", GROUPED[grouping])
    return table.pivot(index="category", columns="metric", values="value").rename_axis(columns=None)


def printed_elsewhere() -> pd.DataFrame:
    """Numbers that paper K prints of its two models on MVTec AD beside the same ones elsewhere, in percent: columns
    number, K, place, elsewhere, where."""
    log = reported("anomalyclip", "log").query("dataset == 'MVTec-AD' and level == 'image' and category != 'mean'")
    released, quoted = log.groupby("metric").value.mean(), reported("V", 5).query("method == 'WinCLIP'")
    rows = []
    for metric in ("AUROC", "AP"):
        rows.append((f"AnomalyCLIP, mean image {metric}", 4, "image", metric, released[metric], "released log"))
    for metric in ("AUROC", "AUPRO"):
        value = quoted[quoted.metric == metric].value.iloc[0]
        rows.append((f"WinCLIP, mean pixel {metric}", 2, "pixel", metric, value, "V Table 5"))
    table = []
    for number, place, level, metric, value, where in rows:
        own = reported("K", place)
        printed = own[(own.level == level) & (own.metric == metric)].value.iloc[0]
        table.append((number, 100 * printed, f"Table {place}", value, where))
    return pd.DataFrame(table, columns=["number", "K", "place", "elsewhere", "where"])
