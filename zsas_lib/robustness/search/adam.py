"""Gradient ascent with restarts, as in S: Adam on the amounts of each image, straight through the clip (S A.1, A.2)."""

import logging
from typing import cast

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from ...perturbations import PERTURBATIONS
from .amounts import into_box, neutral, random_amounts
from .history import GOALS, Recorder
from .objective import Objective

PASSES = 2  # a forward and a backward

log = logging.getLogger(__name__)


@torch.enable_grad()
def search(
    objective: Objective,
    *,
    steps: int,
    restarts: int,
    seeds: list[int],
    goal: str,
    select: str,
    batch_size: int,
    known: pd.DataFrame | None,
) -> pd.DataFrame:
    """``steps // restarts`` steps from each of ``restarts`` starts per image, all at once; the first start is the
    unperturbed image, the others are uniform.

    A start whose loss or gradient is not finite is reported, with its image and step, and ends there; so does one that
    comes to a point that is no answer (see `Objective`), from where no gradient leads on.
    """
    over, count = objective.over, len(objective.images)
    starts = random_amounts(over, restarts, seeds)
    starts[:, 0] = neutral(over)
    image, start = (
        grid.flatten() for grid in torch.meshgrid(torch.arange(count), torch.arange(restarts), indexing="ij")
    )
    free = [starts[:, :, i].flatten().clone().requires_grad_() for i in range(len(over))]
    optimiser = torch.optim.Adam(
        [{"params": [amount], "lr": PERTURBATIONS[name].rate} for name, amount in zip(over, free)],
        maximize=GOALS[goal] > 0,
    )
    alive = torch.ones(len(image), dtype=torch.bool)
    recorder = Recorder(count, over)
    for step in tqdm(
        range(steps // restarts), desc=f"adam over {', '.join(over)}", unit=" steps", disable=None, leave=False
    ):
        if not alive.any():
            break
        optimiser.zero_grad()
        answered = alive.clone()
        for points in alive.nonzero()[:, 0].split(batch_size):
            amounts = torch.stack([amount[points] for amount in free], 1)
            amounts = amounts + (into_box(over, amounts) - amounts).detach()
            outcome = objective.outcome(image[points], amounts)
            torch.autograd.backward(outcome.loss.sum(), inputs=free)  # and no other: weights are not trained
            loss = outcome.loss.detach().cpu()  # the slopes are in memory by now, so there is nothing to wait for
            answered[points] = loss.isfinite()
            recorder.add(
                image[points],
                amounts.detach(),
                loss,
                outcome.pixel_auroc,
                start=start[points].numpy(),
                step=step,
                cost=PASSES,
            )
        gradients = cast(list[Tensor], [amount.grad for amount in free])  # a backward pass sets them all
        gradient = torch.stack(gradients, 1)
        for point in (alive & ~(answered & gradient.isfinite().all(1))).nonzero()[:, 0].tolist():
            log.warning(
                "Image %d, start %d, step %d: the loss or its gradient is not finite; this start ends here, the others "
                "go on.",
                image[point],
                start[point],
                step,
            )
            alive[point] = False
        for own in gradients:
            own.nan_to_num_(0, 0, 0)
        optimiser.step()
    return recorder.table()
