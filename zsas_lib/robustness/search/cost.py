"""What a study of worst cases costs, before it is run: passes by counting, time by a short calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor

from ...base.devices import wait_for
from ...base.errors import UnknownNameError
from ...data.dataset import AnomalyDataset, stacked
from ...models.prediction import AnomalyModel
from . import adam
from .amounts import box, in_tables, ordered
from .looks import Look
from .objective import Objective
from .two_fidelity import plan
from .whole_sets import steps_of
from .worst_case import COMBINATIONS, SEARCHES


@dataclass(frozen=True)
class Cost:
    """``points`` are how often a perturbed picture is judged, ``passes`` the forward passes of one picture that it
    takes (a backward pass counts as another one), ``seconds`` the time of this device for them."""

    points: int
    passes: int
    seconds: int | float

    @property
    def duration(self) -> str:
        """The time in words, such as "about 3 minutes"."""
        for unit, length in (("hours", 3600), ("minutes", 60)):
            if self.seconds >= 2 * length:
                return f"about {self.seconds / length:.0f} {unit}"
        return f"about {max(1, round(self.seconds))} seconds"


def study_cost(
    model: AnomalyModel,
    dataset: AnomalyDataset,
    *,
    combinations: Sequence[Sequence[str]] = COMBINATIONS,
    search: str = "adam",
    steps: int = 200,
    steps_in_place: int | None = None,
    restarts: int = 5,
    batch_size: int = 16,
) -> Cost:
    """The cost of `whole_sets.worst_cases` with these options and an empty store.

    Counted are ``steps`` points per picture and combination (`whole_sets.steps_of`), of two passes each for "adam" and
    one otherwise, and the pass that gives the map of the chosen one. Those of "two-fidelity" are ``steps`` passes of
    which cheap looks take a share, and the points are the exact ones. The time is that of one batch of the data set's
    first pictures under the three perturbations of paper S and whatever else is searched over, all at once, measured
    after another one that warms up. Raises UnknownNameError for an unknown search or perturbation.
    """
    if search not in SEARCHES:
        raise UnknownNameError("search", search, SEARCHES)
    over = in_tables([perturbation for combination in combinations for perturbation in ordered(combination)])
    climbs = search == "adam"
    cases = len(dataset) * len(combinations)
    own = [steps_of(combination, steps, steps_in_place) for combination in combinations]
    points = len(dataset) * sum(number // restarts * restarts if climbs else number for number in own)
    forward = _seconds_per_point(model, dataset, over, batch_size, backward=False)
    if search == "two-fidelity" and model.looks_cheaply:
        look, glance = _look(model, dataset, over, batch_size)
        spent = [plan(number, look) for number in own]
        looks, exact = (len(dataset) * sum(part) for part in ([s.looks for s in spent], [s.exact for s in spent]))
        return Cost(exact, points + cases, looks * glance + (exact + cases) * forward)
    point = _seconds_per_point(model, dataset, over, batch_size, backward=True) if climbs else forward
    return Cost(points, points * (adam.PASSES if climbs else 1) + cases, points * point + cases * forward)


def _look(model: AnomalyModel, dataset: AnomalyDataset, over: Sequence[str], batch_size: int) -> tuple[float, float]:
    """What a cheap look costs, in passes and in seconds."""
    objective = _first_batch(model, dataset, over, batch_size)
    look, index = Look(objective), torch.arange(len(objective.images))

    def glance():
        look.values(index, _others(objective), "worst", "pixel_auroc")

    glance()
    start = perf_counter()
    glance()
    return look.cost, (perf_counter() - start) / len(index)


def _first_batch(model: AnomalyModel, dataset: AnomalyDataset, over: Sequence[str], batch_size: int) -> Objective:
    batch = stacked([dataset[i] for i in range(min(batch_size, len(dataset)))])
    return Objective(model, batch.images, batch.masks, batch.categories, over)


def _seconds_per_point(
    model: AnomalyModel, dataset: AnomalyDataset, over: Sequence[str], batch_size: int, backward: bool
) -> float:
    objective = _first_batch(model, dataset, over, batch_size)
    _try_once(objective, backward)
    start = perf_counter()
    _try_once(objective, backward)
    return (perf_counter() - start) / len(objective.images)


def _others(objective: Objective) -> Tensor:
    """Other amounts for each of an objective's pictures."""
    low, high = box(objective.over)
    return low + (high - low) * torch.linspace(0.1, 0.9, len(objective.images))[:, None]


def _try_once(objective: Objective, backward: bool) -> None:
    """Every picture of an objective once, under different amounts."""
    count, amounts = len(objective.images), _others(objective)
    with torch.set_grad_enabled(backward):
        loss = objective.outcome(torch.arange(count), amounts.requires_grad_(backward)).loss
        if backward:
            torch.autograd.grad(loss.sum(), amounts)
    wait_for(loss.device)
