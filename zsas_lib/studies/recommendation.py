"""Which method for which need, from evaluations of all of them on the same pictures and what a picture costs each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..evaluation.paired import category_mean, flat_models, samples
from ..evaluation.sampled import Difference
from ..evaluation.tables import ResultTable
from ..models import MODELS

FOUND = 0.95
"""The share of damaged pictures that is to be found where false alarms are counted."""
NEAR = 1.5
"""How many times the least of a cost is as good as the least."""
QUALITIES = ("pixel_auroc", "aupro", "image_auroc")
WORST, ALARMS = "worst category", "false alarms"


@dataclass(frozen=True)
class Need:
    """What somebody asks for: the best ``metric`` of those with at most `NEAR` times the least ``cost``, a column of
    `entries`, or of those that learn nothing where ``untrained``; of `ALARMS` the lowest is best."""

    name: str
    metric: str
    cost: str = ""
    untrained: bool = False


NEEDS = (
    Need("the best map", "aupro"),
    Need("the best score of pictures", "image_auroc"),
    Need("no training data", "aupro", untrained=True),
    Need("few milliseconds", "aupro", cost="ms per picture"),
    Need("little memory", "aupro", cost="peak MB"),
    Need("no bad category", WORST),
    Need("few false alarms", ALARMS),
)


def alarms_by_category(table: ResultTable, found: float = FOUND) -> pd.Series:
    """The share of normal pictures of each category that are called damaged, by the model's own image score, at the
    highest threshold that finds at least a share ``found`` of the damaged ones; nan without both kinds."""
    shares = {}
    for category, pictures in table.per_image.groupby("category", sort=False):
        scores, damaged = pictures["image_score"].to_numpy(), pictures["is_anomalous"].to_numpy(dtype=bool)
        if damaged.all() or not damaged.any():
            shares[category] = np.nan
            continue
        ordered = np.sort(scores[damaged])[::-1]
        threshold = ordered[int(np.ceil(found * len(ordered) - 1e-9)) - 1]
        shares[category] = float((scores[~damaged] >= threshold).mean())
    return pd.Series(shares)


def entries(runs: Mapping[str, Sequence[ResultTable]], costs: pd.DataFrame) -> pd.DataFrame:
    """A row for each model, by its name: `QUALITIES` as means over categories and runs, the lowest AUPRO of a category
    (`WORST`) and which that is, `ALARMS` in the mean over categories, the milliseconds and megabytes of a picture from
    `evaluation.speed.costs`, and whether it learns. Qualities and alarms are fractions."""
    rows, own_costs = {}, costs.set_index("model")
    for name, own in runs.items():
        aupro = pd.concat([table["aupro"].drop(index="mean") for table in own], axis=1).mean(axis=1)
        rows[name] = {
            **{metric: float(np.mean([table.loc["mean", metric] for table in own])) for metric in QUALITIES},
            WORST: aupro.min(),
            "which": aupro.idxmin(),
            ALARMS: float(np.mean([alarms.mean() for alarms in _alarms(own)])),
            **{cost: own_costs.loc[name, cost] for cost in ("ms per picture", "peak MB")},
            "learns": MODELS[name].learns,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def recommended(runs: Mapping[str, Sequence[ResultTable]], table: pd.DataFrame) -> pd.DataFrame:
    """A row for each of `NEEDS`: which of the `entries` ``table`` it leaves, the best of them, its value, the second
    best and by how much the first is better, pair by pair, with the columns of `Difference`.

    The gap is of the same pictures in every resample, of false alarms of the same categories. Between two worst
    categories, which are not the same, there is none with an interval, and where one method is left no gap (nan).
    """
    whole = flat_models(runs)
    of_means = pd.DataFrame(whole[whole["category"] == "mean"]).drop(columns="category")
    columns: dict[str, dict[str, Any]] = {str(name): own.to_dict() for name, own in table.items()}
    rows = []
    for need in NEEDS:
        left = [name for name, learns in columns["learns"].items() if not (need.untrained and learns)]
        if need.cost:
            least = min(columns[need.cost][name] for name in left)
            left = [name for name in left if columns[need.cost][name] <= NEAR * least]
        measured = {name: float(columns[need.metric][name]) for name in left}
        known = [name for name, value in measured.items() if np.isfinite(value)]
        if not known:
            continue
        first, *others = sorted(known, key=lambda name: measured[name] if need.metric == ALARMS else -measured[name])
        second = others[0] if others else ""
        rows.append(
            {
                "need": need.name,
                "of": len(left),
                "method": first,
                "measured": need.metric,
                "value": measured[first],
                "before": second,
                **vars(_gap(need.metric, first, second, measured, of_means, runs)),
            }
        )
    return pd.DataFrame(rows)


def _gap(
    metric: str,
    first: str,
    second: str,
    measured: Mapping[str, float],
    of_means: pd.DataFrame,
    runs: Mapping[str, Sequence[ResultTable]],
) -> Difference:
    unknown = [float("nan")] * 5
    if not second:
        return Difference(float("nan"), *unknown)
    if metric == ALARMS:
        return (category_mean(_alarms(runs[second])) - category_mean(_alarms(runs[first]))).difference_or_nan()
    if metric == WORST:
        return Difference(measured[first] - measured[second], *unknown)
    of = samples(of_means, metric, "model")
    return (of[first] - of[second]).difference_or_nan()


def _alarms(own: Sequence[ResultTable]) -> list[pd.Series]:
    return [alarms_by_category(table).dropna() for table in own]
