"""How far maps follow their pictures, what they lose, and whether the one tells the other: tables and sentences."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from zsas_lib.evaluation.paired import differences, flat_gaps_of_runs
from zsas_lib.perturbations.placement import placement_words
from zsas_lib.robustness.equivariance import foretold, lost

from ..labels import label
from ..words import beyond, counted, listed, points

AGREEMENT = ("cosine", "overlap")


def followed(tables: Mapping[str, Sequence[pd.DataFrame]], metric: str) -> pd.DataFrame:
    """How far maps follow each placement, in the mean over categories and trainings: columns model, placement (in
    words), cosine and overlap with their standard errors over categories and trainings (``_se``), lost (of the metric),
    low and high of its interval, all times 100; nan where a single category has no interval. ``tables`` are
    `equivariance` tables by model, one for each training."""
    rows = []
    for name, own in tables.items():
        columns = [*AGREEMENT, "lost"]
        runs = [table.assign(lost=lost(table, metric)["lost"])[["category", "placement", *columns]] for table in own]
        sure = {}
        for column in columns:
            whole = flat_gaps_of_runs([table[["category", "placement", column]] for table in runs], ["placement"])
            sure[column] = differences(whole, "placement", [column]).set_index("placement")
        for place in sure["lost"].index:
            row: dict[str, object] = {"model": name, "placement": placement_words(str(place))}
            for column in AGREEMENT:
                row |= {column: 100 * sure[column].gap[place], f"{column}_se": 100 * sure[column].se[place]}
            row |= {"lost": 100 * sure["lost"].gap[place]}
            row |= {end: 100 * sure["lost"].loc[place, end] for end in ("low", "high")}
            rows.append(row)
    return pd.DataFrame(rows)


def told_before(tables: Mapping[str, Sequence[pd.DataFrame]], metric: str) -> pd.DataFrame:
    """Spearman's rank correlation over categories between what lacks in agreement and what the metric loses
    (`robustness.equivariance.foretold`): columns model, agreement, rank correlation, low and high of its interval; nan
    for fewer than three categories, which have no ranks. ``tables`` as for `followed`."""
    rows = []
    for name, own in tables.items():
        for column in AGREEMENT:
            ranked = own[0]["category"].nunique() > 2
            found = foretold(*own, agreement=column, metric=metric) if ranked else None
            numbers = {"rank correlation": "gap", "low": "low", "high": "high"}
            numbers = {key: getattr(found, field) if found else np.nan for key, field in numbers.items()}
            rows.append({"model": name, "agreement": column} | numbers)
    return pd.DataFrame(rows)


def panels_of(rows: pd.DataFrame, names: Sequence[str]) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """The rows of `followed` of some models as what `figures.dot_panels` draws: values and errors by model."""
    own = {name: rows[rows.model == name].set_index("placement") for name in names}
    errors = {
        name: part[[f"{c}_se" for c in AGREEMENT]].set_axis(list(AGREEMENT), axis=1) for name, part in own.items()
    }
    return {name: part[list(AGREEMENT)] for name, part in own.items()}, errors


def followed_in_words(rows: pd.DataFrame, told: pd.DataFrame, trivial: Sequence[str], metric: str) -> list[str]:
    """Which models follow their pictures, beside maps without a model; where that costs something beyond chance; and
    whether agreement tells it, a sentence each."""
    means = rows.groupby("model", sort=False).cosine.mean().sort_values(ascending=False)
    said = {
        kind: listed([f"{label(str(name))} ({value:.0f})" for name, value in means.items() if (name in trivial) == own])
        for kind, own in (("models", False), ("maps", True))
    }
    sentences = [
        f"In the mean over placements the cosine is, in hundredths, {said['models']}; of maps without a model: "
        f"{said['maps']}. To follow a picture is not to know what is wrong with it."
    ]
    for name, own in rows[~rows.model.isin(trivial)].groupby("model", sort=False):
        lost = [f"{row.placement} ({points(row.lost)})" for row in own.itertuples() if row.low > 0]
        gained = [f"{row.placement} ({points(-row.lost)})" for row in own.itertuples() if row.high < 0]
        sure = f"beyond chance it loses {f'when {listed(lost)}' if lost else 'in no way'}"
        sure += f" and gains when {listed(gained)}" if gained else ""
        sure = "whether that is beyond chance, one category does not tell" if own.low.isna().all() else sure
        rank = told[(told.model == name) & (told.agreement == "cosine")].iloc[0]
        known = "no rank" if np.isnan(rank["rank correlation"]) else f"rank correlation {rank['rank correlation']:.2f}"
        known += "" if np.isnan(rank.low) else f", 95 % interval {rank.low:.2f} to {rank.high:.2f}"
        tells = beyond(
            rank.low,
            rank.high,
            "the cosine tells beyond chance which categories lose",
            "the cosine does not tell beyond chance which categories lose",
            "the cosine does not tell beyond chance which categories lose",
            "so few categories do not show whether the cosine tells which lose",
        )
        sentences.append(
            f"{label(str(name))} {_most(own, metric)}; {sure}, of {counted(len(own), 'placement')}. "
            f"Without labels, {tells} ({known})."
        )
    return sentences


def _most(own: pd.DataFrame, metric: str) -> str:
    """Where a model loses most, or gains least where it loses nowhere."""
    if own.lost.isna().all():
        return f"has no {label(metric)} to lose"
    worst = own.loc[own.lost.idxmax()]
    if points(worst.lost) == points(0.0):
        return f"loses no {label(metric)} in any placement"
    most = "loses most" if worst.lost > 0 else "nowhere loses but gains least"
    return f"{most} {label(metric)} when {worst.placement} ({points(abs(worst.lost))} points)"


CLAIMS = [
    {
        "paper": "T",
        "claim": "CNN towers match two views of a thing better than transformers",
        "here": "Not tested: one tower; views of one thing need correspondences. Agreement under placements stands in.",
    },
    {
        "paper": "S",
        "claim": "A map of a turned picture is measured after it is turned back",
        "here": "The mask is turned along, and so is the map of the picture as it was: both on the same pixels.",
    },
]
"""What papers say that the chapter is near to."""
