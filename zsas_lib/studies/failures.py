"""The pictures that a model segments worst, chosen by rule, and how far two models fail on the same ones."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import pandas as pd

from ..evaluation.tables import ResultTable

CHANCE = 0.5  # of a picture's own pixel AUROC
TENTH = 10


def hardest_pictures(per_image: pd.DataFrame, count: int) -> pd.DataFrame:
    """The ``count`` damaged pictures with the lowest pixel AUROC of their own, at most one of each category, worst
    first.

    ``per_image`` is that of `evaluation.evaluate`. Equal pictures are taken in the order of their paths; fewer rows
    come back where there are fewer categories. Raises ValueError for a count below 1.
    """
    if count < 1:
        raise ValueError(f"Expected at least one picture, got count={count}.")
    damaged = per_image.loc[per_image.is_anomalous].dropna(subset=["pixel_auroc"]).sort_values(["pixel_auroc", "path"])
    return damaged.drop_duplicates("category").head(count).reset_index(drop=True)


def mean_per_image(runs: Sequence[ResultTable]) -> pd.DataFrame:
    """The ``per_image`` of several runs of one model on the same pictures, such as trainings, with the mean over the
    runs of each picture's own pixel AUROC."""
    first, *_ = runs
    own = np.stack([run.per_image["pixel_auroc"].to_numpy(float) for run in runs])
    return first.per_image.assign(pixel_auroc=own.mean(axis=0))


def own_auroc(per_image: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The pixel AUROC of every damaged picture of its own: a row a path, a column for each of the models, whose
    ``per_image`` are those of `evaluation.evaluate`. Pictures without one, such as with an empty mask, are left out."""
    damaged = {name: table.loc[table.is_anomalous].set_index("path").pixel_auroc for name, table in per_image.items()}
    return pd.DataFrame(damaged).dropna()


def hardest_tenth(own: pd.DataFrame) -> dict[str, set[str]]:
    """For each column of `own_auroc` the tenth of the pictures with the lowest values, at least one."""
    count = max(1, len(own) // TENTH)
    return {str(name): set(values.nsmallest(count).index) for name, values in own.items()}


def expected_overlap(pictures: int) -> float:
    """How many pictures two tenths drawn by chance from so many would share."""
    return max(1, pictures // TENTH) ** 2 / pictures


def failure_summary(own: pd.DataFrame, defects: pd.Series, beside: str) -> pd.DataFrame:
    """How badly each model of `own_auroc` fails: one row a model, columns lowest and median, in [0, 1], below_chance,
    the number of pictures below `CHANCE`, shared, how many of its `hardest_tenth` are in that of ``beside`` too, and
    hardest_defect, the one with the lowest mean. ``defects`` says by path what the pictures' defects are."""
    tenths, kinds = hardest_tenth(own), defects[own.index]
    rows = {
        name: {
            "lowest": values.min(),
            "median": values.median(),
            "below_chance": int((values < CHANCE).sum()),
            "shared": len(tenths[str(name)] & tenths[beside]),
            "hardest_defect": cast(pd.Series, values.groupby(kinds).mean()).idxmin(),  # of a series, by defect
        }
        for name, values in own.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def rank_agreement(own: pd.DataFrame) -> pd.Series:
    """Spearman's rank correlation of each pair of models' columns of `own_auroc`, by the pair's two names."""
    upper = np.triu(np.ones((len(own.columns), len(own.columns)), dtype=bool), 1)
    ranks = own.corr(method="spearman").to_numpy()
    pairs = [(own.columns[row], own.columns[column]) for row, column in np.argwhere(upper)]
    return pd.Series(ranks[upper], index=pd.MultiIndex.from_tuples(pairs))
