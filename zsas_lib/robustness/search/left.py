"""What worst cases leave of a metric: chance levels, drops by category and by picture, shares of what lay above
chance."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import bdtr

from ...data.dataset import AnomalyDataset
from ...metrics import METRICS
from .amounts import columns, in_table
from .whole_sets import NONE

UPRIGHT = 7.5  # degrees


def chance_levels(dataset: AnomalyDataset, batch_size: int = 16) -> dict[str, float]:
    """What a map that knows nothing reaches on these pictures, in the mean over categories; fractions.

    Pixel AUROC and AUPRO have the chance levels of their records. F1-max has a floor: to call every pixel anomalous
    gives 2 p / (1 + p), where p is the mean share of anomalous pixels of a category's pictures.
    """
    shares: dict[str, list[float]] = {}
    for batch in dataset.batches(batch_size):
        shares.setdefault(batch.categories[0], []).extend(batch.masks.float().mean((1, 2)).tolist())
    share = pd.Series({category: np.mean(own) for category, own in shares.items()})
    known = {name: METRICS[name].chance for name in ("pixel_auroc", "aupro")}
    levels = {name: level for name, level in known.items() if level is not None}
    return levels | {"pixel_f1_max": float((2 * share / (1 + share)).mean())}


def over_trainings(bounds: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The mean of several `whole_sets.bounds` of the same pictures, such as those of one model's trainings."""
    mean = pd.concat(bounds).groupby(["category", "combination"], sort=False).mean()
    return pd.DataFrame(mean).reset_index()


def bound_means(bounds: pd.DataFrame) -> pd.DataFrame:
    """The rows "mean" of `whole_sets.bounds`, by combination."""
    return bounds.loc[bounds.category == "mean"].set_index("combination")


def by_combination(bounds: pd.DataFrame, metric: str = "pixel_auroc") -> pd.DataFrame:
    """A metric of `whole_sets.bounds` in percent: a row for each category, a column for each combination in its
    order."""
    single = bounds.loc[bounds.category != "mean"]
    order = list(dict.fromkeys(single.combination))
    return 100 * single.pivot(index="category", columns="combination", values=metric).loc[:, order]


def drops(bounds: pd.DataFrame, metric: str = "pixel_auroc") -> pd.DataFrame:
    """How many points of a metric each category loses from the unperturbed pictures to the worst cases of each
    combination: `by_combination`, less "none"."""
    wide = by_combination(bounds, metric)
    return wide.drop(columns=NONE).rsub(wide[NONE], axis=0)


def share_lost(bounds: pd.DataFrame, metric: str, combination: str, chance: Mapping[str, float]) -> float:
    """Which share of what a metric's mean has above chance is lost at the worst cases of a combination; nan where it
    has nothing above chance."""
    before, after = (float(value) for value in bound_means(bounds).loc[[NONE, combination], metric])
    above = before - chance[metric]
    return (before - after) / above if above > 0 else float("nan")


def picture_losses(cases: pd.DataFrame, combination: str) -> pd.Series:
    """How many points of its own pixel AUROC each damaged picture of `whole_sets.worst_cases` loses to a combination,
    by category and picture, the largest loss first."""
    damaged = cases.loc[cases.is_anomalous].set_index(["category", "picture", "combination"])
    own = damaged.pixel_auroc.unstack("combination")
    lost = pd.Series(100 * (own[NONE] - own[combination]))
    return lost.sort_values(ascending=False)


def hardest_cases(cases: pd.DataFrame, combination: str, count: int = 3) -> pd.DataFrame:
    """The damaged pictures that lose most of their own pixel AUROC to a combination, at most ``count`` and one of each
    category: category, picture, its pixel AUROC without perturbation (``original``) and at the worst case
    (``worst``), and the amounts there."""
    lost = picture_losses(cases, combination)
    first = ~lost.index.get_level_values("category").duplicated()
    pictures = lost.index.get_level_values("picture")[first][:count]
    before = cases.loc[cases.combination == NONE].set_index("picture").pixel_auroc
    found = cases.loc[cases.combination == combination].set_index("picture").loc[pictures]
    found = found.assign(original=before, worst=found.pixel_auroc).reset_index()
    return found.loc[:, ["category", "picture", "original", "worst", *columns(in_table(found))]]


def angle_counts(cases: Mapping[str, pd.DataFrame], width: float = 15.0) -> pd.DataFrame:
    """How many pictures of each table of cases have their angle in each bin of ``width`` degrees: a column for each
    table, a row for each bin, called by its middle; the outermost are those around -90 and 90 degrees."""
    edges = np.arange(-90 - width / 2, 90 + width, width)
    middles = (edges[1:] + edges[:-1]) / 2
    return pd.DataFrame({name: np.histogram(rows.degrees, edges)[0] for name, rows in cases.items()}, index=middles)


def upright_share(cases: pd.DataFrame) -> float:
    """The share of cases, in percent, whose angle is less than `UPRIGHT` degrees away from 0."""
    return 100 * float((cases.degrees.abs() < UPRIGHT).mean())


def upright_alone(one: pd.DataFrame, other: pd.DataFrame) -> tuple[int, int, float]:
    """Of the same pictures, in the same order, how many have an angle less than `UPRIGHT` degrees away from 0 in the
    one alone and in the other alone; and how often chance makes them at least as uneven (the exact, two-sided sign
    test; 1 where there are none)."""
    first, second = (cases.degrees.abs().to_numpy() < UPRIGHT for cases in (one, other))
    alone, other_alone = int((first & ~second).sum()), int((second & ~first).sum())
    total = alone + other_alone
    return alone, other_alone, min(1.0, 2 * float(bdtr(min(alone, other_alone), total, 0.5))) if total else 1.0
