"""Trainings under perturbations against plain ones: what the worst case then costs, and what pictures as they are do.

Paper S shows how far the worst turn, hue and saturation lower a map, and proposes nothing trained against it. All
trainings here have as many steps on as many pictures; they differ in which copies of the pictures they meet.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..base.errors import UnknownNameError
from ..evaluation.paired import flat_runs
from ..evaluation.sampled import Difference, Sampled
from ..evaluation.tables import MEAN
from ..perturbations import OF_PAPER_S
from ..training.perturbed import COPIES
from .search.whole_sets import NONE, combination_name

PLAIN = "plain"
LOOKS = 4
TRAININGS: Mapping[str, Mapping[str, Any]] = {
    PLAIN: {"perturbed": [], "looks": 1},
    "random": {"perturbed": list(OF_PAPER_S), "looks": 1},
    "worst of looks": {"perturbed": list(OF_PAPER_S), "looks": LOOKS},
}
"""Settings of `training.fit.fit` by name: pictures as they are; copies at random amounts; of `LOOKS` of these the one
whose map is worst."""
CHANGES = ("clean", "worst", "closed")
"""What differs from the plain training: the metric of pictures as they are, that of their worst cases, and by how much
the gap between the two is smaller."""


def trainings(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The settings of these `TRAININGS`, on pictures that are neither augmented nor cut, so that what the towers say of
    all copies is read once. Raises UnknownNameError for another name."""
    for name in names:
        if name not in TRAININGS:
            raise UnknownNameError("training", name, TRAININGS)
    return {name: {"augment": False, "zoom": 0.0, **TRAININGS[name]} for name in names}


def tower_passes(training: str) -> int:
    """How often the frozen towers read each picture of a training, where all of that is kept."""
    return COPIES if TRAININGS[training]["perturbed"] else 1


def changes(
    found: Mapping[str, Sequence[pd.DataFrame]], metric: str, over: Sequence[str] = OF_PAPER_S, by: str = "training"
) -> pd.DataFrame:
    """What each training reaches and how far that is from the first one, in the mean over categories; fractions.

    ``found`` has `whole_sets.bounds` of each run of each training, all on the same pictures, by its name, or of
    whatever else is named ``by``. Columns: that, clean, worst and gap (their difference); share (of the first one's
    gap, how much is closed); and for each of `CHANGES` the columns of `Difference`, such as clean_gap and clean_low,
    nan where a single category gives no interval.
    """
    worst = combination_name(over)
    of = {name: [_mean(own, combination, metric) for combination in (NONE, worst)] for name, own in found.items()}
    (first_clean, first_worst), *_ = of.values()
    first_gap = first_clean - first_worst
    rows = []
    for name, (clean, at_worst) in of.items():
        gap = clean - at_worst
        changed = dict(zip(CHANGES, (clean - first_clean, at_worst - first_worst, first_gap - gap)))
        row = {by: name, "clean": clean.values[0], "worst": at_worst.values[0], "gap": gap.values[0]}
        row["share"] = changed["closed"].values[0] / first_gap.values[0]
        for what, own in changed.items():
            row |= {f"{what}_{part}": value for part, value in vars(_difference(own)).items()}
        rows.append(row)
    return pd.DataFrame(rows)


def _mean(runs: Sequence[pd.DataFrame], combination: str, metric: str) -> Sampled:
    whole = flat_runs(runs)
    rows = whole[(whole["category"] == MEAN) & (whole["combination"] == combination)]
    return Sampled.of(pd.DataFrame(rows), metric)


def _difference(sampled: Sampled) -> Difference:
    return sampled.difference() if sampled.units > 1 else Difference(float(sampled.values[0]), *[float("nan")] * 5)
