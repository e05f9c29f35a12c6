"""What the choice of an epoch is worth: one training, and of its epochs the last, the best on what was held out of the
auxiliary data, and the best on the test data that are then reported, as some authors' programs take it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..data.dataset import AnomalyDataset
from ..evaluation.evaluate import evaluate
from ..evaluation.paired import paired
from ..evaluation.tables import MEAN, ResultTable
from ..models.learned import LearnedModel
from ..models.read_once import towers_read_once
from ..training.fit import fit
from ..training.selection import AUXILIARY, HELD_OUT, LAST, SELECTED_BY, TARGET

COMPARED = ((AUXILIARY, LAST), (TARGET, LAST), (TARGET, AUXILIARY))
"""Which choice is set beside which."""


@dataclass(frozen=True)
class AfterEpoch:
    """A model after one epoch, numbered from 1: its metric on what was held out, and `evaluate` on the test data."""

    epoch: int
    held_out: float
    table: ResultTable


def judging_categories(dataset: AnomalyDataset) -> list[str]:
    """Every fourth category, or the last of fewer."""
    return list(dataset.categories[HELD_OUT - 1 :: HELD_OUT] or dataset.categories[-1:])


def after_each_epoch(
    model: LearnedModel,
    auxiliary: AnomalyDataset,
    pictures: AnomalyDataset,
    held_out: Sequence[str],
    *,
    seeds: Sequence[int] = (0,),
    by: str = SELECTED_BY,
    resamples: int = 200,
    **settings: Any,
) -> list[list[AfterEpoch]]:
    """What trainings on all but the ``held_out`` categories of the auxiliary data, one from each seed, give after each
    of their epochs; ``by`` is the metric on these, and ``settings`` are `fit`'s. The model ends with the last one's
    parameters. Raises as `fit` and `evaluate`."""
    judges = auxiliary.squashed(max(model.backbone.size)).select(held_out)
    trainings: list[list[AfterEpoch]] = []

    def watch(epoch: int, network: LearnedModel) -> None:
        judged = float(evaluate(network, judges, resamples=2).loc[MEAN, by])
        trainings[-1].append(AfterEpoch(epoch, judged, evaluate(network, pictures, resamples=resamples)))

    with towers_read_once():
        for seed in seeds:
            trainings.append([])
            fit(model, auxiliary, seed=seed, held_out=held_out, select=LAST, each_epoch=watch, **settings)
    return trainings


def kept(epochs: Sequence[AfterEpoch], select: str, by: str = SELECTED_BY) -> AfterEpoch:
    """The epoch that `fit` keeps with this ``select``: the first of the best ones, or the last."""
    if select == LAST:
        return epochs[-1]
    return max(epochs, key=lambda own: own.held_out if select == AUXILIARY else float(own.table.loc[MEAN, by]))


def kept_table(runs: Mapping[str, Sequence[Sequence[AfterEpoch]]], metric: str, by: str = SELECTED_BY) -> pd.DataFrame:
    """The test metric after every epoch of every training, by model: columns model, run, epoch, the metric and
    held_out, fractions, and for each selection whether it keeps this epoch."""
    rows = []
    for model, trainings in runs.items():
        for run, epochs in enumerate(trainings):
            picked = {select: kept(epochs, select, by).epoch for select in (LAST, AUXILIARY, TARGET)}
            for own in epochs:
                numbers = {metric: own.table.loc[MEAN, metric], "held_out": own.held_out}
                here = {select: epoch == own.epoch for select, epoch in picked.items()}
                rows.append({"model": model, "run": run, "epoch": own.epoch} | numbers | here)
    return pd.DataFrame(rows)


def gains(
    runs: Mapping[str, Sequence[Sequence[AfterEpoch]]], metrics: Sequence[str], by: str = SELECTED_BY
) -> pd.DataFrame:
    """What one choice of the epoch gains over another on the test data, in the mean over categories, paired: a row for
    each model, pair of `COMPARED` and metric, with the columns model, kept, beside, metric, mean (of ``kept``) and
    those of `paired.Difference`, fractions. ``runs`` has `after_each_epoch` of each model."""
    rows = []
    for model, trainings in runs.items():
        tables = {
            select: [kept(epochs, select, by).table for epochs in trainings] for select in (LAST, AUXILIARY, TARGET)
        }
        for one, other in COMPARED:
            compared = paired(tables[one], tables[other])
            compared = compared[compared.category == MEAN].set_index("metric")
            for metric in metrics:
                mean = sum(float(table.loc[MEAN, metric]) for table in tables[one]) / len(trainings)
                named = {"model": model, "kept": one, "beside": other, "metric": metric, "mean": mean}
                rows.append(named | compared.loc[metric].drop("category").to_dict())
    return pd.DataFrame(rows)
