"""What models score above maps without a model: tables, sentences, and what papers print beside them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.evaluation.paired import paired
from zsas_lib.evaluation.tables import MEAN, ResultTable, over_runs
from zsas_lib.metrics import METRICS
from zsas_lib.models import BEST_TRIVIAL
from zsas_lib.papers.comparable import comparable
from zsas_lib.papers.rivals import Rivals
from zsas_lib.studies.trivial import CHOSEN

from ..labels import label
from ..words import counted, listed, points
from .beside import beside_reported

Runs = Mapping[str, Sequence[ResultTable]]
"""Tables of `evaluate` by model, one for each training."""

FOLLOWING = ("pixel_iou", "aupro_200")
"""Metrics that say what another one says: IoU follows from F1-max, the legacy AUPRO is meant to be AUPRO."""


def mean_scores(runs: Runs, trivial: Mapping[str, ResultTable]) -> pd.DataFrame:
    """The means over categories of models and trivial maps, a row each, in percent; of several runs the mean."""
    rows = {name: over_runs(own).loc[MEAN] for name, own in runs.items()}
    rows |= {name: table.loc[MEAN] for name, table in trivial.items()}
    columns = [column for column in next(iter(trivial.values())) if column not in FOLLOWING]
    return 100 * pd.DataFrame(rows).T[columns].astype(float).rename_axis("map")


def what_is_left(runs: Runs, best: ResultTable, metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """How far models are above the best trivial map, a row for each category, their mean, and each metric and model.

    Columns: category, metric, model, trivial and score (percent), above, se, low and high (points, by
    `evaluation.paired`), agree (the share of replicates with the sign of above, percent), power (points), left (the
    share of the score that is above the trivial map's, percent, nan of a score of 0). Metrics are those with replicates
    and a best map that do not follow from others; those of pixels have none where there are no masks.
    """
    parts = []
    for name, own in runs.items():
        found = paired(own, [best])
        found = found[found.metric.isin(metrics if metrics is not None else found.metric)]
        measured = found.metric.isin(best.attrs[CHOSEN]) & ~found.metric.isin(FOLLOWING)
        found = found[measured].rename(columns={"gap": "above"})
        scores = over_runs(own)
        found.insert(2, "model", name)
        cells = list(zip(found.category, found.metric))
        found.insert(3, "trivial", [best.loc[cell] for cell in cells])
        found.insert(4, "score", [scores.loc[cell] for cell in cells])
        found["left"] = found.above / found.score.where(found.score > 0)
        parts.append(found)
    table = pd.concat(parts, ignore_index=True)
    numbers = table.columns.drop(["category", "metric", "model"])
    return table.assign(**{column: 100 * table[column] for column in numbers})


def left_in_mean(left: pd.DataFrame, best: ResultTable) -> pd.DataFrame:
    """The mean's rows of `what_is_left` as a page shows them, each metric with the trivial map that is best by it."""
    rows = left[left.category == MEAN].drop(columns="category")
    rows.insert(1, "best trivial map", [best.attrs[CHOSEN][metric] for metric in rows.metric])
    order = {metric: place for place, metric in enumerate(rows.metric.unique())}
    return rows.sort_values("metric", key=lambda names: names.map(order), kind="stable").reset_index(drop=True)


def fooled(left: pd.DataFrame) -> pd.Series:
    """The share of a model's mean that the best trivial map has too, the mean over models, by metric in percent; what
    is hardest to fool comes first. Models whose mean is 0 take no part, nor metrics by which all are at 0."""
    rows = left[(left.category == MEAN) & (left.score > 0)]
    share = (100 * rows.trivial / rows.score).groupby(rows.metric).mean()
    return share.sort_values().rename("share of a model's number that a trivial map has")


def fooled_in_words(left: pd.DataFrame) -> list[str]:
    """Which metrics are hardest to fool, where pixel AUROC stands among them, and who takes no part (`fooled`)."""
    share = fooled(left)
    order = listed([f"{label(name)} ({value:.0f} %)" for name, value in share.items()])
    none = left[(left.category == MEAN) & ~(left.score > 0)]
    at_zero = [f"{label(str(row.model))} ({label(str(row.metric))})" for row in none.itertuples()]
    order_of = {metric: place for place, metric in enumerate(share.index, start=1)}
    return [
        f"The best trivial map has this much of what a model has, from the metric that is hardest to fool to the "
        f"easiest: {order}.",
        f"Pixel AUROC is number {order_of['pixel_auroc']} of {len(share)}." if "pixel_auroc" in order_of else "",
        f"A model with a mean of 0 takes no part: {listed(at_zero)}." if at_zero else "",
    ]


def above_in_words(left: pd.DataFrame, best: ResultTable, metrics: Sequence[str]) -> list[str]:
    """How far each model's mean is above the best trivial map, with what chance leaves open, a sentence each, and in
    how many categories."""
    return [_above(name, rows, best, metrics) for name, rows in left.groupby("model", sort=False)]


def _above(name: str, rows: pd.DataFrame, best: ResultTable, metrics: Sequence[str]) -> str:
    said = []
    for metric in [metric for metric in metrics if metric in set(rows.metric)]:
        own = rows[rows.metric == metric]
        mean, single = own[own.category == MEAN].iloc[0], own[own.category != MEAN]
        clear, below = (single.low > 0).sum(), (single.high < 0).sum()
        judged = ", within chance" if mean.low <= 0 <= mean.high else ""
        over = label(best.attrs[CHOSEN][metric])
        said.append(
            f"{points(mean.above)} points of {label(metric)} over {over} ({_interval(mean)}{judged}; above it beyond "
            f"chance in {clear} and below in {below} of {counted(len(single), 'category')})"
        )
    return f"{label(name)} against the best trivial map: {'; '.join(said)}."


def _interval(row: pd.Series) -> str:
    return "no interval" if np.isnan(row.low) else f"95 % interval {points(row.low)} to {points(row.high)}"


def printed_above(
    printed: Rivals, runs: Runs, best: ResultTable, pictures: AnomalyDataset, notes: Mapping[str, str]
) -> pd.DataFrame:
    """Every pixel metric that paper V prints of methods on a data set, in percent, beside the page's own mean and that
    of the best trivial map on the page's ``pictures``, and whether the first two can be compared; ``notes`` say by
    model why not. How far a printed number is above the trivial map is said only where both are of the same pictures.
    """
    same = not comparable("V", printed.tables[0], pictures)
    ours = {label(name): over_runs(own).loc[MEAN] for name, own in runs.items()}
    own_notes = {label(name): note for name, note in notes.items()}
    rows = []
    for metric in [column for column in printed.numbers if column in best and METRICS[column].level == "pixel"]:
        trivial = 100 * best.loc[MEAN, metric]
        for name, value in printed.numbers[metric].items():
            rows.append(
                {
                    "claim": f"{name}, {label(metric)}",
                    "reported": value,
                    "reproduced": 100 * ours[name][metric] if name in ours else float("nan"),
                    "best trivial map": trivial,
                    "reported above it": value - trivial if same else float("nan"),
                    "note": own_notes.get(name, ""),
                }
            )
    return beside_reported(rows)


def with_best(table: pd.DataFrame, best: pd.DataFrame) -> pd.DataFrame:
    """A model's table of categories with one more row, the mean of the best trivial map."""
    own = best.loc[[MEAN]].rename(index={MEAN: BEST_TRIVIAL})
    return pd.concat([pd.DataFrame(table), pd.DataFrame(own)[[column for column in table if column in own]]])
