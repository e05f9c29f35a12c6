"""Worst cases of a whole data set, over several combinations of perturbations: S Figs 4, 5 and 10 and Table 1."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import pandas as pd
import torch
from tqdm import tqdm

from ...base.options import whole_number
from ...base.sources import source_digest
from ...data.dataset import AnomalyDataset, Sample, read_once, stacked
from ...data.record import row_name
from ...evaluation.evaluate import Measuring
from ...models.prediction import AnomalyModel
from ...perturbations import PERTURBATIONS
from ...store.results import describe_model, hangs_on_rounding, load_or_compute_all
from .amounts import columns, completed, in_table, in_tables, ordered
from .history import chosen_points
from .objective import Objective
from .worst_case import COMBINATIONS, worst_case

NONE = "none"
"""What the combination of no perturbation is called."""


def combination_name(over: Sequence[str]) -> str:
    """Such as "rotation + hue"."""
    return " + ".join(over) or NONE


def worst_cases(
    model: AnomalyModel,
    dataset: AnomalyDataset,
    *,
    combinations: Sequence[Sequence[str]] = COMBINATIONS,
    search: str = "adam",
    steps: int = 200,
    steps_in_place: int | None = None,
    restarts: int = 5,
    seed: int = 0,
    goal: str = "worst",
    select: str = "pixel_auroc",
    fill: str = "zero",
    batch_size: int = 16,
    store: Path | None = None,
) -> pd.DataFrame:
    """The worst case of every picture over every combination of perturbations, as `worst_case` finds it.

    One row per picture and combination, the unperturbed picture ("none") first: category, picture (its number in the
    data set), is_anomalous, combination, degrees, hue, saturation and the columns of other perturbations that are
    searched over, loss, pixel_auroc, passes. A combination builds on those of its subsets that are asked for: their
    points compete in it, so a larger one is never weaker, and its ``passes`` are its own. Combinations that leave every
    pixel where it is take at most ``steps_in_place`` steps, for their worst cases are easier to find.

    The history of each picture and combination is stored on its own (in ``store``, by default
    `results.results_folder`): a study that was stopped goes on at the picture it had reached, and one with other
    pictures or more combinations computes only what is new. Raises as `worst_case`, ValueError for no combination, and
    OptionError for ``steps_in_place`` below 1.
    """
    combinations = sorted({ordered(over) for over in combinations}, key=_place)
    if not combinations:
        raise ValueError("Expected at least one combination of perturbations, got none.")
    tries = {over: steps_of(over, steps, steps_in_place) for over in combinations}
    searching = {
        "search": search,
        "restarts": restarts,
        "seed": seed,
        "goal": goal,
        "select": select,
        "fill": fill,
    }
    rows = []
    with tqdm(
        total=len(dataset) * len(combinations), desc=f"{goal} cases", unit=" cases", disable=None, leave=False
    ) as progress:
        for first in range(0, len(dataset), batch_size):
            pictures = [dataset[i] for i in range(first, min(first + batch_size, len(dataset)))]
            histories = {}
            for over in combinations:
                subsets = [less for less in histories if set(less) < set(over)]
                histories[over] = _histories(
                    model,
                    pictures,
                    over,
                    {s: histories[s] for s in subsets},
                    tries,
                    searching | {"steps": tries[over]},
                    batch_size,
                    store,
                )
                progress.update(len(pictures))
            for number, picture in enumerate(pictures):
                own = {over: tables[number] for over, tables in histories.items()}
                rows += _rows(
                    own,
                    goal,
                    select,
                    {
                        "category": row_name(picture.category),
                        "picture": first + number,
                        "is_anomalous": picture.is_anomalous,
                    },
                )
    return pd.DataFrame(rows)


def steps_of(over: Sequence[str], steps: int, steps_in_place: int | None) -> int:
    """How many of ``steps`` a search over some perturbations takes, see `worst_cases`."""
    if steps_in_place is not None:
        whole_number("worst_cases", "steps_in_place", steps_in_place, 1)
        if not any(PERTURBATIONS[name].motion for name in over):
            return min(steps, steps_in_place)
    return steps


@hangs_on_rounding
def bounds(
    model: AnomalyModel,
    dataset: AnomalyDataset,
    *,
    combinations: Sequence[Sequence[str]] = COMBINATIONS,
    resamples: int = 200,
    batch_size: int = 16,
    **searching,
) -> pd.DataFrame:
    """What is left of each metric at the worst cases: the maps chosen for each picture, pooled per category.

    One row per category and combination, "none" first, then rows "mean"; columns category, combination, the metrics of
    `evaluation.evaluate`, ``loss`` (the mean of S eq. (4) over the pictures), ``picture_auroc`` (the mean of the
    pictures' own pixel AUROC), pixel_auroc_se and image_auroc_se. ``searching`` are the options of `worst_cases`.
    One forward pass per picture and combination, after the search.
    """
    with read_once():
        cases = worst_cases(model, dataset, combinations=combinations, batch_size=batch_size, **searching)
        fill, over = searching.get("fill", "zero"), in_table(cases)
        found = Measuring("combination", resamples=resamples, seed=searching.get("seed", 0))
        groups = cast(Iterable[tuple[tuple, pd.DataFrame]], cases.groupby(["category", "combination"], sort=False))
        for (category, combination), chosen in groups:
            part = dataset.select([category])
            maps, masks, scores = [], [], []
            for begin in range(0, len(part), batch_size):
                batch = stacked([part[i] for i in range(begin, min(begin + batch_size, len(part)))])
                count = len(batch.images)
                objective = Objective(model, batch.images, batch.masks, batch.categories, over, fill)
                amounts = torch.tensor(chosen[columns(over)].to_numpy()[begin : begin + count]).float()
                with torch.no_grad():
                    outcome = objective.outcome(torch.arange(count), amounts)
                maps += outcome.maps.cpu()
                masks += batch.masks
                scores.append(outcome.image_score)
            also = {"loss": chosen.loss.mean(), "picture_auroc": chosen.pixel_auroc.mean()}
            setting = {"category": category, "combination": combination}
            found.add(part, maps, masks, torch.cat(scores), setting=setting, also=also)
    return found.table()


def _histories(
    model: AnomalyModel,
    pictures: list[Sample],
    over: tuple[str, ...],
    known: dict,
    tries: dict[tuple[str, ...], int],
    searching: dict,
    batch_size: int,
    store: Path | None,
) -> list[pd.DataFrame]:
    """The history of every picture over one combination, from the store; those that are missing, searched at once.
    ``tries`` has the steps of every combination."""
    descriptions = {
        category: describe_model(model, [category]) for category in {picture.category for picture in pictures}
    }
    configurations = [
        {
            "picture": _content(picture),
            "class": picture.category,
            "over": over,
            "known": sorted((less, tries[less]) for less in known),  # their points inform the search
            "model": descriptions[picture.category],
            "batch_size": batch_size,  # a search goes on from what it finds, so rounding may decide where
        }
        | searching
        for picture in pictures
    ]

    def compute(missing: list[int]) -> list[pd.DataFrame]:
        earlier = [tables[i].assign(image=place) for place, i in enumerate(missing) for tables in known.values()]
        batch = stacked([pictures[i] for i in missing])
        found = worst_case(
            model,
            batch.images,
            batch.masks,
            batch.categories,
            over,
            batch_size=batch_size,
            known=pd.concat(earlier, ignore_index=True) if earlier else None,
            **searching,
        )
        return [points.drop(columns="image").reset_index(drop=True) for _, points in found.history.groupby("image")]

    sources = source_digest(worst_case, *model.classes)
    return load_or_compute_all("worst_case", configurations, compute, sources=sources, maker=model, store=store)


def _rows(histories: dict[tuple, pd.DataFrame], goal: str, select: str, picture: dict) -> list[dict]:
    """A picture's row of every combination; the unperturbed picture is the first point of every history."""
    everything = [perturbation for over in histories for perturbation in over]
    tables = {over: completed(points, everything).assign(image=0) for over, points in histories.items()}
    best = {(): next(iter(tables.values())).iloc[:1]} | {
        over: chosen_points(
            pd.concat([tables[less] for less in tables if set(less) <= set(over)], ignore_index=True), goal, select
        )
        for over in tables
    }
    passes = {over: math.ceil(histories[over].passes.max()) if over else 0 for over in best}
    return [
        picture
        | {"combination": combination_name(over)}
        | best[over].iloc[0][[*columns(in_tables(everything)), "loss", "pixel_auroc"]].to_dict()
        | {"passes": passes[over]}
        for over in best
    ]


def _place(over: tuple[str, ...]) -> tuple[int, list[int]]:
    """By which combinations are sorted: smaller ones first, those of earlier perturbations before others."""
    return len(over), [list(PERTURBATIONS).index(perturbation) for perturbation in over]


def _content(picture: Sample) -> str:
    return hashlib.sha256(picture.image.numpy().tobytes() + picture.mask.numpy().tobytes()).hexdigest()
