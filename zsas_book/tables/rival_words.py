"""What the chapter on VCP-CLIP+ and its rivals says of its numbers; tables are in percent, a row per method."""

from collections.abc import Mapping, Sequence

import pandas as pd

from zsas_lib.evaluation.paired import samples

from ..labels import label
from ..words import leading, points


def leads_in_words(means: pd.DataFrame, printed: pd.DataFrame, metrics: Sequence[str]) -> list[str]:
    """Who leads in each metric, by how much and how surely, here and who in V, whose AUPRO is the legacy one. ``means``
    is the flat table of means over categories (`studies.variants.mean_replicates`)."""
    of_v = printed.rename(columns={"aupro_200": "aupro"})
    return [
        f"In {label(metric)} {leading(samples(means, metric, 'variant'))}; in V {of_v[metric].idxmax()} leads."
        for metric in metrics
    ]


def leaders_in_words(values: pd.DataFrame, places: Mapping[str, str]) -> str:
    """Whose value is the highest in each column, which ``places`` puts in words: "WinCLIP by both", or "WinCLIP by the
    one, VCP-CLIP by the other"."""
    names = {place: values[column].idxmax() for column, place in places.items()}
    if len(set(names.values())) == 1:
        return f"{next(iter(names.values()))} by {'both' if len(names) == 2 else 'all'}"
    return ", ".join(f"{name} {place}" for place, name in names.items())


def scores_in_words(scores: pd.DataFrame, printed: pd.DataFrame) -> list[str]:
    """What the choice of an image score does: image AUROC by method (rows) and score, ours and V's."""
    called = {"own": "by the own", "top 2000": "by the 2000 highest pixels", "top 1": "by the highest"}
    shift = scores.max(axis=1) - scores.min(axis=1)
    sentences = [
        f"Of the three scores the leader is {leaders_in_words(scores, called)}.",
        f"The choice moves {shift.idxmax()} most, by {shift.max():.1f} points of image AUROC.",
    ]
    if "top 1" in printed:
        moved = printed["top 1"] - printed["top 2000"]
        most = moved.abs().idxmax()
        leads = leaders_in_words(printed, {"top 2000": "by the one", "top 1": "by the other"})
        sentences.append(
            f"In V's Tables 6 and 7 the score moves {most} most, by {points(moved[most])}, and its leader is {leads}."
        )
    return sentences


def rates_in_words(rates: pd.DataFrame, printed: pd.DataFrame) -> list[str]:
    """Between which rates (tpr, tnr) the methods lie, and V's, if it has rows."""
    sentences = [
        f"On average over seeds between {rates.tpr.min():.0f} and {rates.tpr.max():.0f} % of the damaged pictures "
        f"are found while {rates.tnr.min():.0f} to {rates.tnr.max():.0f} % of the sound ones pass."
    ]
    if len(printed):
        lowest = "the lowest" if printed.tnr.idxmin() == printed.tpr.idxmax() else "not the lowest"
        sentences.append(
            f"V prints {printed.tpr.min()} to {printed.tpr.max()} % found and {printed.tnr.min()} to "
            f"{printed.tnr.max()} % passed; the highest hit rate there is {printed.tpr.idxmax()}'s, with {lowest} "
            "share passed."
        )
    return sentences
