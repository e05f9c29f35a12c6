"""Learned sentences in windows beside what they are made of: paper K's hybrid, measured (`models.in_windows`)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..evaluation.paired import paired
from ..evaluation.tables import MEAN, ResultTable
from ..models.in_windows import SentenceModel
from ..models.learned import Features
from ..models.prediction import AnomalyModel
from ..models.references import image_digest

METRICS = ("pixel_auroc", "aupro", "pixel_f1_max", "image_auroc")
TAKEN, TRAINED = "{}, in windows", "{}, trained in windows"
"""What the two hybrids of a model are called: its sentences as they are, and those that were learned from windows."""
FROM_WINDOWS = {"augment": False, "zoom": 0.0}
"""Settings of a training on windows: they are encoded once, so pictures are neither changed nor cut."""
KEPT_BYTES = 2 * 2**30


@contextmanager
def windows_read_once(networks: Sequence[AnomalyModel]) -> Iterator[None]:
    """Windows that one of these reads are kept for the others, up to `KEPT_BYTES`: they differ in what is learned, not
    in what is read. Those that read no windows are left as they are."""
    kept: dict[tuple, Features] = {}
    own = [model for model in networks if isinstance(model, SentenceModel) and model.in_windows]

    def once(model: SentenceModel):
        read = model.features

        def features(images: Tensor, class_names: Sequence[str]) -> Features:
            if torch.is_grad_enabled():
                return read(images, class_names)
            key = model.backbone.digest, tuple(model.options["scales"]), image_digest(images)
            found = kept[key] if key in kept else read(images, class_names)
            if sum(part.nbytes for features in kept.values() for part in features.values()) < KEPT_BYTES:
                kept[key] = found
            return found

        return features

    for model in own:
        vars(model)["features"] = once(model)
    try:
        yield
    finally:
        for model in own:
            del vars(model)["features"]


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
            gap = {name: 100 * mean[name] for name in ("gap", "se", "low", "high", "power")}
            ups = {"agree": mean["agree"], "ups": int((single > 0).sum()), "of": int(np.isfinite(single).sum())}
            rows.append({"one": one, "other": other, "metric": metric, **gap, **ups})
    return pd.DataFrame(rows)
