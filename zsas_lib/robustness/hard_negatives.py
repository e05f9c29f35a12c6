"""Learning from failures: a second training that meets the pictures with the worst false alarms more often.

Paper K proposes hard negatives among what could come next, without a method. Here it is the plainest: a trained model's
maps of the very pictures that it learned from say which normal places score highest, and a second training, from the
beginning and with as many steps, meets the pictures with such places several times as often.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from ..base.errors import UnknownNameError
from ..data.dataset import AnomalyDataset
from ..evaluation.evaluate import category_predictions
from ..evaluation.sampled import Sampled
from ..evaluation.tables import ResultTable
from ..models.learned import LearnedModel
from ..models.prediction import AnomalyModel
from .thresholds import behind, thresholds

PLAIN, HARD, CHANCE, LONGER = "plain", "hard negatives", "others as often", "twice as long"
ARMS = (PLAIN, HARD, CHANCE, LONGER)
"""A plain training; one that meets hard pictures more often; one that meets as many others, drawn by chance, more
often; and one with as many steps as the first two together."""
MARGIN = 0.05
"""How near to damage, as a share of the picture's side, a high score is no false alarm."""
TOP = 0.005
"""The share of normal pixels whose mean is how bad a picture's false alarm is."""
HARDEST, OFTEN = 0.25, 4.0
"""Which share of the pictures counts as hard, and how often these are met for each time that another is."""
RULE = "5 % false alarms"
"""How a threshold is set on the auxiliary pictures, of `robustness.thresholds.RULES`."""


def false_alarms(
    model: AnomalyModel, dataset: AnomalyDataset, *, batch_size: int = 16
) -> Float[np.ndarray, " picture"]:
    """The mean of the highest `TOP` share of a map's pixels that are normal and not near damage, of each picture in the
    data set's order; nan where there are none. Raises as `category_predictions`."""
    found: dict[str, float] = {}
    for part, predictions in category_predictions(model, dataset, batch_size, "false alarms"):
        for record, (map_, mask, _) in zip(part.records, predictions):
            found[record.name(part.root)] = _highest(map_[~near(mask)])
    return np.array([found[record.name(dataset.root)] for record in dataset.records])


def near(mask: Bool[Tensor, "height width"]) -> Bool[Tensor, "height width"]:
    """Pixels that are damaged or at most `MARGIN` of the side away from one that is, along rows and columns."""
    reach = round(MARGIN * max(mask.shape))
    return F.max_pool2d(mask[None, None].float(), 2 * reach + 1, stride=1, padding=reach)[0, 0] > 0.5


def _highest(values: Tensor) -> float:
    if not len(values):
        return float("nan")
    return float(values.topk(max(1, round(TOP * len(values)))).values.mean())


def weights_of(alarms: Float[np.ndarray, " picture"], seed: int | None = None) -> list[float]:
    """`OFTEN` for the `HARDEST` share of the pictures, those with the highest alarms, and 1 for the others; with a
    ``seed`` for as many that are drawn by chance."""
    count = max(1, round(HARDEST * len(alarms)))
    order = np.argsort(-np.nan_to_num(alarms, nan=-np.inf), kind="stable")
    if seed is not None:
        order = np.random.default_rng(seed).permutation(len(alarms))
    weights = np.ones(len(alarms))
    weights[order[:count]] = OFTEN
    return weights.tolist()


def settings_of(arm: str, plain: LearnedModel, auxiliary: AnomalyDataset, seed: int) -> dict[str, Any]:
    """What one of `ARMS` is trained with beside the settings of the ``plain`` training of the same seed, which it was
    trained on ``auxiliary`` with. Raises UnknownNameError for another arm."""
    if arm not in ARMS:
        raise UnknownNameError("training", arm, ARMS)
    if arm == LONGER:
        return {"epochs": 2 * (plain.trained or {})["epochs"]}
    if arm == PLAIN:
        return {}
    alarms = false_alarms(plain, auxiliary) if arm == HARD else np.zeros(len(auxiliary))
    return {"weights": weights_of(alarms, None if arm == HARD else seed)}


def alarms_behind(tables: Sequence[ResultTable], auxiliary: Sequence[ResultTable]) -> Mapping[str, Sampled]:
    """What `robustness.thresholds.behind` says of the thresholds that each run's maps have on the auxiliary pictures,
    by `RULE`, in the mean over runs. A picture's score is the mean of its map's highest pixels (``map_top``)."""
    found: dict[str, list[Sampled]] = {}
    for target, known in zip(tables, auxiliary, strict=True):
        pictures, others = (table.per_image.assign(image_score=table.per_image["map_top"]) for table in (target, known))
        for name, own in behind(pictures, thresholds(pictures, others, RULE, "auxiliary")).items():
            found.setdefault(name, []).append(own)
    return {name: _mean(own) for name, own in found.items()}


def _mean(runs: Sequence[Sampled]) -> Sampled:
    values = np.stack([own.values for own in runs])
    apart = values[:, 0] - values[:, 0].mean()
    return replace(runs[0], values=values.mean(axis=0), runs={len(runs): apart} if len(runs) > 1 else {})
