"""What the chapter on learned sentences in windows shows and says of paired differences (`studies.hybrids`)."""

from collections.abc import Sequence

import pandas as pd

from zsas_lib.models import BEST_TRIVIAL
from zsas_lib.studies.hybrids import METRICS, TAKEN, TRAINED

from ..labels import label
from ..words import beyond, counted, how_sure, listed, points

WINDOWS = "winclip"


def pairs_of(learners: Sequence[str]) -> list[tuple[str, str]]:
    """Of each model that learns sentences: its hybrids against itself, against WinCLIP, and against each other."""
    pairs = []
    for name in learners:
        taken, trained = (form.format(label(name)) for form in (TAKEN, TRAINED))
        pairs += [(taken, name), (taken, WINDOWS), (trained, taken), (trained, name), (trained, WINDOWS)]
    return pairs


def named_pairs(differences: pd.DataFrame) -> pd.DataFrame:
    """With a column ``pair`` in front, "AnomalyCLIP, in windows − WinCLIP"."""
    named = differences.copy()
    named.insert(0, "pair", [f"{label(row.one)} − {label(row.other)}" for row in differences.itertuples()])
    return named


def verdict(differences: pd.DataFrame, scores: pd.DataFrame, learners: Sequence[str]) -> list[str]:
    """What the sentences do as they are, what training in windows adds, and whether a hybrid is worth it: all from
    AUPRO and image AUROC, pair by pair."""
    said = []
    for name in learners:
        taken, trained = (form.format(label(name)) for form in (TAKEN, TRAINED))
        said += [
            f"{taken}, against WinCLIP's hand-written sentences: {_gaps(differences, taken, WINDOWS)}.",
            f"Training in windows changes {label(name)}'s by {_gaps(differences, trained, taken)},"
            f" and leaves them, against WinCLIP, at {_gaps(differences, trained, WINDOWS)};"
            f" against {label(name)} itself, at {_gaps(differences, trained, name)}.",
        ]
    return [*said, _worth(differences, scores, learners)]


def _gaps(differences: pd.DataFrame, one: str, other: str) -> str:
    """AUPRO and image AUROC of a pair, with how sure each is."""
    parts = []
    for metric in ("aupro", "image_auroc"):
        row = _row(differences, one, other, metric)
        sure = how_sure(row["low"], row["high"], row["agree"], row["power"])
        judged = ", within chance" if row["low"] <= 0 <= row["high"] else ""
        ups = f"above in {row['ups']} of {counted(int(row['of']), 'category')}"
        parts.append(f"{points(row['gap'])} points of {label(metric)} ({sure}{judged}; {ups})")
    return " and ".join(parts)


def _worth(differences: pd.DataFrame, scores: pd.DataFrame, learners: Sequence[str]) -> str:
    """Which hybrids are above both of their parents beyond chance, and whether any is above the best trivial map."""
    won = []
    for name in learners:
        for hybrid in (form.format(label(name)) for form in (TAKEN, TRAINED)):
            for metric in METRICS:
                rows = [_row(differences, hybrid, parent, metric) for parent in (name, WINDOWS)]
                if all(beyond(row["low"], row["high"], "above", "below", "") == "above" for row in rows):
                    won.append(f"{hybrid} ({label(metric)})")
    below = [
        label(str(name))
        for name in scores.index.drop(BEST_TRIVIAL)
        if "window" in str(name) and scores.loc[name, "aupro"] <= scores.loc[BEST_TRIVIAL, "aupro"]
    ]
    trivial = f" Not above the best trivial map by AUPRO: {listed(below)}." if below else ""
    if not won:
        of = counted(len(METRICS), "metric")
        return f"No hybrid is above both of its parents beyond chance, by any of {of}.{trivial}"
    return f"Above both of its parents beyond chance: {listed(won)}.{trivial}"


def _row(differences: pd.DataFrame, one: str, other: str, metric: str) -> pd.Series:
    found = (differences["one"] == one) & (differences["other"] == other) & (differences["metric"] == metric)
    return differences[found].iloc[0]
