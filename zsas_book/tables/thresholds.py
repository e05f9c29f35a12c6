"""Probabilities and thresholds that were set on other products: tables and sentences."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from zsas_lib.evaluation.sampled import Sampled
from zsas_lib.robustness.thresholds import (
    MEASURES,
    OWN,
    RULES,
    SOURCES,
    WAYS,
    all_called,
    behind,
    calibration,
    probabilities,
    thresholds,
)

from ..labels import label
from ..words import beyond, listed, points

SHOWN = {"F1": 100.0, "found": 100.0, "false alarms": 100.0}

CLAIMS = [
    {
        "paper": "T",
        "claim": "A temperature fitted on known data also calibrates under shifts",
        "here": "Tested for image scores: fitted on other products, see the table of probabilities.",
    },
    {
        "paper": "T",
        "claim": "CLIP is not always better calibrated than towers trained on labels",
        "here": "Not tested: no tower trained on labels gives an image score here.",
    },
]
"""What papers say that the chapter is near to."""


def calibrated(
    targets: Mapping[str, pd.DataFrame], auxiliary: Mapping[str, pd.DataFrame], native: Mapping[str, bool]
) -> dict[tuple[str, str, str], dict[str, Sampled]]:
    """`calibration` of each model, source and way; of a score that is no probability only the ways that make one."""
    found = {}
    for name, target in targets.items():
        for source in SOURCES:
            if source == SOURCES[1] and target["category"].nunique() < 2:
                continue
            made = probabilities(target, auxiliary[name], native=native[name], source=source)
            kept = {way: own for way, own in made.items() if source == SOURCES[0] or way != WAYS[0]}
            found |= {
                (name, source if way != WAYS[0] else "", way): calibration(target, own) for way, own in kept.items()
            }
    return found


def calibration_table(found: Mapping[tuple[str, str, str], Mapping[str, Sampled]]) -> pd.DataFrame:
    """A row for each model, where it was fitted and how: `MEASURES` (errors and Brier in percent, NLL in nats), each
    with its standard error over resampled categories (``_se``)."""
    rows = []
    for (name, source, way), measured in found.items():
        row: dict[str, object] = {"model": name, "fitted on": source, "probability": way}
        for measure in MEASURES:
            factor = 1.0 if measure == "NLL" else 100.0
            row[measure] = factor * float(measured[measure].values[0])
            row[f"{measure}_se"] = factor * _se(measured[measure])
        rows.append(row)
    return pd.DataFrame(rows)


def behind_thresholds(targets: Mapping[str, pd.DataFrame], auxiliary: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What each threshold gives on each model's target: columns model, threshold, set on, F1, found and false alarms in
    percent, their standard errors (``_se``), and of F1 what it is above calling all damaged, in points, with its 95 %
    interval (above, low, high)."""
    rows = []
    for name, target in targets.items():
        nothing = all_called(target)
        for rule in RULES:
            for source in (*SOURCES, OWN):
                if source == SOURCES[1] and target["category"].nunique() < 2:
                    continue
                found = behind(target, thresholds(target, auxiliary[name], rule, source))
                row: dict[str, object] = {"model": name, "threshold": rule, "set on": source}
                for count, factor in SHOWN.items():
                    row |= {count: factor * float(found[count].values[0]), f"{count}_se": factor * _se(found[count])}
                gap = (found["F1"] - nothing["F1"]).difference_or_nan()
                rows.append(row | {"above": 100 * gap.gap, "low": 100 * gap.low, "high": 100 * gap.high})
    return pd.DataFrame(rows)


def mended_in_words(
    found: Mapping[tuple[str, str, str], Mapping[str, Sampled]], native: Mapping[str, bool]
) -> list[str]:
    """Of every score that is a probability as it comes, whether what was fitted on the auxiliary data makes it better
    on the target, by NLL, pair by pair; a sentence each."""
    sentences = []
    for name in [name for name, own in native.items() if own]:
        before, said = found[(name, "", WAYS[0])], []
        for way in WAYS[1:]:
            gap = (found[(name, SOURCES[0], way)]["NLL"] - before["NLL"]).difference_or_nan()
            word = beyond(gap.low, gap.high, "worse", "better", "within chance")
            sure = "no interval" if np.isnan(gap.low) else f"95 % interval {gap.low:+.3f} to {gap.high:+.3f}"
            said.append(f"{way} {gap.gap:+.3f} ({word}, {sure})")
        error = 100 * before["ECE"].values[0]
        sentences.append(
            f"{label(name)} as it comes has a calibration error of {error:.0f} %. Fitted on the auxiliary data, its "
            f"negative log-likelihood changes by: {'; '.join(said)}."
        )
    if none := [name for name, own in native.items() if not own]:
        sentences.append(f"No probability as it comes, so that only Platt's sigmoid makes one: {listed(none)}.")
    return sentences


def carried_in_words(rows: pd.DataFrame) -> list[str]:
    """What a threshold for 5 % false alarms on the auxiliary data lets through on the target, and what the one of the
    largest F1 gives beyond calling all damaged; a sentence for each model."""
    best, alarms = tuple(RULES)
    sentences = []
    for name, own in rows.groupby("model", sort=False):
        place = own.set_index(["threshold", "set on"]).sort_index()
        carried, had = place.loc[(best, SOURCES[0])], place.loc[(best, OWN)]
        let = place.loc[(alarms, SOURCES[0])]
        word = beyond(carried.low, carried.high, "above", "below", "within chance of")
        sentences.append(
            f"{label(str(name))}: set for 5 % false alarms on the auxiliary data, {let['false alarms']:.0f} % of the "
            f"sound pictures are called damaged here, and {let['found']:.0f} % of the damaged ones. The threshold of "
            f"the largest F1 there gives {carried['F1']:.1f} here, {points(carried['F1'] - had['F1'])} points to the "
            f"best to be had, and {word} calling all damaged ({points(carried['above'])})."
        )
    return sentences


def _se(number: Sampled) -> float:
    return number.difference_or_nan().se
