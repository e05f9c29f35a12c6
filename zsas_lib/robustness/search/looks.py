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
from ...models.enlarged import enlarged
from ...models.prediction import AnomalyModel
from ...perturbations import PERTURBATIONS, perturb
from ...training.perturbed import separation
from .amounts import columns
from .history import criterion
from .objective import Objective

FINER = 2
"""How many times as fine as a rough map's the grid is on which it is judged, as maps are enlarged to pictures."""
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
        """`history.criterion` of the rough map, not turned back: the masks go along with the pictures instead, what the
        corners are filled with does not count, and the pixels that left the picture do as the objective's ``fill``
        says."""
        objective = self._objective
        device, names = objective.images.device, objective.class_names
        given = dict(zip(columns(objective.over), to_device(amounts, device).unbind(1)))
        place = to_device(index, device)
        upright = objective.masks[place]
        masks, shown = upright, torch.ones_like(upright)
        for perturbation in PERTURBATIONS.values():
            if perturbation.motion is not None and perturbation.column in given:
                amount = given[perturbation.column]
                masks, shown = (perturbation.motion.masks_along(own, amount) for own in (masks, shown))
        with torch.no_grad(), asked_later():
            perturbed = perturb(objective.images[place], **given)
            rough = objective.model.rough_map(perturbed, [names[i] for i in index.tolist()], masks)
        loss, found = judged(rough.float(), masks, shown, upright if objective.fill == "zero" else None)
        points = pd.DataFrame({"loss": loss.cpu().numpy().astype(float), "pixel_auroc": found.cpu().numpy()})
        return criterion(points, goal, select).to_numpy(float)


def judged(
    maps: Float[Tensor, "point rows columns"],
    masks: Bool[Tensor, "point height width"],
    shown: Bool[Tensor, "point height width"],
    upright: Bool[Tensor, "point height width"] | None = None,
) -> tuple[Float[Tensor, " point"], Float[Tensor, " point"]]:
    """Loss (S eq. (4)) and pixel AUROC of maps on a coarse grid, enlarged `FINER` times, in which a cell counts as
    damaged and as normal by the pixels of it that are, among those ``shown``; cells that are nan do not count. Where
    the ``upright`` masks are given, their pixels that are shown no more score 0. The AUROC is nan where none or all is
    damaged."""
    maps = _finer(maps.double())
    each, grid = masks[0].numel() / maps[0].numel(), (maps.shape[1], maps.shape[2])
    damaged, all_shown = (each * F.adaptive_avg_pool2d(own.double(), grid).flatten(1) for own in (masks, shown))
    normal, values = all_shown - damaged, maps.flatten(1)
    if upright is not None:
        hits = upright.double().sum((1, 2))
        left = [hits - damaged.sum(1), upright[0].numel() - hits - normal.sum(1)]
        damaged, normal = (
            torch.cat([own, gone.clamp_min(0)[:, None]], 1) for own, gone in zip((damaged, normal), left)
        )
        values = F.pad(values, (0, 1))
    values, order = values.sort(dim=1)
    seen = (~values.isnan()).double()
    values, damaged, normal = values.nan_to_num(), damaged.gather(1, order) * seen, normal.gather(1, order) * seen
    below = normal.cumsum(1) - normal / 2
    all_damaged, all_normal = damaged.sum(1), normal.sum(1)
    found = (damaged * below).sum(1) / (all_damaged * all_normal)
    return separation(values, damaged, normal), torch.where(found.isfinite(), found, torch.nan)


def _finer(maps: Float[Tensor, "point rows columns"]) -> Float[Tensor, "point finer_rows finer_columns"]:
    """`FINER` times as many rows and columns, between cells by what is known of them; what is nan remains so."""
    seen, size = (~maps.isnan()).to(maps.dtype), [FINER * count for count in maps.shape[1:]]
    sums, weights = enlarged(torch.stack([maps.nan_to_num(), seen], 1), size).unbind(1)
    inside = F.interpolate(seen[:, None], size)[:, 0] > 0
    return torch.where(inside, sums / weights, torch.nan)


def look_cost(model: AnomalyModel, class_name: str = "object", image_size: tuple[int, int] | None = None) -> float:
    """What a cheap look costs, in forward passes: the share of floating point operations that
    `evaluation.complexity.operations` counts. Raises NotImplementedError for a model without a cheap look, ValueError
    for one without such operations."""
    if not model.looks_cheaply:
        raise NotImplementedError(f"{model.name} has no cheap look; looks_cheaply says so.")
    whole = operations(model, class_name, image_size)
    if not whole:
        raise ValueError(f"{model.name} has a cheap look, but no operations that torch counts, so its cost is unknown.")
    return operations(model, class_name, image_size, rough=True) / whole
