"""Cheap looks at points: about what a search measures, for a small share of a forward pass."""

from collections.abc import Mapping
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ...base.devices import to_device
from ...base.unit_range import asked_later
from ...evaluation.complexity import operations
from ...models.enlarged import enlarged
from ...models.prediction import AnomalyModel
from ...perturbations import PERTURBATIONS, perturb, shown, upright
from ...training.perturbed import separation
from .amounts import columns
from .history import criterion
from .objective import Objective, has_both

FINER = 4
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
        """`history.criterion` of the rough map, turned back and judged as the objective judges a whole one. The model
        is told where the damage went."""
        objective = self._objective
        device, names = objective.images.device, objective.class_names
        given = dict(zip(columns(objective.over), to_device(amounts, device).unbind(1)))
        place = to_device(index, device)
        masks = moved = objective.masks[place]
        for perturbation in PERTURBATIONS.values():
            if perturbation.motion is not None and perturbation.column in given:
                moved = perturbation.motion.masks_along(moved, given[perturbation.column])
        with torch.no_grad(), asked_later():
            perturbed = perturb(objective.images[place], **given)
            rough = objective.model.rough_map(perturbed, [names[i] for i in index.tolist()], moved)
            maps, counted = _turned_back(rough.float(), given, objective.fill)
        loss, found = judged(maps, counted, F.adaptive_avg_pool2d(masks.double(), (maps.shape[1], maps.shape[2])))
        loss = torch.where(
            has_both(~masks, masks) & found.isnan(), torch.nan, loss
        )  # what makes the picture's AUROC is out of view
        points = pd.DataFrame({"loss": loss.cpu().numpy().astype(float), "pixel_auroc": found.cpu().numpy()})
        return criterion(points, goal, select).to_numpy(float)


def judged(
    maps: Float[Tensor, "point rows columns"],
    counted: Bool[Tensor, "point rows columns"],
    damaged: Float[Tensor, "point rows columns"],
) -> tuple[Float[Tensor, " point"], Float[Tensor, " point"]]:
    """Loss (S eq. (4)) and pixel AUROC of upright maps on a coarse grid, in which a cell that is ``counted`` counts as
    damaged by the share of it that is, in [0, 1], and as normal by the rest. Ties count one half. The AUROC is nan
    where none or all is damaged."""
    values, order = maps.double().flatten(1).sort(dim=1)
    seen, share = counted.double().flatten(1).gather(1, order), damaged.double().flatten(1).gather(1, order)
    anomalous, normal = seen * share, seen * (1 - share)
    up_to = F.pad(normal.cumsum(1), (1, 0))
    lower, tied = (up_to.gather(1, torch.searchsorted(values, values, right=right)) for right in (False, True))
    found = (anomalous * (lower + tied) / 2).sum(1) / (anomalous.sum(1) * normal.sum(1))
    return separation(values, anomalous, normal), torch.where(found.isfinite(), found, torch.nan)


def _turned_back(
    maps: Float[Tensor, "point rows columns"], given: Mapping[str, Float[Tensor, " point"]], fill: str
) -> tuple[Float[Tensor, "point finer_rows finer_columns"], Bool[Tensor, "point finer_rows finer_columns"]]:
    """Maps, `FINER` times as fine, upright again, and which of their cells count: those of which something is known,
    and, as the objective's ``fill`` says, those that the perturbed picture did not show, with score 0, or not."""
    known, size = ~maps.isnan(), [FINER * count for count in maps.shape[1:]]
    if known.all():
        finer, counted = enlarged(maps[:, None], size)[:, 0], known.new_ones(())
    else:
        sums, weights = enlarged(torch.stack([maps.nan_to_num(), known.to(maps.dtype)], 1), size).unbind(1)
        inside = F.interpolate(known[:, None].to(maps.dtype), size)[:, 0]
        finer = torch.where(inside > 0, sums / weights, 0.0)
        counted = upright(inside, given, fill="replicate") >= 0.5
    turned = upright(finer, given, fill="zero" if fill == "zero" else "replicate")
    return turned, torch.where(shown(finer, given), counted, fill == "zero")


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
