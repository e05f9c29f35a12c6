"""Trainings under perturbations against plain ones: what the worst case then costs, and what pictures as they are do.

Paper S shows how far the worst turn, hue and saturation lower a map, and proposes nothing trained against it. All
trainings here have as many steps on as many pictures; they differ in which copies of the pictures they meet.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..base.devices import to_device
from ..base.errors import OptionError, UnknownNameError
from ..data.dataset import AnomalyDataset
from ..data.record import row_name
from ..evaluation.complexity import counted
from ..evaluation.paired import flat_runs
from ..evaluation.sampled import Sampled, without_dust
from ..evaluation.tables import MEAN
from ..models.learned import LearnedModel
from ..perturbations import OF_PAPER_S
from ..training.glanced import POINTS, glanced, looks
from ..training.perturbed import COPIES, changed, drawn_amounts, separation
from .search.whole_sets import NONE, combination_name

PLAIN = "plain"
LOOKS = 8
TRAININGS: Mapping[str, Mapping[str, Any]] = {
    PLAIN: {"perturbed": [], "looks": 1},
    "random": {"perturbed": list(OF_PAPER_S), "looks": 1},
    "worst of looks": {"perturbed": list(OF_PAPER_S), "looks": LOOKS},
}
"""Settings of `training.fit.fit` by name: pictures as they are; copies at random amounts; of `LOOKS` random points the
one that a cheap look finds worst."""
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


def points(training: str, glances: bool) -> int:
    """How many points each picture has in a training without augmentation, of a model that ``glances``
    (`training.glanced`) or of another."""
    settings = TRAININGS[training]
    return 1 if not settings["perturbed"] else POINTS if glances and settings["looks"] > 1 else COPIES


def looks_against_exact(model: LearnedModel, dataset: AnomalyDataset, over: Sequence[str] = OF_PAPER_S) -> pd.DataFrame:
    """How well a cheap look tells which point of a picture is worst by the whole map, over `POINTS` points of each.

    A row for each picture: patches, the share of the patches that a look reads; cost, the share of a pass's operations
    (`evaluation.complexity.counted`); rank, Spearman's correlation of what looks and whole maps say of its points, both
    by `training.perturbed.separation`; gained, how far the point that looks worst of `LOOKS` lies above their mean, by
    the whole map, in shares of how far the really worst does. Raises OptionError for a model that does not glance.
    """
    if not model.glances:
        raise OptionError(f"{model.name} has no cheap look; expected a model that glances, such as anomalyclip.")
    rows = []
    for number, sample in enumerate(dataset[place] for place in range(len(dataset))):
        amounts = drawn_amounts(over, POINTS, generator=torch.Generator().manual_seed(number))
        images, masks, names = (
            sample.image.expand(POINTS, -1, -1, -1),
            sample.mask.expand(POINTS, -1, -1),
            [sample.category] * POINTS,
        )
        images, masks = (to_device(own, model.device) for own in changed(images, masks, over, amounts))
        read, damaged = glanced(model, images, masks, names)
        rough = looks(model, read, damaged).cpu().numpy()
        with torch.no_grad():
            maps = model.maps(model.features(images, names), model.backbone.image.seen)
        exact = separation(maps.flatten(1), model.covered(masks).float().flatten(1)).cpu().numpy()
        tried = np.arange(POINTS).reshape(-1, LOOKS)  # two steps, each with points of its own
        best = exact[tried[range(len(tried)), rough[tried].argmax(1)]]
        means, most = exact[tried].mean(1), exact[tried].max(1)
        rows.append(
            {
                "category": row_name(sample.category),
                "patches": damaged.shape[1] / math.prod(model.backbone.patches),
                "cost": _cost(model, images[:1], masks[:1], names[:1]) if not rows else rows[0]["cost"],
                "rank": float(pd.Series(rough).corr(pd.Series(exact), method="spearman")),
                "gained": float((best - means).sum() / (most - means).sum()),
            }
        )
    return pd.DataFrame(rows)


def _cost(model: LearnedModel, images: Tensor, masks: Tensor, names: Sequence[str]) -> float:
    """A look's operations as a share of those of reading and comparing the whole picture."""
    whole = counted(lambda: model.compare(model.features(images, names), model.backbone.image.seen))
    return counted(lambda: model.scored(glanced(model, images, masks, names)[0])) / whole


def changes(
    found: Mapping[str, Sequence[pd.DataFrame]], metric: str, over: Sequence[str] = OF_PAPER_S, by: str = "training"
) -> pd.DataFrame:
    """What each training reaches and how far that is from the first one, in the mean over categories; fractions.

    ``found`` has `whole_sets.bounds` of each run of each training, all on the same pictures, by its name, or of
    whatever else is named ``by``. Columns: that, clean, worst and gap (their difference); share (of the first one's
    gap, how much is closed; nan where that one has no gap to close); and for each of `CHANGES` the columns of
    `Difference`, such as clean_gap and clean_low, nan where a single category gives no interval.
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
        open_gap = without_dust(float(first_gap.values[0]))
        row["share"] = changed["closed"].values[0] / open_gap if open_gap > 0 else np.nan
        for what, own in changed.items():
            row |= {f"{what}_{part}": value for part, value in vars(own.difference_or_nan()).items()}
        rows.append(row)
    return pd.DataFrame(rows)


def _mean(runs: Sequence[pd.DataFrame], combination: str, metric: str) -> Sampled:
    whole = flat_runs(runs)
    rows = whole[(whole["category"] == MEAN) & (whole["combination"] == combination)]
    return Sampled.of(pd.DataFrame(rows), metric)
