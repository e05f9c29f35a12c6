"""What readings of paper S amount to: which gradient its Adam climbs, which perturbations a search is over, and what
its loss counts in corners."""

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from ...data.dataset import AnomalyDataset, Batch, stacked
from ...models.prediction import AnomalyModel
from ...perturbations import OF_PAPER_S
from .amounts import ordered, random_amounts
from .objective import Objective
from .whole_sets import combination_name, worst_cases


def gradient_agreement(
    model: AnomalyModel,
    other: AnomalyModel,
    dataset: AnomalyDataset,
    *,
    over: Sequence[str] = OF_PAPER_S,
    points: int = 4,
    seed: int = 0,
    batch_size: int = 16,
) -> pd.Series:
    """At which share of points, in percent, the gradients of two models' losses have the same sign, by perturbation;
    by chance it is 50. ``points`` uniform ones of each picture, those of the first from ``seed``, of the second from
    ``seed`` + 1 and so on."""
    over, batch = ordered(over), _all(dataset)
    where = random_amounts(over, points, [seed + place for place in range(len(dataset))]).flatten(0, 1)
    whose = torch.arange(len(dataset)).repeat_interleave(points)
    signs = []
    for differentiated in (model, other):
        objective = Objective(differentiated, batch.images, batch.masks, batch.categories, over)
        slopes = [_slopes(objective, whose[part], where[part]) for part in torch.arange(len(whose)).split(batch_size)]
        signs.append(torch.cat(slopes).sign())
    return pd.Series(100 * (signs[0] == signs[1]).float().mean(0).numpy(), index=over)


def lower_alone(
    model: AnomalyModel,
    dataset: AnomalyDataset,
    *,
    over: Sequence[str] = OF_PAPER_S,
    steps: int = 10,
    seed: int = 0,
    batch_size: int = 16,
) -> pd.DataFrame:
    """Whether uniform points of one perturbation alone found a lower pixel AUROC than as many of all together, where
    the search over all takes nothing over from those over one: a row for each damaged picture, a column for each
    perturbation. The searches are stored."""
    over, found = ordered(over), {}
    for combination in [*((name,) for name in over), over]:
        cases = worst_cases(
            model, dataset, combinations=[combination], search="random", steps=steps, seed=seed, batch_size=batch_size
        )
        own = cases[cases.is_anomalous & (cases.combination == combination_name(combination))]
        found[combination_name(combination)] = own.set_index("picture").pixel_auroc
    table = pd.DataFrame(found)
    together = table.pop(combination_name(over))
    return table.lt(together, axis=0)


def turned_loss(
    model: AnomalyModel, dataset: AnomalyDataset, degrees: float, fill: str = "zero", batch_size: int = 16
) -> float:
    """The mean of S eq. (4) over pictures that are all turned by ``degrees``, with what `Objective` makes of the map's
    corners for ``fill``."""
    batch = _all(dataset)
    objective = Objective(model, batch.images, batch.masks, batch.categories, ("rotation",), fill)
    losses = []
    with torch.no_grad():
        for part in torch.arange(len(dataset)).split(batch_size):
            losses.append(objective.outcome(part, torch.full((len(part), 1), degrees)).loss)
    return float(torch.cat(losses).mean())


def _slopes(objective: Objective, index: Tensor, amounts: Tensor) -> Tensor:
    amounts = amounts.clone().requires_grad_()
    return torch.autograd.grad(objective.outcome(index, amounts).loss.sum(), amounts)[0]


def _all(dataset: AnomalyDataset) -> Batch:
    return stacked([dataset[place] for place in range(len(dataset))])
