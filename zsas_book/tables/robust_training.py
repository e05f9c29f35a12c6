"""What trainings under perturbations close of the gap to the worst case, and at what cost: tables and sentences."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from zsas_lib.evaluation.paired import over_categories
from zsas_lib.robustness.robust_training import CHANGES, TRAININGS, changes
from zsas_lib.robustness.robust_training import points as points_of

from ..labels import label
from ..words import beyond, listed, points

CLAIMS = [
    {
        "paper": "S",
        "claim": "Models are not trained with heavy augmentation; future work could put semantic augmentations into "
        "training (sec. 4)",
        "here": "Done for what a model learns beside the frozen backbone, see the table; the backbone itself is not "
        "trained anew.",
    },
]
"""What paper S says of this; it prints no number."""
PANELS = {"clean": "pictures as they are", "worst": "worst cases", "closed": "gap closed"}
FACTS = ["model", "training", "points", "looks"]


def over_models(
    found: Mapping[str, Mapping[str, Sequence[pd.DataFrame]]], metric: str, glances: Mapping[str, bool]
) -> pd.DataFrame:
    """`robustness.robust_training.changes` of each model, in percent and points, a row for each model and training,
    with how many points of a picture there are (``points``) and how many of them a step looks at (``looks``), cheaply
    where the model ``glances``."""
    parts = []
    for model, own in found.items():
        rows = changes(own, metric)
        numbers = rows.columns.drop("training")
        rows[numbers] = 100 * rows[numbers]
        rows.insert(0, "model", model)
        rows.insert(2, "points", [points_of(str(name), glances[model]) for name in rows["training"]])
        rows.insert(3, "looks", [TRAININGS[str(name)]["looks"] for name in rows["training"]])
        parts.append(rows)
    return pd.concat(parts, ignore_index=True)


def panels_of(rows: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """The changes of every model but those of the first training as what `figures.dot_panels` draws."""
    values, errors = {}, {}
    for model, own in rows.groupby("model", sort=False):
        changed = own.iloc[1:].set_index("training")
        for part, parts in (("gap", values), ("se", errors)):
            columns = [f"{what}_{part}" for what in CHANGES]
            parts[str(model)] = changed[columns].set_axis(list(PANELS.values()), axis=1)
    return values, errors


def shown_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The table as the page shows it: what is reached, and the changes that matter with their intervals."""
    named = {f"{what}_{part}": f"{what} {part}" for what in CHANGES for part in ("gap", "low", "high")}
    kept = rows[[*FACTS, "clean", "worst", "gap", "share", *named]].rename(columns=named)
    kept = kept.rename(columns={"clean gap": "clean change", "worst gap": "worst change", "closed gap": "closed"})
    return kept.assign(model=kept["model"].map(label))


def shown_looks(found: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """`robustness.robust_training.looks_against_exact` of each model that glances, in the mean over categories: its
    patches and cost in percent, the rank correlation and what is gained in percent, with their 95 % intervals; without
    rows where none glances."""
    rows = []
    for model, own in found.items():
        row = {"model": label(model), "patches": 100 * own["patches"].mean(), "cost": 100 * own["cost"].mean()}
        for name, unit in (("rank", 1), ("gained", 100)):
            means = unit * own.groupby("category", sort=False)[name].mean()
            sure = over_categories(means) if len(means) > 1 else None
            row[name] = means.mean()
            row |= {f"{name} {end}": getattr(sure, end) if sure else float("nan") for end in ("low", "high")}
        rows.append(row)
    columns = [f"{name}{end}" for name in ("rank", "gained") for end in ("", " low", " high")]
    return pd.DataFrame(rows, columns=["model", "patches", "cost", *columns])


def share_in_words(share: float) -> str:
    """ "43 % of it, ", of a gap that is closed; "" of one that is not open (nan)."""
    return "" if np.isnan(share) else f"{share:.0f} % of it, "


def in_words(rows: pd.DataFrame, metric: str) -> list[str]:
    """For each model and training under perturbations what worst cases and pictures as they are gain or pay, and how
    much of the gap between them closes."""
    sentences = []
    for row in rows[rows["points"] > 1].to_dict("records"):
        said = []
        for what, words in (("worst", "worst cases"), ("clean", "pictures as they are"), ("closed", "gap closed")):
            gap, low, high = (row[f"{what}_{part}"] for part in ("gap", "low", "high"))
            word = beyond(low, high, "a gain", "a loss", "within chance")
            share = share_in_words(row["share"]) if what == "closed" else ""
            said.append(f"{words} {points(gap)} ({share}{word})")
        sentences.append(f"{label(row['model'])}, {row['training']}, points of {label(metric)}: {listed(said)}.")
    return sentences
