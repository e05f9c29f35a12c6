"""Where models fail, in words, and what paper K says of it."""

import numpy as np
import pandas as pd

from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.data.groups import category_groups
from zsas_lib.papers import reported
from zsas_lib.studies.failures import CHANCE, expected_overlap, failure_summary, hardest_tenth, rank_agreement

from ..words import counted, listed

UNRANKED = "cannot be told where there is one picture or a model has the same for all"


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


def beside_k_failures(own: pd.DataFrame, defects: pd.Series, pictures: AnomalyDataset) -> pd.DataFrame:
    """What paper K says of failures on MVTec AD, with the number that it prints there, beside the mean pixel AUROC of
    single damaged pictures: those of ``own``, by path below the data set's root with columns WinCLIP and AnomalyCLIP,
    as ``defects`` are. Textures are the categories that `data.groups.category_groups` says are."""
    bent, missing = (defects[own.index] == kind for kind in ("deformation", "missing_piece"))
    groups = category_groups(pictures.name, pictures.categories)
    category_of = {record.name(pictures.root): record.category for record in pictures.records}
    filled = pd.Series([groups[category_of[path]] == "texture" for path in own.index], index=own.index)

    def means(chosen: pd.Series) -> str:
        if not chosen.any():
            return "none here"
        return " and ".join(f"{name} {100 * own.loc[chosen, name].mean():.0f} %" for name in ("WinCLIP", "AnomalyCLIP"))

    rows = [
        (
            "bending and kinking, that both models struggle to detect",
            f"cable: image AUROC {_printed('cable', 'image', 'WinCLIP', 'AnomalyCLIP')}",
            f"under deformation: {means(bent)}; under other defects: {means(~bent)}",
        ),
        (
            "WinCLIP's prompts suit the subtle variations of textures badly",
            f"tile: image AUROC {_printed('tile', 'image', 'WinCLIP')}",
            f"on textures: {means(filled)}; on objects: {means(~filled)}",
        ),
        (
            "small missing parts of dense, repetitive structure are hard to segment",
            f"transistor: pixel AUROC {_printed('transistor', 'pixel', 'AnomalyCLIP')}",
            f"under missing pieces: {means(missing)}; under other defects: {means(~missing)}",
        ),
    ]
    return pd.DataFrame(rows, columns=["claim of paper K", "reported", "reproduced"])


def _printed(category: str, level: str, *models: str) -> str:
    """Models with the AUROC of a category that paper K's Tables 1 and 3 have."""
    rows = pd.concat([reported("K", 1), reported("K", 3)])
    own = rows[(rows.category == category) & (rows.level == level) & (rows.metric == "AUROC")].set_index("method").value
    return listed([f"{model} {100 * own[model]:.1f} %" for model in models])
