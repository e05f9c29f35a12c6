"""Whether the means that paper K prints follow from the rows that it prints, and where its rows stand elsewhere."""

import pandas as pd

from ..data.groups import category_groups
from . import reported

ROUNDING = 0.0005
"""Half of the last printed digit."""
PER_CATEGORY = {"WinCLIP": 1, "AnomalyCLIP": 3}
"""Paper K's table of single categories, by model."""


def printed_means() -> pd.DataFrame:
    """Every mean over categories that paper K prints beside the mean of its own rows.

    One row per printed mean: model, level (image or pixel AUROC), over ("all" or a group), place, printed, recomputed,
    gap = printed - recomputed, follows. A mean of rounded rows is off by at most half a digit and the printed mean by
    another half, so one follows if the gap is at most one unit of the last digit.
    """
    groups = category_groups("mvtec", reported("K", 1).category.unique().tolist())
    text = reported("K", "text").query("metric == 'AUROC'").dropna(subset="category")
    rows = []
    for model, number in PER_CATEGORY.items():
        table = reported("K", number)
        single, mean = table.loc[table.category != "mean"], table.loc[table.category == "mean"]
        claims = [("all", f"Table {number}", level, value) for level, value in zip(mean.level, mean.value)]
        own = text.loc[(text.method == model) & text.category.str.startswith("group:")]
        named = own.category.str.removeprefix("group:")
        claims += [(group, "section 4.5", level, value) for group, level, value in zip(named, own.level, own.value)]
        for over, place, level, printed in claims:
            chosen = single.loc[(single.level == level) & ((over == "all") | (single.category.map(groups) == over))]
            recomputed = chosen.value.mean()
            rows.append(
                {
                    "model": model,
                    "level": level,
                    "over": over,
                    "place": place,
                    "printed": printed,
                    "recomputed": recomputed,
                    "gap": printed - recomputed,
                    "follows": abs(printed - recomputed) <= 2 * ROUNDING + 1e-9,
                }
            )
    return pd.DataFrame(rows)


def beside_released_log() -> pd.DataFrame:
    """Paper K's Table 3 beside the evaluation log in AnomalyCLIP's repository: category, level, printed, log, same.

    The log prints percent with one decimal, the table fractions with three: the same precision.
    """
    table = reported("K", 3).query("category != 'mean'")
    log = reported("anomalyclip", "log").query("dataset == 'MVTec-AD' and metric == 'AUROC' and category != 'mean'")
    both = table.merge(log, on=["category", "level"], suffixes=("", "_log"), validate="one_to_one")
    both = both.assign(log=both.value_log / 100, printed=both.value)
    both["same"] = (both.printed - both.log).abs() < ROUNDING
    return both.loc[:, ["category", "level", "printed", "log", "same"]]
