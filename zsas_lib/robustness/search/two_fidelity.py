"""A search by two fidelities: cheap looks propose points, exact passes decide, and only these are reported."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from ...base.threads import one_blas_thread
from . import grid
from .amounts import box, even_shares, into_box, neutral
from .history import Recorder
from .looks import Look
from .objective import Objective
from .surrogate import Surrogate

LOOKS = 0.6
"""Share of the passes that is spent on cheap looks, as long as there are no more than `MOST` to an exact pass, or as a
surrogate is fitted to."""
MOST = 8
EVEN, ROUNDS = 0.5, 6
"""Share of the looks that is spread over the whole box, and how many rounds of others follow, each where a surrogate of
those before expects the lowest."""
FIRST = 0.3
"""Share of the exact passes that goes to where looks are lowest, before a surrogate of exact numbers is asked."""
APART = 0.1
"""How far apart these are, in shares of the box, where there is room."""
SLOPE, TRUST = 0.8, 4.0
"""By how much an exact number is expected to change with that of a look, and how many points would outweigh that."""


@dataclass(frozen=True)
class Plan:
    """How many cheap looks a search takes of each picture, and how many exact passes, ``first`` and ``at_once`` of
    them together."""

    looks: int
    exact: int
    first: int
    at_once: int


def plan(passes: int, cost: float) -> Plan:
    """What is done with a number of forward passes, where a look costs ``cost`` of one.

    Raises ValueError where they do not suffice for the unperturbed picture, a look and a point beside it.
    """
    if passes < 2 + 2 * cost:
        raise ValueError(
            f"Expected at least {int(np.ceil(2 + 2 * cost))} passes for a search by two fidelities, the unperturbed "
            f"picture, cheap looks of {cost:.2f} passes each and an exact point, got {passes}; give more, or take "
            'search="grid".'
        )
    share = min(LOOKS * passes / cost, (passes - 2) / cost, MOST * passes / (1 + MOST * cost))
    exact = int(passes - cost * min(grid.KNOWN, max(2, int(share))) + 1e-9)
    looks = min(grid.KNOWN, MOST * exact, int((passes - exact) / cost + 1e-9))
    exact = int(passes - cost * looks + 1e-9)
    return Plan(looks, exact, min(exact - 1, max(1, round(FIRST * exact))), max(1, round(0.5 * exact**0.5)))


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
    """Points of ``steps`` forward passes per image, the unperturbed image first; cheap looks count by their cost in
    ``passes`` and are no rows of their own. Points of ``known`` histories inform the surrogates.

    For a model without a cheap look (`AnomalyModel.looks_cheaply`) this is `grid.search`. ``restarts`` and ``seeds``
    are not used. Raises ValueError as `plan`.
    """
    if not objective.model.looks_cheaply:
        return grid.search(
            objective,
            steps=steps,
            restarts=restarts,
            seeds=seeds,
            goal=goal,
            select=select,
            batch_size=batch_size,
            known=known,
        )
    over, count, look = objective.over, len(objective.images), Look(objective)
    spending, recorder = plan(steps, look.cost), Recorder(count, over)
    low, high = box(over)
    start = neutral(over)[None]
    found = [grid.try_points(objective, recorder, start.expand(count, -1, -1), 0, batch_size)]
    pictures = _looked_at(objective, look, spending.looks, batch_size, goal, select)
    recorder.passes = recorder.passes + look.cost * spending.looks
    tried = 1
    with tqdm(
        total=spending.exact,
        initial=tried,
        desc=f"two fidelities over {', '.join(over)}",
        unit=" points",
        disable=None,
        leave=False,
    ) as progress:
        while tried < spending.exact:
            number = spending.first if tried == 1 else min(spending.at_once, spending.exact - tried)
            chosen = []
            with one_blas_thread():
                for image, picture in enumerate(pictures):
                    if tried == 1:
                        chosen.append(picture.lowest(number))
                        continue
                    own = pd.concat([points.loc[points.image == image] for points in found], ignore_index=True)
                    if known is not None:
                        own = pd.concat([own, known.loc[known.image == image]], ignore_index=True)
                    chosen.append(picture.next(*grid.informative(own, over, goal, select), number, tried))
            amounts = low + (high - low) * torch.from_numpy(np.stack(chosen)).float()
            found.append(grid.try_points(objective, recorder, into_box(over, amounts), len(found), batch_size))
            tried += number
            progress.update(number)
    return recorder.table()


def _looked_at(
    objective: Objective,
    look: Look,
    looks: int,
    batch_size: int,
    goal: str,
    select: str,
) -> list["_Picture"]:
    """What so many looks at each picture say: at the unperturbed one, at points spread over the box, and in rounds at
    those that a surrogate of the looks before expects the lowest of."""
    over = objective.over
    low, high = box(over)
    spread = max(2, round(EVEN * looks))
    rounds = [part.numel() for part in torch.arange(looks - spread).tensor_split(ROUNDS) if part.numel()]
    even = torch.cat([neutral(over)[None], low + (high - low) * even_shares(spread - 1, len(over))])
    pictures = [_Picture(over) for _ in objective.images]
    amounts = even.expand(len(pictures), -1, -1)
    for more in (*rounds, 0):
        said = _values(look, amounts, batch_size, goal, select)
        shares = ((amounts - low) / (high - low)).numpy().astype(float)
        with one_blas_thread():
            for picture, where, values in zip(pictures, shares, said):
                picture.looked(where, values)
            if more:
                chosen = low + (high - low) * torch.from_numpy(np.stack([own.unseen(more) for own in pictures])).float()
                amounts = into_box(over, chosen)
    return pictures


def _values(
    look: Look, amounts: Float[Tensor, "image point over"], batch_size: int, goal: str, select: str
) -> Float[np.ndarray, "image point"]:
    """What looks say at points, infinite where a rough map is not finite."""
    index, flat = torch.arange(len(amounts)).repeat_interleave(amounts.shape[1]), amounts.flatten(0, 1)
    parts = [look.values(index[own], flat[own], goal, select) for own in torch.arange(len(flat)).split(batch_size)]
    return np.concatenate(parts).reshape(len(amounts), -1)


class _Picture:
    """What looks said of one picture, smoothed by a surrogate; and another for what exact numbers have beside a line
    through that."""

    def __init__(self, over: tuple[str, ...]):
        self.over = over
        self.shares, self.said = np.empty((0, len(over))), np.empty(0)
        self.looks, self.beside = (Surrogate(over, repeating=True) for _ in range(2))

    def looked(self, shares: Float[np.ndarray, "point over"], said: Float[np.ndarray, " point"]) -> None:
        """Take what looks at further points said."""
        self.shares, self.said = np.concatenate([self.shares, shares]), np.concatenate([self.said, said])
        self.rough = grid.finite_values(self.said)
        self.looks.fit(self.shares, self.rough)

    def unseen(self, count: int) -> Float[np.ndarray, "{count} over"]:
        """Where to look next: shares of the box."""
        smoothed = self.looks.expected(self.shares)
        candidates = grid.candidates_near(self.shares, smoothed, self.looks.lengths, self.over, len(self.shares))
        return candidates[self.looks.choose(candidates, count, turn=len(self.shares))]

    def lowest(self, count: int) -> Float[np.ndarray, "{count} over"]:
        """Of the points looked at, where looks are lowest, apart from each other; the first, which is known, is not
        among them."""
        order, chosen = np.argsort(self.looks.expected(self.shares), kind="stable"), [0]
        for apart in (APART, APART / 2, APART / 4, 0.0):
            for place in order:
                near = self.looks.distances(self.shares[[place]], self.shares[chosen[1:]]) < apart
                if len(chosen) <= count and place not in chosen and not near.any():
                    chosen.append(int(place))
        return self.shares[chosen[1:]]

    def next(
        self, shares: Float[np.ndarray, "point over"], values: Float[np.ndarray, " point"], count: int, tried: int
    ) -> Float[np.ndarray, "{count} over"]:
        """Where to measure next, of exact numbers: shares of the box."""
        looks = self.looks.expected(shares)
        away, usual = looks - looks.mean(), TRUST * self.rough.var() + 1e-12
        slope = float((away @ (values - values.mean()) + usual * SLOPE) / (away @ away + usual))
        self.beside.fit(shares, values - slope * looks)
        candidates = grid.candidates_near(shares, values, self.beside.lengths, self.over, tried)
        trend = slope * self.looks.expected(candidates)
        return candidates[self.beside.choose(candidates, count, turn=tried, trend=trend)]
