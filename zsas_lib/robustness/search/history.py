"""The points that searches have tried: one table, from which bests, bounds and curves are read."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd

from ...base.errors import UnknownNameError
from .amounts import columns, in_tables, neutral_columns

GOALS = {"worst": 1, "best": -1}
SELECTIONS = ("pixel_auroc", "loss")


class Recorder:
    """Collects the points of a search. ``passes`` is how many forward passes each image has cost so far, where a
    backward pass counts as another one, and a cheap look as the share of a pass that it costs."""

    def __init__(self, images: int, over: Sequence[str]):
        self.over = over
        self.passes = np.zeros(images)
        self._rows: list[pd.DataFrame] = []

    def add(self, index, amounts, loss, pixel_auroc, *, start: int | np.ndarray, step: int, cost: int) -> pd.DataFrame:
        """Points that were tried together, each of which cost ``cost`` passes; returns them as rows."""
        index = np.asarray(index)
        order = pd.Series(index).groupby(index).cumcount().to_numpy() + 1
        rows = {"image": index, "start": start, "step": step, "passes": self.passes[index] + cost * order}
        rows |= neutral_columns(in_tables(self.over))
        rows |= {column: np.asarray(amounts)[:, i].astype(float) for i, column in enumerate(columns(self.over))}
        np.add.at(self.passes, index, cost)
        rows = pd.DataFrame(rows | {"loss": np.asarray(loss, float), "pixel_auroc": np.asarray(pixel_auroc, float)})
        self._rows.append(rows)
        return rows

    def table(self) -> pd.DataFrame:
        return pd.concat(self._rows, ignore_index=True)


def criterion(points: pd.DataFrame, goal: str = "worst", select: str = "pixel_auroc") -> pd.Series:
    """A number per point, the smaller the closer to the goal; infinite where the model gave nothing finite.

    ``select`` "pixel_auroc" judges a picture by its own pixel AUROC, as S does, and a normal picture, which has none,
    by the loss; "loss" judges all by the loss. ``goal`` is "worst" or "best" segmentation.
    """
    if goal not in GOALS:
        raise UnknownNameError("goal", goal, GOALS)
    if select not in SELECTIONS:
        raise UnknownNameError("selection", select, SELECTIONS)
    judged = -points["loss"]
    if select == "pixel_auroc":
        judged = points["pixel_auroc"].where(points["pixel_auroc"].notna(), judged)
    return cast(pd.Series, GOALS[goal] * judged).where(points["loss"].notna(), np.inf)


def chosen_points(points: pd.DataFrame, goal: str = "worst", select: str = "pixel_auroc") -> pd.DataFrame:
    """The point of each image that comes closest to the goal (the first of equals), indexed by image."""
    best = criterion(points, goal, select).groupby(points["image"]).idxmin()
    return points.loc[best].set_index("image").sort_index()


def bound_curve(
    points: pd.DataFrame, goal: str = "worst", select: str = "pixel_auroc", at: Sequence[int] | None = None
) -> pd.DataFrame:
    """How tight the bound is after so many forward passes per image: columns passes and pixel_auroc, the mean over the
    images of the pixel AUROC at the best point so far. ``at`` are the numbers of passes; None takes all that occur."""
    points = points.sort_values(["image", "passes"], kind="stable").reset_index(drop=True)
    score = criterion(points, goal, select)
    best_so_far = score == score.groupby(points["image"]).cummin()
    value = points["pixel_auroc"].where(best_so_far)
    value = value.groupby(points["image"]).ffill()
    table = points.assign(value=value).pivot_table(index="passes", columns="image", values="value", aggfunc="last")
    at = sorted(set(points["passes"])) if at is None else list(at)
    table = table.reindex(sorted({*table.index, *at})).ffill().loc[at]
    return pd.DataFrame({"passes": at, "pixel_auroc": table.mean(axis=1, skipna=False).to_numpy()})
