"""Learning from failures: a second training that learns more from the worst false alarms of the first.

Paper K proposes hard negatives among what could come next, without a method. Here are the two plainest: a trained
model's maps of the very pictures that it learned from say which normal places score highest, and a second training,
from the beginning and with as many steps, meets the pictures with such places several times as often; or its loss has
the mean of the map over such places, patch by patch, beside all else.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from ..base.errors import UnknownNameError
from ..data.dataset import AnomalyDataset
from ..data.record import row_name
from ..evaluation.evaluate import category_predictions
from ..evaluation.paired import flat_gaps_of_runs
from ..evaluation.sampled import Sampled
from ..models.learned import LearnedModel
from ..models.prediction import AnomalyModel

PLAIN, HARD, PATCHES, CHANCE, LONGER = "plain", "hard pictures", "hard patches", "others as often", "twice as long"
ARMS = (PLAIN, HARD, PATCHES, CHANCE, LONGER)
"""A plain training; one that meets hard pictures more often; one that is told hard patches; one that meets as many
other pictures, drawn by chance, more often; and one with as many steps as the first two together."""
MARGIN = 0.05
"""How near to damage, as a share of the picture's side, a high score is no false alarm."""
TOP = 0.005
"""The share of normal pixels whose mean is how bad a picture's false alarm is."""
HARDEST, OFTEN = 0.25, 4.0
"""Which share of the pictures counts as hard, and how often these are met for each time that another is."""
PATCH_SHARE, PATCH_WEIGHT = 0.02, 4.0
"""Which share of all normal patches, those that score highest, counts as hard, and the weight of their map's mean in
the loss (`training.hard_patches`)."""
RATE = 0.01
"""The share of the auxiliary pictures' normal pixels that a threshold lets through as damaged."""
ALARMS, FOUND = "false alarms", "found"


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


def hard_patches(model: LearnedModel, dataset: AnomalyDataset, *, batch_size: int = 16) -> list[list[int]]:
    """The numbers of each picture's hard patches, in the data set's order: of all patches of the data set in which no
    pixel is damaged or near damage, the `PATCH_SHARE` with the highest mean of the map. Raises as
    `category_predictions`."""
    rows, columns = model.backbone.patches
    means: dict[str, Tensor] = {}
    for part, predictions in category_predictions(model, dataset, batch_size, "hard patches"):
        for record, (map_, mask, _) in zip(part.records, predictions):
            covered = model.covered(torch.stack([near(mask)]))
            height, width = covered.shape[1:]
            normal = F.adaptive_max_pool2d(covered.float(), (rows, columns))[0] == 0
            mean = F.adaptive_avg_pool2d(map_[None, :height, :width], (rows, columns))[0]
            means[record.name(part.root)] = mean.where(normal, torch.nan).flatten()
    whole = torch.stack([means[record.name(dataset.root)] for record in dataset.records])
    known = int((~whole.isnan()).sum())
    hardest = whole.nan_to_num(-torch.inf).flatten().topk(round(PATCH_SHARE * known)).indices
    chosen = torch.zeros(whole.numel(), dtype=torch.bool).scatter(0, hardest, True).view(whole.shape)
    return [own.nonzero()[:, 0].tolist() for own in chosen]


def near(mask: Bool[Tensor, "height width"]) -> Bool[Tensor, "height width"]:
    """Pixels that are damaged or at most `MARGIN` of the side away from one that is, along rows and columns."""
    reach = round(MARGIN * max(mask.shape))
    grown = mask[None, None].float()
    for rows, columns in ((reach, 0), (0, reach)):
        grown = F.max_pool2d(grown, (2 * rows + 1, 2 * columns + 1), stride=1, padding=(rows, columns))
    return grown[0, 0] > 0.5


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
    if arm == PATCHES:
        return {"hard": hard_patches(plain, auxiliary), "hard_weight": PATCH_WEIGHT}
    alarms = false_alarms(plain, auxiliary) if arm == HARD else np.zeros(len(auxiliary))
    return {"weights": weights_of(alarms, None if arm == HARD else seed)}


def alarm_rates(
    model: AnomalyModel, dataset: AnomalyDataset, auxiliary: AnomalyDataset, *, batch_size: int = 16
) -> pd.DataFrame:
    """What the threshold that a share `RATE` of the auxiliary pictures' normal pixels exceeds gives on other pictures:
    columns category, `ALARMS` and `FOUND`, the shares of normal and of damaged pixels above it; normal pixels are those
    not near damage. A share is nan where there are no such pixels. Raises as `category_predictions`."""
    known = [
        map_[~near(mask)]
        for _, predictions in category_predictions(model, auxiliary, batch_size, "threshold")
        for map_, mask, _ in predictions
    ]
    at = float(np.quantile(torch.cat(known).numpy(), 1 - RATE))
    rows = []
    for part, predictions in category_predictions(model, dataset, batch_size, "false alarms"):
        pairs = [(map_ > at, mask) for map_, mask, _ in predictions]
        normal = torch.cat([called[~near(mask)] for called, mask in pairs])
        damaged = torch.cat([called[mask] for called, mask in pairs])
        shares = {ALARMS: float(normal.float().mean()), FOUND: float(damaged.float().mean())}
        rows.append({"category": row_name(part.categories[0])} | shares)
    return pd.DataFrame(rows)


def mean_rates(runs: Sequence[pd.DataFrame]) -> dict[str, Sampled]:
    """The means over categories and runs of `alarm_rates`, resampled by category."""
    whole = flat_gaps_of_runs(runs)
    return {name: Sampled.of(whole, name) for name in (ALARMS, FOUND)}
