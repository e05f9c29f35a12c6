"""Where models fail, in words, and what paper K says of it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from zsas_lib.base.errors import DataError
from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.data.groups import UNGROUPED, category_groups, type_mapping, types_of
from zsas_lib.data.record import Record
from zsas_lib.papers import reported
from zsas_lib.studies.failures import CHANCE, expected_overlap, failure_summary, hardest_tenth, rank_agreement

from ..words import counted, listed

UNRANKED = "cannot be told where there is one picture or a model has the same for all"
DEFORMED, MISSING = ("geometric_deformation",), ("missing_component", "missing_material")
"""Types of defects (`data.groups.TYPES`) that paper K names as failures."""


def overlap_in_words(own: pd.DataFrame) -> list[str]:
    """How far two models of `studies.failures.own_auroc` fail on the same pictures."""
    one, other = own
    tenths, expected = hardest_tenth(own), expected_overlap(len(own))
    size, shared = len(tenths[one]), len(tenths[one] & tenths[other])
    judged = "each fails on pictures of its own"
    if shared > 2 * expected:
        mostly = shared > size / 2
        judged = "the models mostly fail on the same pictures" if mostly else "the models share some of their failures"
    below, rank = (own < CHANCE).sum(), rank_agreement(own).iloc[0]
    correlated = f"is {rank:.2f}" if np.isfinite(rank) else UNRANKED
    return [
        f"Over {counted(len(own), 'damaged picture')} the rank correlation of both models' own pixel AUROC "
        f"{correlated}.",
        f"Of the hardest tenth of each ({counted(size, 'picture')}), {shared} are the same ones, where chance gives "
        f"{expected:.1f}: {judged}.",
        f"Pictures below chance: {below[one]} for {one}, {below[other]} for {other}.",
    ]


def failures_in_words(own: pd.DataFrame) -> list[str]:
    """How many hard pictures all models of `studies.failures.own_auroc` share, which two are closest, and who misses
    the fewest pictures and the most."""
    tenths, ranks, below = hardest_tenth(own), rank_agreement(own).dropna(), (own < CHANCE).sum()
    run = UNRANKED
    if len(ranks):
        run = f"run from {ranks.min():.2f} to {ranks.max():.2f}, highest between {listed(ranks.idxmax())}"
    everyone = set.intersection(*tenths.values())
    fewest, most = (listed(below.index[below == count]) for count in (below.min(), below.max()))
    return [
        f"The hardest tenth of a model is {max(map(len, tenths.values()))} of {counted(len(own), 'picture')}; "
        f"{len(everyone) or 'none'} of them are in the tenth of all {len(own.columns)} models.",
        f"Rank correlations of two models' own pixel AUROC {run}.",
        f"Pictures below 50 %: {below.min()}, the fewest, for {fewest}; {below.max()}, the most, for {most}.",
    ]


def failure_table(own: pd.DataFrame, defects: pd.Series, beside: str) -> pd.DataFrame:
    """`studies.failures.failure_summary` with its quantiles in percent and its columns in words."""
    summary = failure_summary(own, defects, beside)
    summary[["lowest", "median"]] *= 100
    return summary.rename(
        columns={
            "below_chance": f"below {100 * CHANCE:.0f} %",
            "shared": f"shared with {beside}",
            "hardest_defect": "hardest defect",
        }
    )


def beside_k_failures(own: pd.DataFrame, pictures: AnomalyDataset) -> pd.DataFrame:
    """What paper K says of failures on MVTec AD, with the number that it prints there, beside the mean pixel AUROC of
    single damaged pictures: those of ``own``, by path below the data set's root with columns WinCLIP and AnomalyCLIP.
    Textures are the categories, and deformations and missing parts the defects, that `data.groups` says are; where it
    says nothing of the data set, neither do the rows."""
    records = {record.name(pictures.root): record for record in pictures.records}
    kinds = pd.Series(_types(pictures.name, [records[path] for path in own.index]), own.index, dtype=object)
    groups = category_groups(pictures.name, pictures.categories)
    products = pd.Series([groups[records[path].category] for path in own.index], own.index, dtype=object)
    products = products.where(products != UNGROUPED)

    def means(chosen: pd.Series) -> str:
        if not chosen.any():
            return "none here"
        return " and ".join(f"{name} {100 * own.loc[chosen, name].mean():.0f} %" for name in ("WinCLIP", "AnomalyCLIP"))

    def both(of: pd.Series, within: Sequence[str], one: str, other: str, unknown: str) -> str:
        chosen = of.isin(within)
        return f"{one}: {means(chosen)}; {other}: {means(of.notna() & ~chosen)}" if of.notna().any() else unknown

    which, others = "the kinds of defects are not known here", "under other defects"
    rows = [
        (
            "bending and kinking, that both models struggle to detect",
            f"cable: image AUROC {_printed('cable', 'image', 'WinCLIP', 'AnomalyCLIP')}",
            both(kinds, DEFORMED, "under deformation", others, which),
        ),
        (
            "WinCLIP's prompts suit the subtle variations of textures badly",
            f"tile: image AUROC {_printed('tile', 'image', 'WinCLIP')}",
            both(products, ["texture"], "on textures", "on objects", "textures are not known here"),
        ),
        (
            "small missing parts of dense, repetitive structure are hard to segment",
            f"transistor: pixel AUROC {_printed('transistor', 'pixel', 'AnomalyCLIP')}",
            both(kinds, MISSING, "where a part or material is missing", others, which),
        ),
    ]
    return pd.DataFrame(rows, columns=["claim of paper K", "reported", "reproduced"])


def _types(dataset: str, records: Sequence[Record]) -> list[str | None]:
    try:
        mapping = type_mapping(dataset)
    except DataError:  # it has none
        return [None] * len(records)
    return types_of(mapping, [(record.category, record.defect) for record in records])


def _printed(category: str, level: str, *models: str) -> str:
    """Models with the AUROC of a category that paper K's Tables 1 and 3 have."""
    rows = pd.concat([reported("K", 1), reported("K", 3)])
    own = rows[(rows.category == category) & (rows.level == level) & (rows.metric == "AUROC")].set_index("method").value
    return listed([f"{model} {100 * own[model]:.1f} %" for model in models])
