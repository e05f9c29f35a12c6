"""What maps without a model score, and the best of them as one table to set beside any model's.

The best one is chosen for each metric by its mean over the categories, on the very pictures that are measured: that
favours the trivial maps, so what a model has above it is not too much.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd

from ..data.dataset import AnomalyDataset, read_once
from ..data.load import load_dataset
from ..evaluation.replicates import REPLICATE
from ..evaluation.tables import ERROR, MEAN, REPLICATES, Replicated, ResultTable
from ..metrics.metric import METRICS
from ..models import list_trivial_maps
from ..models.load import load_model
from ..models.prediction import AnomalyModel
from ..models.trivial import MeanGroundTruth
from ..store.results import stored

CHOSEN = "chosen"
"""Of a table's ``attrs``: which map each metric is that of, by its name."""


def trivial_maps(masks: AnomalyDataset) -> dict[str, AnomalyModel]:
    """Every trivial map by its name, ready for the data set of ``masks``, which has all of its categories.

    Where no more than one of them has masks there is no mean ground truth of others, and no such map.
    """
    maps = {}
    several = len({record.category for record in masks.records if record.mask_path is not None}) > 1
    for name in list_trivial_maps():
        model = load_model(name)
        if isinstance(model, MeanGroundTruth):
            if not several:
                continue
            model.remember_masks(masks)
        maps[name] = model
    return maps


def trivial_tables(
    function: Callable[..., pd.DataFrame],
    pictures: AnomalyDataset,
    *arguments: Any,
    store: Path | None = None,
    **options: Any,
) -> dict[str, pd.DataFrame]:
    """``stored(function, map, pictures, ...)`` for every trivial map; masks are those of the whole data set that the
    pictures are of, read from where they lie. Raises as `stored` and `load_dataset`."""
    maps = trivial_maps(load_dataset(pictures.name, pictures.root, mask_rule=pictures.mask_rule))
    with read_once():
        return {
            name: stored(function, map_, pictures, *arguments, store=store, **options) for name, map_ in maps.items()
        }


def best_trivial(
    function: Callable[..., pd.DataFrame],
    pictures: AnomalyDataset,
    *arguments: Any,
    by: Sequence[str] = (),
    store: Path | None = None,
    **options: Any,
) -> pd.DataFrame:
    """`best_of` all `trivial_tables`: what a page sets beside its models' own tables of the same function."""
    return best_of(trivial_tables(function, pictures, *arguments, store=store, **options), by=by)


def best_of(tables: Mapping[str, pd.DataFrame], *, by: Sequence[str] = ()) -> pd.DataFrame:
    """Tables of one function and the same pictures as one: each metric is that of the map whose mean over the
    categories is best, apart for each setting in the columns ``by``.

    A metric's standard errors and replicates are of the same map. What has no function, such as rates at a threshold,
    or no best is nan. ``attrs["chosen"]`` has the maps' names by metric, for the first setting. Raises ValueError for
    tables with other rows than the first.
    """
    first = next(iter(tables.values()))
    if isinstance(first, ResultTable):
        return _best_result(tables)
    keys = [column for column in first if _metric(column) is None]
    if not all(table[keys].equals(first[keys]) for table in tables.values()):
        raise ValueError(f"Expected tables with the same rows, {', '.join(keys)}; got others of {', '.join(tables)}.")
    groups = [part.index for _, part in first.groupby(list(by), sort=False)] if by else [first.index]
    parts, replicates, chosen = [], [], {}
    for rows in groups:
        own = {name: table.loc[rows] for name, table in tables.items()}
        means = {name: table[table["category"] == MEAN].mean(numeric_only=True) for name, table in own.items()}
        winners = _winners(means)
        chosen = chosen or winners
        parts.append(_taken(own, winners).reindex(columns=list(first)).assign(**first.loc[rows, keys]))
        if getattr(first, REPLICATES, None) is not None:
            replicates.append(_taken_replicates(tables, winners, first.loc[rows, list(by)].iloc[:1]))
    best = pd.concat(parts).loc[first.index]
    best.attrs = {**first.attrs, CHOSEN: chosen}
    if getattr(first, REPLICATES, None) is None:
        return best
    attrs, best = best.attrs, Replicated(best)
    best.attrs, best.replicates = attrs, pd.concat(replicates, ignore_index=True)
    return best


def _best_result(tables: Mapping[str, pd.DataFrame]) -> ResultTable:
    first = next(iter(tables.values()))
    winners = _winners({name: table.loc[MEAN] for name, table in tables.items()})
    best = ResultTable(_taken(tables, winners).reindex(columns=list(first)))
    best.spread = _taken({name: table.spread for name, table in tables.items()}, winners)
    replicates = _taken({name: table.replicates for name, table in tables.items()}, winners)
    best.replicates = pd.concat([first.replicates[REPLICATE], replicates], axis=1)
    best.replicates = best.replicates.reindex(columns=list(first.replicates))
    best.per_image = first.per_image[["path", "category", "defect", "is_anomalous", "anomalous_fraction"]]
    best.attrs = {CHOSEN: winners}
    return best


def _winners(means: Mapping[str, pd.Series]) -> dict[str, str]:
    """The map with the best mean of each metric that is computed from maps or scores."""
    table, winners = pd.DataFrame(means), {}
    for metric in table.index:
        record = METRICS.get(metric)
        values = table.loc[metric].dropna()
        if record is not None and record.function is not None and record.evaluated and len(values):
            winners[metric] = values.idxmax() if record.better == "higher" else values.idxmin()
    return winners


def _taken(tables: Mapping[str, pd.DataFrame], winners: Mapping[str, str]) -> pd.DataFrame:
    """The columns of metrics and of their errors, each from the map that won it."""
    metrics = {column: _metric(column) or "" for column in next(iter(tables.values()))}
    return pd.DataFrame(
        {column: tables[winners[metric]][column] for column, metric in metrics.items() if metric in winners}
    )


def _taken_replicates(
    tables: Mapping[str, pd.DataFrame], winners: Mapping[str, str], setting: pd.DataFrame
) -> pd.DataFrame:
    """The replicates of one setting, each metric's from the map that won it."""
    own = {name: cast(Replicated, table).replicates for name, table in tables.items()}
    if len(setting.columns):
        own = {name: rows.merge(setting, on=list(setting)) for name, rows in own.items()}
    first = next(iter(own.values()))
    return first.assign(**_taken(own, winners)).reindex(columns=list(first))


def _metric(column: str) -> str | None:
    """The metric that a column holds, or holds the standard errors of."""
    metric = column if column in METRICS else column.removesuffix(ERROR)
    return metric if metric in METRICS else None
