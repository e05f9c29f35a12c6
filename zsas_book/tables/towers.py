"""What one head gives on many towers: paired differences, what pooled windows save and cost, and sentences of both."""

from collections.abc import Mapping, Sequence

import pandas as pd

from zsas_lib.evaluation.paired import paired
from zsas_lib.evaluation.tables import MEAN, ResultTable
from zsas_lib.models import BEST_TRIVIAL
from zsas_lib.studies.towers import RANDOM, Entry

from ..labels import label
from ..words import beyond, how_sure, listed, points

POINTS = ("gap", "se", "low", "high", "power")
FIRST_SENTENCE = ". "


def against_first(entries: Sequence[Entry], metrics: Sequence[str]) -> pd.DataFrame:
    """How far every entry is above the first tower's entry of the same model and windows, on the same pictures.

    A row for each entry but those, and each metric: tower, grid, model, windows, metric, and the mean's difference by
    `evaluation.paired`: gap, se, low, high and power in points, agree in percent. Entries whose windows the first tower
    does not make have none.
    """
    first = {(entry.model, entry.windows): entry for entry in reversed(entries) if entry.tower == entries[0].tower}
    rows = []
    for entry in entries:
        other = first.get((entry.model, entry.windows))
        if other is not None and other is not entry:
            facts = {"tower": entry.label, "grid": entry.grid, "model": entry.model, "windows": entry.windows}
            rows += _differences(facts, entry, other, metrics)
    columns = ["tower", "grid", "model", "windows", "metric", *POINTS, "agree"]
    return pd.DataFrame(rows, columns=columns)


def pooled_for_encoded(entries: Sequence[Entry], metrics: Sequence[str]) -> pd.DataFrame:
    """What windows pooled from one pass give instead of windows encoded one by one, for each tower that does both.

    Rows and columns as in `against_first`, without windows, and saved: how many times the operations encoded windows
    take of those of pooled ones, and faster: the same of the time.
    """
    encoded = {(e.label, e.grid, e.model): e for e in entries if e.windows == "encoded"}
    rows = []
    for entry in entries:
        other = encoded.get((entry.label, entry.grid, entry.model))
        if entry.windows == "pooled" and other is not None:
            facts = {"tower": entry.label, "grid": entry.grid, "model": entry.model}
            ratios = {
                "saved": other.cost["GFLOP"] / entry.cost["GFLOP"],
                "faster": other.cost["ms"] / entry.cost["ms"],
            }
            rows += [row | ratios for row in _differences(facts, entry, other, metrics)]
    columns = ["tower", "grid", "model", "metric", *POINTS, "agree", "saved", "faster"]
    return pd.DataFrame(rows, columns=columns)


def _differences(facts: Mapping[str, object], entry: Entry, other: Entry, metrics: Sequence[str]) -> list[dict]:
    found = paired([entry.table], [other.table])
    found = found[(found.category == MEAN) & found.metric.isin(metrics)]
    scaled = found.assign(**{name: 100 * found[name] for name in (*POINTS, "agree")}).drop(columns="category")
    return [{**facts, **row} for row in scaled.to_dict("records")]


def with_trivial(table: pd.DataFrame, best: ResultTable, metrics: Sequence[str]) -> pd.DataFrame:
    """`entry_table` with a last row for the best map without a model by each metric, in percent."""
    row: dict[str, object] = {"tower": "", "model": BEST_TRIVIAL}
    row |= {metric: 100 * float(best.loc[MEAN, metric]) for metric in metrics}
    return pd.concat([table.astype({"grid": object}), pd.DataFrame([row])], ignore_index=True).fillna({"family": ""})


def with_errors(differences: pd.DataFrame) -> pd.DataFrame:
    """The table as a page shows it, its standard errors beside the differences (`errors_of`)."""
    return differences.drop(columns="se")


def errors_of(differences: pd.DataFrame) -> pd.DataFrame:
    return differences[["se"]].set_axis(["gap"], axis=1)


def absent_in_words(absent: Mapping[str, str]) -> list[str]:
    """The towers that are left out, a sentence each with the first sentence of why."""
    named = [f"{name} is not at hand: {why.partition(FIRST_SENTENCE)[0].rstrip('.')}." for name, why in absent.items()]
    return named or ["Every tower on this page's list was at hand."]


def towers_in_words(table: pd.DataFrame, differences: pd.DataFrame, metric: str) -> list[str]:
    """Which tower has the highest mean of a metric, from `entry_table`, which differ from the first beyond chance, and
    where random weights stand."""
    trained = table[~table.tower.str.endswith(RANDOM)]
    drawn = table[table.tower.str.endswith(RANDOM)]
    sentences = []
    if len(trained):
        best = trained.loc[trained[metric].idxmax()]
        grids = trained.grid.nunique()
        many = trained.tower.nunique()
        among = (
            f"Of {many} towers and variants that were trained" if many > 1 else "Of what the one trained tower gives"
        )
        sentences.append(
            f"{among}, {f'on {grids} grids of patches, ' if grids > 1 else ''}"
            f"{best.tower} with {best.windows or 'its own'} windows has the highest {label(metric)}, "
            f"{best[metric]:.1f} %, for {best.GFLOP:.1f} GFLOP a picture."
        )
    own = differences[(differences.metric == metric) & ~differences.tower.str.endswith(RANDOM)]
    if len(own):
        named, below = (
            [
                f"{row.tower} ({row.grid} x {row.grid} patches, {row.windows} windows, {points(row.gap)})"
                for row in own[chosen].itertuples()
            ]
            for chosen in (own.low > 0, own.high < 0)
        )
        apart = f"clearly above {listed(named)}, clearly below {listed(below)}; the rest is within its interval"
        apart = "whether any differs beyond chance, one category does not tell" if own.low.isna().all() else apart
        sentences.append(
            f"Against the first, {table.tower.iloc[0]}, with the same windows, in {label(metric)} and points: {apart}."
        )
    if len(drawn):
        low, high = drawn[metric].min(), drawn[metric].max()
        sentences.append(f"Random weights, of one draw each, give {low:.1f} to {high:.1f} %: the floor of this table.")
    return sentences


def pooled_in_words(saving: pd.DataFrame, metrics: Sequence[str]) -> list[str]:
    """What pooled windows save and what they cost in quality, a sentence for each trained tower, behind one about
    metrics that are the same for both kinds of windows; random weights are left out."""
    rows = saving[~saving.tower.str.endswith(RANDOM)]
    if rows.empty:
        return ["No trained tower here makes both kinds of windows."]
    same = [metric for metric in metrics if (rows.loc[rows.metric == metric, list(POINTS)] == 0).all(axis=None)]
    sentences = [f"The same for both kinds of windows, which take no part in it: {listed(same)}."] if same else []
    for (tower, grid, _), own in rows.groupby(["tower", "grid", "model"], sort=False):
        said = []
        for metric in [metric for metric in metrics if metric not in same]:
            row = own[own.metric == metric].iloc[0]
            sure = how_sure(row.low, row.high, row.agree / 100, row.power)
            found = beyond(row.low, row.high, "a gain", "a loss", "within chance")
            said.append(f"{label(metric)} {points(row.gap)} points, {found} ({sure})")
        share = 100 / own.iloc[0].saved
        sentences.append(
            f"{tower}, {grid} x {grid} patches: pooled windows take {share:.0f} % of the operations that encoded ones "
            f"take. {'; '.join(said)}{'.' if said else ''}".strip()
        )
    return sentences
