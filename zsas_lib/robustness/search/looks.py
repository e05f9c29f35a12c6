"""Cheap looks at points: about what a search measures, for a small share of a forward pass."""

from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ...backbones.unit_range import asked_later
from ...base.devices import to_device
from ...evaluation.complexity import operations
from ...models.prediction import AnomalyModel
from ...perturbations import PERTURBATIONS, perturb
from .amounts import columns
from .history import criterion
from .objective import Objective

_costs: WeakKeyDictionary[AnomalyModel, dict[tuple[int, ...], float]] = WeakKeyDictionary()


class Look:
    """How the model of an objective looks cheaply at its points (`AnomalyModel.rough_map`), ``cost`` forward passes at
    each. Raises NotImplementedError for a model without a cheap look."""

    def __init__(self, objective: Objective):
        self._objective = objective
        model, size = objective.model, (objective.images.shape[-2], objective.images.shape[-1])
        known = _costs.setdefault(model, {})
        if size not in known:
            known[size] = look_cost(model, objective.class_names[0], size)
        self.cost = known[size]

    def values(
        self, index: Int[Tensor, " point"], amounts: Float[Tensor, "point over"], goal: str, select: str
    ) -> Float[np.ndarray, " point"]:
        """`history.criterion` of the rough map, not turned back: the masks go along with the pictures instead, and
        what the map's corners would be filled with is left out."""
        objective = self._objective
        device, names = objective.images.device, objective.class_names
        given = dict(zip(columns(objective.over), to_device(amounts, device).unbind(1)))
        place = to_device(index, device)
        masks = objective.masks[place]
        for perturbation in PERTURBATIONS.values():
            if perturbation.motion is not None and perturbation.column in given:
                masks = perturbation.motion.masks_along(masks, given[perturbation.column])
        with torch.no_grad(), asked_later():
            perturbed = perturb(objective.images[place], **given)
            rough = objective.model.rough_map(perturbed, [names[i] for i in index.tolist()], masks)
        loss, found = judged(rough.float(), masks)
        points = pd.DataFrame({"loss": loss.cpu().numpy().astype(float), "pixel_auroc": found.cpu().numpy()})
        return criterion(points, goal, select).to_numpy(float)


def judged(
    maps: Float[Tensor, "point rows columns"], masks: Bool[Tensor, "point height width"]
) -> tuple[Float[Tensor, " point"], Float[Tensor, " point"]]:
    """Loss (S eq. (4)) and pixel AUROC of maps on a coarse grid, in which a cell counts as damaged by the share of its
    pixels that are; cells that are nan do not count. The AUROC is nan where none or all is damaged."""
    damaged = F.adaptive_avg_pool2d(masks.double(), (maps.shape[1], maps.shape[2])).flatten(1)
    values, order = maps.double().flatten(1).sort(dim=1)
    seen = (~values.isnan()).double()
    values, damaged = values.nan_to_num(), damaged.gather(1, order) * seen
    normal = seen - damaged
    below = normal.cumsum(1) - normal / 2
    all_damaged, all_normal = damaged.sum(1), normal.sum(1)
    found = (damaged * below).sum(1) / (all_damaged * all_normal)
    loss = (values * normal).sum(1) / all_normal - (values * damaged).sum(1) / all_damaged.clamp_min(1e-8)
    return loss, torch.where(found.isfinite(), found, torch.nan)


def look_cost(model: AnomalyModel, class_name: str = "object", image_size: tuple[int, int] | None = None) -> float:
    """What a cheap look costs, in forward passes: the share of floating point operations that
    `evaluation.complexity.operations` counts. Raises NotImplementedError for a model without a cheap look, ValueError
    for one without such operations."""
    whole = operations(model, class_name, image_size)
    if not whole:
        raise ValueError(f"{model.name} has a cheap look, but no operations that torch counts, so its cost is unknown.")
    return operations(model, class_name, image_size, rough=True) / whole
