"""A coarse-to-fine search without gradients: points spread evenly over the box, then ever closer around the best."""

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from .amounts import COLUMNS, box, even_shares, into_box
from .history import Recorder, criterion
from .objective import Objective

COARSE = 0.5
"""Share of the passes that is spread over the whole box."""
ROUNDS = 5
"""How often the neighbourhood shrinks, by half each time."""
CENTRES = 4
"""Around how many points each round looks."""


def search(
    objective: Objective, *, steps: int, restarts: int, seeds: list[int], goal: str, select: str, batch_size: int, known: pd.DataFrame | None
) -> pd.DataFrame:
    """``steps`` points per image, the unperturbed image first. Points of ``known`` histories take part as centres.

    Needs no gradient, so it lowers what it is judged by, pixel AUROC, not the loss. ``restarts`` and ``seeds`` are
    not used: the points depend on nothing but what is found.
    """
    over, count = objective.over, len(objective.images)
    low, high = box(over)
    recorder = Recorder(count, over)
    coarse = max(1, round(COARSE * steps))
    spread = low + (high - low) * even_shares(coarse - 1, len(over))
    first = torch.cat([torch.zeros(1, len(over)), spread])
    found = [try_points(objective, recorder, first.expand(count, -1, -1), 0, batch_size)]
    reach = (high - low) / coarse ** (1 / len(over))
    budgets = np.diff(np.linspace(coarse, steps, ROUNDS + 1).round().astype(int))
    for number, budget in enumerate(tqdm(budgets, desc=f"grid over {', '.join(over)}", unit=" rounds", disable=None, leave=False)):
        if not budget:
            continue
        points = pd.concat([*found, *([] if known is None else [known])], ignore_index=True)
        points["criterion"] = criterion(points, goal, select)
        offsets = (2 * even_shares(int(budget), len(over)) - 1) * reach
        centres = [_best_apart(group, over, reach, high - low) for _, group in points.groupby("image")]
        around = torch.stack([centre[torch.arange(int(budget)) % len(centre)] for centre in centres])
        found.append(try_points(objective, recorder, into_box(over, around + offsets), number + 1, batch_size))
        reach = reach / 2
    return recorder.table()


def try_points(
    objective: Objective, recorder: Recorder, amounts: Float[Tensor, "image point over"], step: int, batch_size: int
) -> pd.DataFrame:
    """The rows of points tried without a gradient: as many for every image, the images advancing together."""
    image = torch.arange(len(amounts)).repeat(amounts.shape[1])
    flat = amounts.transpose(0, 1).flatten(0, 1)
    rows = []
    with torch.no_grad():
        for points in torch.arange(len(flat)).split(batch_size):
            outcome = objective.outcome(image[points], flat[points])
            rows.append(recorder.add(
                image[points], flat[points], outcome.loss.cpu(), outcome.pixel_auroc, start=0, step=step, cost=1,
            ))
    return pd.concat(rows, ignore_index=True)


def _best_apart(points: pd.DataFrame, over, reach: Tensor, period: Tensor) -> Float[Tensor, "centre over"]:
    """The best points of an image of which none lies within ``reach`` of a better one."""
    points = points.sort_values("criterion", kind="stable")
    amounts = torch.tensor(points[[COLUMNS[name] for name in over]].to_numpy(np.float32))
    circular = torch.tensor([name == "hue" for name in over])
    chosen: list[Tensor] = []
    for candidate in amounts:
        away = [(candidate - other).abs() for other in chosen]
        away = [torch.where(circular, torch.minimum(gap, period - gap), gap) for gap in away]
        if all((gap > reach).any() for gap in away):
            chosen.append(candidate)
        if len(chosen) == CENTRES:
            break
    return torch.stack(chosen)
