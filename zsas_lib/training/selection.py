"""Which epoch's parameters a training keeps, and which pictures choose it.

The last epoch's need no choice. Where one is made, what is held out of the auxiliary data makes it. Some authors'
programs keep the epoch that is best on the very test data that their tables report: AdaCLIP by its best pixel F1, and
others try every epoch or take another one for each data set. That has to be asked for and be given these data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from ..base.errors import DataError, OptionError, UnknownNameError
from ..data.dataset import AnomalyDataset
from ..data.record import Record
from ..metrics import METRICS

LAST, AUXILIARY, TARGET = "last", "auxiliary", "target"
SELECTIONS = (LAST, AUXILIARY, TARGET)
"""The last epoch; the best one on what is held out of the auxiliary data; the best one on the test data themselves."""
SELECTED_BY = "pixel_ap"
CHOOSING = ("pixel_ap", "pixel_f1_max", "pixel_auroc", "aupro", "image_auroc", "image_ap", "image_f1_max")
"""The metrics that may choose an epoch."""
HELD_OUT = 4
"""Of so many pictures of a category and kind one is held out, where no whole categories are."""


@dataclass(frozen=True)
class Selection:
    """The pictures to train on and those that choose the epoch, None for the last one, both at the backbone's size; and
    what is written down of the choice."""

    chosen: AnomalyDataset
    judges: AnomalyDataset | None
    settings: dict[str, object]


def resolved(select: str | None, held_out: Sequence[str]) -> str:
    """One of `SELECTIONS`: what None stands for is `AUXILIARY` where categories are held out, else `LAST`."""
    return (AUXILIARY if held_out else LAST) if select is None else select


def require_selection(select: str | None, select_by: str, has_target: bool, held_out: Sequence[str]) -> None:
    """Raises UnknownNameError for another selection or metric, OptionError for a choice by test data without these,
    for test data without that choice, and for a metric where there is nothing to choose."""
    if select not in (None, *SELECTIONS):
        raise UnknownNameError("selection of an epoch", select, SELECTIONS)
    if select_by not in CHOOSING:
        raise UnknownNameError("metric that chooses an epoch", select_by, CHOOSING)
    if select_by != SELECTED_BY and resolved(select, held_out) == LAST:
        raise OptionError(
            f"fit got select_by={select_by!r}, and the last epoch is kept, whatever its metrics; expected a choice "
            f"too, select={AUXILIARY!r}, or neither."
        )
    if select == TARGET and not has_target:
        raise OptionError(
            f"fit got select={TARGET!r} and no target; expected the test data that choose, target=DATASET "
            f"(--target NAME), or select={AUXILIARY!r}, which looks at none."
        )
    if has_target and select != TARGET:
        raise OptionError(
            f"fit got a target and select={select!r}; test data choose an epoch with select={TARGET!r} alone. Leave "
            "out the target, or say so."
        )


def selection_of(
    dataset: AnomalyDataset,
    select: str | None,
    select_by: str,
    held_out: Sequence[str],
    target: AnomalyDataset | None,
    image_size: int,
) -> Selection:
    """What `fit` trains on and is judged by, with its options. Raises as `fit` does for data that cannot be learned
    from or cannot choose."""
    require_selection(select, select_by, target is not None, held_out)
    for category in held_out:
        if category not in dataset.categories:
            raise UnknownNameError("held-out category", category, dataset.categories)
    how, sized = resolved(select, held_out), dataset.squashed(image_size)
    if held_out or how != AUXILIARY:
        chosen = sized.select([category for category in dataset.categories if category not in held_out])
        held = sized.select(held_out) if held_out else None
    else:
        judging = _spread(sized)
        chosen = sized.part([record for record in sized.records if record not in judging])
        held = sized.part([record for record in sized.records if record in judging])
    _require_lessons(chosen)
    _require_masks(sized, "a training learns from masks")
    judges = {LAST: None, AUXILIARY: held, TARGET: target and target.squashed(image_size)}[how]
    settings: dict[str, object] = {"select": how, "held_out": list(held_out)}
    if how != LAST:
        judges = cast(AnomalyDataset, judges)
        settings["select_by"] = select_by
        _require_judges(judges, select_by)
    if how == TARGET:
        settings["target"] = identity(cast(AnomalyDataset, judges))
    return Selection(chosen, judges, settings)


def identity(target: AnomalyDataset) -> list[str]:
    """What test data that choose are known by: their name and digest."""
    return [target.name, target.digest]


def _spread(dataset: AnomalyDataset) -> set[Record]:
    """One of `HELD_OUT` pictures of each category, of the normal and of the damaged ones, evenly spaced; of two or more
    at least one."""
    found: set[Record] = set()
    for category in dataset.categories:
        for anomalous in (False, True):
            own = [r for r in dataset.records if r.category == category and r.is_anomalous == anomalous]
            found.update(own[HELD_OUT - 1 :: HELD_OUT] or own[1:][-1:])
    return found


def _require_lessons(chosen: AnomalyDataset) -> None:
    anomalous = sum(record.is_anomalous for record in chosen.records)
    if not 0 < anomalous < len(chosen):
        raise DataError(
            f"Data set {chosen.name!r} at {chosen.root} has {anomalous} anomalous pictures of {len(chosen)} to train "
            "on; expected anomalous ones with masks and normal ones. Use a test split."
        )


def _require_masks(dataset: AnomalyDataset, why: str) -> None:
    bare = [record for record in dataset.records if record.is_anomalous and record.mask_path is None]
    if bare:
        raise DataError(
            f"Data set {dataset.name!r} at {dataset.root} has no mask of {len(bare)} anomalous pictures, such as "
            f"{bare[0].name(dataset.root)}; {why}."
        )


def _require_judges(judges: AnomalyDataset, select_by: str) -> None:
    """Raises DataError where the metric has no value on these pictures, so that nothing could be chosen."""
    pixels = METRICS[select_by].level == "pixel"
    if pixels:
        _require_masks(judges, f"{select_by} is to choose the epoch on them")
    kinds = {(record.category, record.is_anomalous) for record in judges.records}
    if not any((category, True) in kinds and (pixels or (category, False) in kinds) for category in judges.categories):
        raise DataError(
            f"The {len(judges)} pictures of data set {judges.name!r} at {judges.root} that are to choose the epoch "
            f"have no {select_by}; expected a category with anomalous pictures"
            + ("." if pixels else " and normal ones.")
        )
