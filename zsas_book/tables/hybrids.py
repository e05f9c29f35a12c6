"""What the chapter on learned sentences in windows shows and says of paired differences (`studies.hybrids`)."""

from collections.abc import Sequence

import pandas as pd
from IPython.display import Markdown

from zsas_lib.models import BEST_TRIVIAL
from zsas_lib.studies.hybrids import METRICS, TAKEN, TRAINED

from ..labels import label
from ..words import beyond, counted, listed, paragraphs, points, say
from ..words import verdict as judged

WINDOWS = "winclip"
SAID = ("aupro", "image_auroc")
"""The metrics that sentences are about."""


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


def shown_differences(differences: pd.DataFrame) -> pd.DataFrame:
    """The differences that the sentences are about, as the page shows them: pair, metric, points, their interval, agree
    in percent, power, and in how many categories the first is above."""
    own = named_pairs(differences)[differences["metric"].isin(SAID)]
    own = own.assign(metric=own["metric"].map(label), agree=100 * own["agree"])
    own["above in"] = [f"{ups} of {of}" for ups, of in zip(own["ups"], own["of"])]
    return own[["pair", "metric", "gap", "low", "high", "agree", "power", "above in"]].rename(columns={"gap": "points"})


def verdict(differences: pd.DataFrame, scores: pd.DataFrame, learners: Sequence[str]) -> Markdown:
    """Whether a hybrid is worth it, and a paragraph for each model: what its sentences do in windows as they are, and
    what training there adds; all from AUPRO and image AUROC, pair by pair."""
    said = [judged(_worth(differences, scores, learners))]
    for name in learners:
        taken, trained = (form.format(label(name)) for form in (TAKEN, TRAINED))
        said.append(
            say(
                f"{taken}, beside WinCLIP: {_gaps(differences, taken, WINDOWS)}.",
                f"Trained there, beside untrained: {_gaps(differences, trained, taken)}.",
                f"Trained there, beside WinCLIP: {_gaps(differences, trained, WINDOWS)}.",
                f"Trained there, beside {label(name)} on patches: {_gaps(differences, trained, name)}.",
            )
        )
    return paragraphs(said)


def _gaps(differences: pd.DataFrame, one: str, other: str) -> str:
    """AUPRO and image AUROC of a pair, and whether they are within chance."""
    rows = [_row(differences, one, other, metric) for metric in SAID]
    return listed(
        f"{label(str(row['metric']))} {points(row['gap'])}{beyond(row['low'], row['high'], '', '', ' (within chance)')}"
        for row in rows
    )


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
