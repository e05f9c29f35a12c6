"""The worst case of each image: the perturbation under which a model segments it worst (S sec. 2, eq. (5))."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import cast
from zlib import crc32

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ...base.errors import UnknownNameError
from ...base.options import is_whole
from ...models.kinds import require_independent, require_kinds
from ...models.prediction import AnomalyModel
from ...perturbations import OF_PAPER_S
from . import adam, grid, two_fidelity, uniform
from .amounts import columns, completed, in_table, in_tables, neutral_columns
from .history import GOALS, SELECTIONS, chosen_points
from .objective import Objective

SEARCHES = {
    "two-fidelity": two_fidelity.search,
    "adam": adam.search,
    "grid": grid.search,
    "random": uniform.search,
}
COMBINATIONS = tuple(over for size in (1, 2, 3) for over in combinations(OF_PAPER_S, size))
"""The seven combinations of perturbations of S Figs 4 and 10, smaller ones first."""


@dataclass(frozen=True)
class WorstCase:
    """What a search found: one entry per image.

    An empirical worst case: the true one is at least as bad. ``amounts`` has the amounts of every perturbation of paper
    S and of any other that was searched over, by column; each is also an attribute: ``degrees``, ``hue``,
    ``saturation``. Those that were not searched over are neutral (0). ``loss`` is S eq. (4), ``pixel_auroc`` the
    image's own (nan for a normal one), ``anomaly_map`` upright again, ``forward_passes`` what the search cost, a
    backward pass counted as another forward one. ``history`` holds every point tried: image, start, step, passes, the
    amounts, loss, pixel_auroc.

    >>> model = zsas.load_model("winclip", zsas.load_backbone("embedded"))
    >>> dataset = zsas.load_dataset("embedded-b", categories="ceramic_ring")
    >>> dataset = dataset.select(per_category=2)
    >>> batch = next(iter(dataset.batches(2)))
    >>> worst = zsas.worst_case(
    ...     model, batch.images, batch.masks, "ceramic ring", search="random", steps=2
    ... )
    >>> worst.history.groupby("image").size().tolist()
    [2, 2]
    """

    amounts: Mapping[str, Float[Tensor, " image"]]
    loss: Float[Tensor, " image"]
    pixel_auroc: Float[Tensor, " image"]
    anomaly_map: Float[Tensor, "image height width"]
    image_score: Float[Tensor, " image"]
    forward_passes: Int[Tensor, " image"]
    history: pd.DataFrame

    def __getattr__(self, name: str) -> Float[Tensor, " image"]:
        amounts = vars(self).get("amounts", {})
        if name not in amounts:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return amounts[name]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.amounts})


def worst_case(
    model: AnomalyModel,
    images: Float[Tensor, "image 3 height width"],
    masks: Bool[Tensor, "image height width"],
    class_names: str | Sequence[str],
    over: str | Sequence[str] = OF_PAPER_S,
    search: str = "adam",
    steps: int = 200,
    restarts: int = 5,
    seed: int | Sequence[int] = 0,
    *,
    goal: str = "worst",
    select: str = "pixel_auroc",
    fill: str = "zero",
    batch_size: int = 16,
    known: pd.DataFrame | None = None,
) -> WorstCase:
    """Searches, for each image apart, the amounts of ``over`` under which ``model`` segments it worst.

    ``over`` are names of `perturbations.PERTURBATIONS`, in any order.

    ``search`` and ``steps``, the points tried per image, or for "two-fidelity" the forward passes:

    * "two-fidelity": cheap looks all over the box (`AnomalyModel.rough_map`), counted by their cost, propose points,
      exact passes decide; what a look says is never reported. For a model without a cheap look it is "grid".
    * "adam": S's search, ``steps // restarts`` steps up the gradient of the loss from each of ``restarts`` starts. The
      defaults are those of S's released code; 5 x 200 is ``steps=1000``.
    * "grid": no gradient; points where a `Surrogate` of the image's own points expects the goal or knows little.
    * "random": uniform points.

    Of all points tried, the image's result is the one with the lowest pixel AUROC of its own, or for a normal image
    with the highest loss (``select="loss"``: the highest loss for all). ``goal="best"`` looks for the opposite.
    ``fill`` is that of `Objective`. ``known`` is the history of another search on the same images over some of the
    same perturbations, or several such tables joined: its points compete too, so searching over more is never weaker
    than over less.
    ``seed`` is one number, from which each image takes its own by its content, or one per image.

    Any model of the library will do; "adam" needs it to be differentiable in the images. Raises TypeError for what is
    no model, OptionError for one whose maps hang on the pictures before, ValueError for images, masks, steps or
    restarts that cannot be, UnknownNameError for an unknown perturbation, search, goal or selection, ValueError if no
    point of an image has a finite map.

    >>> model = zsas.load_model("winclip", zsas.load_backbone("embedded"))
    >>> dataset = zsas.load_dataset("embedded-b", categories="ceramic_ring")
    >>> dataset = dataset.select(per_category=2)
    >>> batch = next(iter(dataset.batches(2)))
    >>> worst = zsas.worst_case(
    ...     model, batch.images, batch.masks, "ceramic ring", over=["hue"], steps=2, restarts=1
    ... )
    >>> worst.hue.shape, worst.anomaly_map.shape == batch.masks.shape
    (torch.Size([2]), True)
    """
    require_kinds((model, AnomalyModel))
    require_independent(model, "A search")
    for kind, name, names in (("search", search, SEARCHES), ("goal", goal, GOALS), ("selection", select, SELECTIONS)):
        if name not in names:
            raise UnknownNameError(kind, name, names)
    if not is_whole(restarts, 1) or not is_whole(steps, restarts if search == "adam" else 1):
        raise ValueError(
            f"Expected at least one restart and one step for each, got steps={steps!r} and restarts={restarts!r}."
        )
    if not is_whole(batch_size, 1):
        raise ValueError(f"batch_size must be at least 1; got {batch_size!r}.")
    objective = Objective(model, images, masks, class_names, over, fill)
    seeds = _image_seeds(images, seed)
    known = None if known is None else _inside(known, objective.over)
    history = SEARCHES[search](
        objective,
        steps=steps,
        restarts=restarts,
        seeds=seeds,
        goal=goal,
        select=select,
        batch_size=batch_size,
        known=known,
    )
    passes = history.groupby("image").passes.max()
    candidates = history if known is None else pd.concat([known, history], ignore_index=True)
    best = chosen_points(candidates, goal, select)
    if best.loss.isna().any():
        raise ValueError(
            f"{model.name} gave no finite map for image {best.index[best.loss.isna()][0]} at any point tried."
        )
    maps, scores = _outcomes(objective, best, batch_size)
    found = {
        column: torch.tensor(best[column].to_numpy()).float()
        for column in (*columns(in_tables(objective.over)), "loss", "pixel_auroc")
    }
    return WorstCase(
        loss=found.pop("loss"),
        pixel_auroc=found.pop("pixel_auroc"),
        amounts=found,
        anomaly_map=maps,
        image_score=scores,
        forward_passes=torch.tensor(np.ceil(passes.to_numpy(float)).astype(int)) + 1,
        history=history,
    )


def _inside(points: pd.DataFrame, over: Sequence[str]) -> pd.DataFrame:
    """The points at which nothing but ``over`` is perturbed, with its columns."""
    points = completed(points, (*over, *in_table(points)))
    others = pd.Series(neutral_columns([name for name in in_table(points) if name not in over]), dtype=float)
    return points.loc[(points[others.index] == others).all(axis=1)]


def _outcomes(objective: Objective, points: pd.DataFrame, batch_size: int) -> tuple[Tensor, Tensor]:
    """Maps and image scores at one point per image."""
    amounts = torch.tensor(points[columns(objective.over)].to_numpy()).float()
    with torch.no_grad():
        parts = [objective.outcome(i, amounts[i]) for i in torch.arange(len(points)).split(batch_size)]
    return torch.cat([part.maps.cpu() for part in parts]), torch.cat([part.image_score for part in parts])


def _image_seeds(images: Tensor, seed: int | Sequence[int]) -> list[int]:
    if is_whole(seed, 0):
        contents = (image.detach().cpu().contiguous().view(torch.uint8).numpy() for image in images)
        return [crc32(content.tobytes(), int(cast(int, seed))) for content in contents]
    own = [seed] if isinstance(seed, int | float | str) else list(seed)
    if len(own) != len(images) or not all(is_whole(one, 0) for one in own):
        raise ValueError(f"Expected one seed of at least 0, or one for each of {len(images)} images, got {seed!r}.")
    return [int(one) for one in own]
