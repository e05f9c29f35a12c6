"""What a choice is worth that a paper makes in its text and another one in its code: one model, one thing changed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ..backbones.families.sizes import Size, pair
from ..backbones.registry import Backbone
from ..data.dataset import AnomalyDataset, stacked
from ..data.record import row_name
from ..evaluation.evaluate import predict
from ..evaluation.sampled import Difference, difference_of
from ..evaluation.tables import MEAN, with_means
from ..metrics import METRICS
from ..metrics.aupro import LEGACY_THRESHOLDS, aupro
from ..models.anomalyclip import TEMPERATURE, AnomalyCLIP
from ..models.enlarged import enlarged
from ..models.learned import Features, LearnedModel, assign_learned
from ..models.prediction import AnomalyModel

SMALLEST_HALF = 2.0**-24
"""The smallest positive number of half precision (subnormal)."""
MOVED = ("pixel_auroc", "aupro", "image_auroc")
"""The metrics that a change of a model can move, unless it says which."""
WITHIN, NO_INTERVAL = "within chance", "no interval"


class LogitsFirst(AnomalyCLIP):
    """AnomalyCLIP in VCP-CLIP's order: logits are enlarged, then the softmax is taken (the released code enlarges
    probabilities)."""

    def probabilities(
        self, features: Features, size: Size, text: Float[Tensor, "2 embed"] | None = None
    ) -> Float[Tensor, "batch layer height width"]:
        text = self.text_features() if text is None else text
        logits = features["patches"] @ text.mT / TEMPERATURE
        margin = (logits[..., 1] - logits[..., 0]).unflatten(-1, self.backbone.patches)
        return enlarged(margin, pair(size)).sigmoid()


def variant(
    model: LearnedModel, *, kind: type[LearnedModel] | None = None, backbone: Backbone | None = None, **options: Any
) -> LearnedModel:
    """A model with the same learned parameters, but other options, class, or backbone of the same shapes.

    Nothing is trained again, so this says what the change does to a model that was trained without it. Raises what the
    class raises for its options, and DataError where the parameters no longer fit.
    """
    other = (kind or type(model))(backbone or model.backbone, **model.options | options)
    assign_learned(
        other,
        {name: value.detach().clone() for name, value in model.learnable().items()},
        Path(f"a trained {model.name}"),
    )
    other.trained = model.trained
    return other


def small_gradients(model: LearnedModel, dataset: AnomalyDataset, *, seed: int = 0, count: int = 8) -> pd.DataFrame:
    """How many gradients of the first training step half precision cannot hold.

    A new model of the same class and options begins from ``seed``; its loss on ``count`` pictures, spread evenly over
    the data set and read at the backbone's size, is differentiated in float32. One row per part of the model and kind
    of parameter (weight, bias, or the parameter's own name): part, parameter, entries, small (the share of entries
    below `SMALLEST_HALF` in size, zeros included), zero (the share that is exactly 0), median (of the sizes).
    """
    fresh = type(model)(model.backbone, **model.options)
    fresh.initialise(seed)
    for value in fresh.learnable().values():
        value.requires_grad_(True)
    sized = dataset.squashed(max(model.backbone.size))
    batch = stacked([sized[int(index)] for index in np.linspace(0, len(sized) - 1, min(count, len(sized))).round()])
    device = model.backbone.device
    with torch.no_grad():
        features = fresh.features(batch.images.to(device), batch.categories)
    fresh.loss(features, batch.masks.to(device), batch.is_anomalous.to(device)).backward()
    found: dict[tuple[str, str], list[Tensor]] = {}
    for name, value in fresh.learnable().items():
        part, _, rest = name.partition(".")
        sizes = torch.zeros_like(value) if value.grad is None else value.grad.abs()
        found.setdefault((part, rest.rpartition(".")[2] or part), []).append(sizes.flatten().cpu())
    return pd.DataFrame(
        [
            {
                "part": part,
                "parameter": kind,
                "entries": len(sizes),
                "small": float((sizes < SMALLEST_HALF).double().mean()),
                "zero": float((sizes == 0).double().mean()),
                "median": float(sizes.median()),
            }
            for (part, kind), sizes in ((key, torch.cat(parts)) for key, parts in found.items())
        ]
    )


def aupro_of_powers(
    model: AnomalyModel,
    dataset: AnomalyDataset,
    *,
    powers: Sequence[float] = (1.0, 2.0, 4.0, 8.0),
    batch_size: int = 16,
) -> pd.DataFrame:
    """AUPRO, exact and with 200 thresholds, of a model's maps raised to powers, which changes no ranking.

    One row per category and power, then means: category, power, aupro, aupro_200. Maps are in [0, 1].
    """
    rows = []
    for category in dataset.categories:
        maps, masks = [], []
        for batch in dataset.select([category]).batches(batch_size):
            maps += [map_.double() for map_ in predict(model, batch.images, batch.categories, batch.paths).anomaly_map]
            masks += batch.masks
        for power in powers:
            raised = [map_**power for map_ in maps]
            rows.append(
                {
                    "category": row_name(category),
                    "power": power,
                    "aupro": aupro(raised, masks),
                    "aupro_200": aupro(raised, masks, thresholds=LEGACY_THRESHOLDS),
                }
            )
    return with_means(pd.DataFrame(rows), by=["power"])


def paired_gap(before: pd.DataFrame, after: pd.DataFrame, metric: str) -> tuple[float, float]:
    """The mean over categories of what ``metric`` gained, and that mean's standard error, categories being paired.

    Both tables are those of `evaluation.evaluate` on the same categories. The error is nan for a single category.
    """
    gains = cast(pd.Series, after[metric] - before[metric]).drop(MEAN)
    return float(gains.mean()), float(cast(float, gains.sem()))


@dataclass(frozen=True)
class Change:
    """One thing changed in a model: the tables of `evaluation.evaluate` before and after, which metrics it can move,
    and whether the model was trained anew for it."""

    before: pd.DataFrame
    after: pd.DataFrame
    moves: Sequence[str] = MOVED
    anew: bool = False


def effects_of(changes: Mapping[str, Change], noise: Mapping[str, float], trainings: int) -> pd.DataFrame:
    """What each change does: a row for each of them and each metric that it can move, named by its label.

    Columns change, metric, before (the mean over categories), gain, error, low, high, agree and power as in
    `sampled.Difference`, fractions, and verdict: "higher", "lower", "within chance" where 0 lies in the 95 % interval,
    or "no interval" for a single category, which has none. The error joins that of `paired_gap` and, for a model
    trained anew, the spread of the difference of two trainings, whose standard deviation by metric is ``noise``, known
    from as many ``trainings``.
    """
    rows = []
    for name, change in changes.items():
        for metric in change.moves:
            gain, error = paired_gap(change.before, change.after, metric)
            parts = [(error**2, len(change.before) - 2)]
            parts += [(2 * noise[metric] ** 2, trainings - 1)] if change.anew and trainings > 1 else []
            gap = difference_of(gain, parts) if np.isfinite(error) else Difference(gain, *[math.nan] * 5)
            rows.append(
                {
                    "change": name,
                    "metric": METRICS[metric].label,
                    "before": change.before.loc[MEAN, metric],
                    "gain": gain,
                    "error": gap.se,
                    "low": gap.low,
                    "high": gap.high,
                    "agree": gap.agree,
                    "power": gap.power,
                    "verdict": _verdict(gap),
                }
            )
    return pd.DataFrame(rows)


def _verdict(gap: Difference) -> str:
    if math.isnan(gap.low):
        return NO_INTERVAL
    return WITHIN if gap.low <= 0 <= gap.high else "higher" if gap.gap > 0 else "lower"
