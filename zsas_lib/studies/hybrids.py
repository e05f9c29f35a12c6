"""Learned sentences in windows beside what they are made of: paper K's hybrid, measured (`models.in_windows`)."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import pandas as pd

from ..evaluation.paired import paired
from ..evaluation.sampled import in_points
from ..evaluation.tables import MEAN, ResultTable

METRICS = ("pixel_auroc", "aupro", "pixel_f1_max", "image_auroc")
TAKEN, TRAINED = "{}, in windows", "{}, trained in windows"
"""What the two hybrids of a model are called: its sentences as they are, and those that were learned from windows."""
FROM_WINDOWS = {"augment": False, "zoom": 0.0}
"""Settings of a training on windows: they are encoded once, so pictures are neither changed nor cut."""


def differences_between(
    runs: Mapping[str, Sequence[ResultTable]], pairs: Sequence[tuple[str, str]], metrics: Sequence[str] = METRICS
) -> pd.DataFrame:
    """By how much the mean over categories of the first of each pair is above the second's, in points: a row for each
    pair and metric, with columns one, other, metric, those of `evaluation.sampled.Difference` (agree a fraction), and
    ups, in how many of the categories it is above."""
    rows = []
    for one, other in pairs:
        found = paired(runs[one], runs[other])
        for metric in metrics:
            of = cast(pd.DataFrame, found[found["metric"] == metric]).set_index("category")
            mean, single = of.loc[MEAN], of["gap"].drop(MEAN).to_numpy(dtype=float)
            ups = {"ups": int((single > 0).sum()), "of": int(np.isfinite(single).sum())}
            rows.append({"one": one, "other": other, "metric": metric, **in_points(mean), **ups})
    return pd.DataFrame(rows)
