"""A search without gradients: points spread evenly over the box, then where a surrogate expects each image's goal."""

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from ...base.threads import one_blas_thread
from .amounts import box, columns, even_shares, into_box, neutral
from .history import Recorder, criterion
from .objective import Objective
from .surrogate import Surrogate

EVEN = 0.2
"""Share of the points that is spread over the whole box before a surrogate is asked, though no fewer than two more than
there are perturbations."""
CANDIDATES = 200
"""How many points a surrogate chooses from, all over the box, and as many close to the best found."""
NEAR = 4
"""Around how many of the best points."""
KNOWN = 256
"""How many points a surrogate is fitted to at most: the best, and of the others every so many."""


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
    """``steps`` points per image, the unperturbed image first. Points of ``known`` histories inform the surrogates.
    ``restarts`` and ``seeds`` are not used: the points depend on nothing but what is found."""
    over, count = objective.over, len(objective.images)
    low, high = box(over)
    recorder = Recorder(count, over)
    tried = min(steps, max(len(over) + 2, round(EVEN * steps)))
    spread = low + (high - low) * even_shares(tried - 1, len(over))
    first = torch.cat([neutral(over)[None], spread])
    found = [try_points(objective, recorder, first.expand(count, -1, -1), 0, batch_size)]
    surrogates = [Surrogate(over) for _ in range(count)]
    at_once = max(1, round(0.5 * steps**0.5))
    with tqdm(
        total=steps, initial=tried, desc=f"grid over {', '.join(over)}", unit=" points", disable=None, leave=False
    ) as progress:
        while tried < steps:
            budget = min(at_once, steps - tried)
            chosen = []
            with one_blas_thread():
                for image, surrogate in enumerate(surrogates):
                    own = pd.concat([points.loc[points.image == image] for points in found], ignore_index=True)
                    if known is not None:
                        own = pd.concat([own, known.loc[known.image == image]], ignore_index=True)
                    shares, values = informative(own, over, goal, select)
                    surrogate.fit(shares, values)
                    candidates = candidates_near(shares, values, surrogate.lengths, over, tried)
                    chosen.append(candidates[surrogate.choose(candidates, budget, turn=tried)])
            amounts = low + (high - low) * torch.from_numpy(np.stack(chosen)).float()
            found.append(try_points(objective, recorder, into_box(over, amounts), len(found), batch_size))
            tried += budget
            progress.update(budget)
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
            rows.append(
                recorder.add(
                    image[points],
                    flat[points],
                    outcome.loss,
                    outcome.pixel_auroc,
                    start=0,
                    step=step,
                    cost=1,
                )
            )
    return pd.concat(rows, ignore_index=True)


def informative(
    points: pd.DataFrame, over: tuple[str, ...], goal: str, select: str
) -> tuple[Float[np.ndarray, "point over"], Float[np.ndarray, " point"]]:
    """What a surrogate is fitted to: shares of the box, and a number for each that is the smaller the better.

    A point without a finite map counts as the worst.
    """
    values = finite_values(criterion(points, goal, select).to_numpy(float))
    low, high = (end.numpy().astype(float) for end in box(over))
    shares = (points[columns(over)].to_numpy(float) - low) / (high - low)
    if len(values) > KNOWN:
        order = np.argsort(values, kind="stable")
        best, rest = order[: KNOWN // 2], order[KNOWN // 2 :]
        kept = np.concatenate([best, rest[np.linspace(0, len(rest) - 1, KNOWN - len(best)).astype(int)]])
        shares, values = shares[kept], values[kept]
    return shares, values


def finite_values(values: Float[np.ndarray, "*point"]) -> Float[np.ndarray, "*point"]:
    """With the largest one in the place of those that are not finite."""
    finite = values[np.isfinite(values)]
    return np.where(np.isfinite(values), values, finite.max() if len(finite) else 0.0)


def candidates_near(
    shares: Float[np.ndarray, "point over"],
    values: Float[np.ndarray, " point"],
    lengths: Float[np.ndarray, " over"],
    over: tuple[str, ...],
    tried: int,
) -> Float[np.ndarray, "candidate over"]:
    """Shares of the box: `CANDIDATES` all over it, others in every round, and as many within the lengths, or a quarter
    of them, from the `NEAR` points of the lowest ``values``."""
    best = shares[np.argsort(values, kind="stable")[:NEAR]]
    everywhere = even_shares(CANDIDATES, len(over), start=tried * CANDIDATES).numpy()
    each = CANDIDATES // (2 * len(best))
    close = [
        centre
        + (2 * even_shares(each, len(over), start=(tried + number) * each).numpy() - 1)
        * np.minimum(reach * lengths, 0.5)
        for reach in (1, 0.25)
        for number, centre in enumerate(best)
    ]
    low, high = box(over)
    inside = into_box(over, low + (high - low) * torch.from_numpy(np.concatenate([everywhere, *close])).float())
    return ((inside - low) / (high - low)).numpy().astype(float)
