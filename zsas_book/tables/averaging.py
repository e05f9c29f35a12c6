"""What passes spent on changed copies or on parts of a picture give beside a single one: tables and sentences."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from zsas_lib.evaluation.paired import over_categories, paired
from zsas_lib.evaluation.sampled import in_points
from zsas_lib.evaluation.tables import MEAN, ResultTable
from zsas_lib.robustness.averaging import COPIES, SINGLE, passes_of
from zsas_lib.robustness.robust_training import changes

from ..labels import label
from ..words import beyond, how_sure, listed, points
from .robust_training import share_in_words

Runs = Mapping[str, Mapping[str, Sequence[ResultTable]]]
"""Tables of `evaluate` by model and by way, one for each training."""
CLAIMS = [
    {
        "paper": "S",
        "claim": "Augmentations at test time could raise what each type of object scores (sec. 4, of few-shot models)",
        "here": "Tested for zero-shot models and copies that are the same for all pictures, by category; the best "
        "single change of each category is on another page.",
    },
]
"""What paper S says of this; it prints no number."""


def means(runs: Runs, metric: str) -> pd.DataFrame:
    """Every way's mean over categories beside the single pass, paired: columns model, way, passes (of a picture), mean
    in percent, gap, se, low, high and power in points, agree (a fraction)."""
    rows = []
    for model, own in runs.items():
        for way, tables in own.items():
            row: dict[str, object] = {"model": model, "way": way, "passes": passes_of(way)}
            row["mean"] = 100 * float(np.mean([table.loc[MEAN, metric] for table in tables]))
            rows.append(row | _gap(tables, own[SINGLE], metric, MEAN))
    return pd.DataFrame(rows)


def categories(runs: Runs, metric: str, fit: pd.Series) -> pd.DataFrame:
    """What each way but the first gains in every category, in points: columns model, way, category, turns (whether it
    may be turned by any angle, of ``fit``; None where nobody says so), and those of `means` from gap on."""
    rows = []
    for model, own in runs.items():
        for way, tables in own.items():
            for category in tables[0].index.drop(MEAN) if way != SINGLE else []:
                facts = {"model": model, "way": way, "category": category, "turns": fit.get(category)}
                rows.append(facts | _gap(tables, own[SINGLE], metric, category))
    return pd.DataFrame(rows)


def _gap(one: Sequence[ResultTable], other: Sequence[ResultTable], metric: str, category: str) -> dict[str, float]:
    found = paired(one, other)
    row = found[(found.category == category) & (found.metric == metric)].iloc[0]
    return in_points(row)


def panels_of(rows: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """The rows of `categories` as what `figures.dot_panels` draws: a series for each way, a panel for each model."""
    parts = ({}, {})
    for way, own in rows.groupby("way", sort=False):
        for part, column in zip(parts, ("gap", "se")):
            part[str(way)] = own.pivot(index="category", columns="model", values=column)
    return parts


def at_worst(found: Mapping[str, Mapping[str, Sequence[pd.DataFrame]]], metric: str) -> pd.DataFrame:
    """`robustness.robust_training.changes` of each model's ways, in percent and points, with a column model."""
    parts = []
    for model, own in found.items():
        rows = changes(own, metric, by="way")
        numbers = rows.columns.drop("way")
        parts.append(rows.assign(**{name: 100 * rows[name] for name in numbers}, model=model))
    table = pd.concat(parts, ignore_index=True)
    return table[["model", *table.columns.drop("model")]]


def means_in_words(rows: pd.DataFrame, metric: str) -> list[str]:
    """What as many passes give each way, and whether that is beyond chance, a sentence for each model."""
    sentences = []
    for model, own in rows.groupby("model", sort=False):
        said = []
        for row in own[own.way != SINGLE].itertuples():
            word = beyond(row.low, row.high, "a gain", "a loss", "within chance")
            sure = how_sure(row.low, row.high, row.agree, row.power)
            said.append(f"{row.way} {points(row.gap)} points for {row.passes} passes, {word} ({sure})")
        first = own[own.way == SINGLE]["mean"].iloc[0]
        sentences.append(f"{label(str(model))}, {first:.1f} % {label(metric)} in a single pass: {'; '.join(said)}.")
    return sentences


def kinds_in_words(runs: Runs, metric: str, fit: pd.Series) -> list[str]:
    """Which objects may be turned by any angle (``fit``), and whether copies serve them otherwise than the others, over
    categories and trainings, a sentence for each model and way."""
    sentences = []
    tested = next(iter(next(iter(runs.values())).values()))[0].index.drop(MEAN)
    for model, own in runs.items():
        for way in [way for way in own if way in COPIES]:
            pairs = zip(own[way], own[SINGLE], strict=True)
            gaps = [100 * (table[metric] - single[metric]).drop(index=MEAN) for table, single in pairs]
            parts = []
            for turns, kind in ((True, "may be turned"), (False, "may not")):
                names = [name for name in gaps[0].index if fit.get(name) is not None and fit[name] == turns]
                if len(names) > 1:
                    sure = over_categories(*(gap[names] for gap in gaps))
                    parts.append(
                        f"{points(sure.gap)} points in {len(names)} categories that {kind} "
                        f"({points(sure.low)} to {points(sure.high)})"
                    )
            if parts:
                sentences.append(f"{label(model)}, {way}: {' and '.join(parts)}.")
    may, not_ = ([name for name in tested if name in fit and fit[name] == turns] for turns in (True, False))
    kinds = f"May be turned by any angle: {listed(may)}; may not: {listed(not_)}."
    return [kinds, *sentences] if sentences else []


def worst_in_words(rows: pd.DataFrame, metric: str) -> list[str]:
    """How much of the gap to its own worst case each way closes, a sentence each."""
    sentences = []
    for row in rows[rows.way != SINGLE].itertuples():
        word = beyond(row.closed_low, row.closed_high, "beyond chance", "wider beyond chance", "within chance")
        sure = how_sure(row.closed_low, row.closed_high, row.closed_agree / 100, row.closed_power)
        sentences.append(
            f"{label(row.model)}, {row.way}: the gap of {label(metric)} to its own worst case closes by "
            f"{points(row.closed_gap)} points, {share_in_words(row.share)}{word} ({sure})."
        )
    return sentences
