"""The same perturbation for every picture of a test set, value by value (S sec. 3.1, Figs 2, 3 and 6 to 9)."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm import tqdm

from ..base.devices import to_device
from ..base.errors import UnknownNameError
from ..base.options import listed
from ..data.dataset import AnomalyDataset, Batch
from ..data.record import row_name
from ..evaluation.evaluate import Measuring, predict
from ..metrics.pixel_scores import numbered_regions
from ..models.kinds import require_independent, require_kinds
from ..models.prediction import AnomalyModel, Prediction
from ..perturbations import check_amount, named
from ..perturbations.record import Perturbation
from .noise_seeds import noise_seeds

DEROTATIONS = ("zero", "valid", "mask")


def uniform_sweep(
    model: AnomalyModel,
    dataset: AnomalyDataset,
    perturbation: str,
    values: Iterable[int | float] | None = None,
    *,
    seed: int = 0,
    batch_size: int = 16,
    derotation: str | Sequence[str] = "zero",
    resamples: int = 200,
) -> pd.DataFrame:
    """Metrics of a model when one perturbation of one value meets all pictures, for each value.

    ``perturbation`` is one of `perturbations.PERTURBATIONS`, such as "rotation" (degrees, clockwise), "hue" (radians)
    or "saturation", with ``values`` in its range; None takes its grid. How the map of a turned picture, or of one whose
    pixels are moved in another way, meets the upright mask is ``derotation``:

    * "zero", S eq. (3): the map is turned back, with 0 where it does not reach. These corners count as found normal:
      without a defect in them they raise pixel AUROC from A to (1 - n) A + n if they hold n of the normal pixels (17 %
      of all pixels at 45 degrees); `corners.zero_filled` has the general case.
    * "valid": the map is turned back, and only pixels that the turned picture showed count.
    * "mask": the mask is turned instead, as in S's released code; the map's extrapolated corners count as normal.

    Of several, all are measured on the same maps, so they cost no more passes of the model than one.

    Returns one row per category and value, then rows "mean" over the categories; columns category, perturbation,
    value, unit, the metrics (as in `evaluate`), pixel_auroc_se and image_auroc_se. For a list of derotations there is
    a row for each, and a column derotation behind unit. The bootstrap draws the same images for every value. The
    neutral value (0) leaves the pictures as they are and gives the numbers of `evaluate`. Noise has a seed of its own
    for each picture, made of its path and ``seed``, so that it is the same in every batch and for every model.

    Each picture is read once; one category is held in memory at a time. Raises TypeError for what is no model or no
    data set, UnknownNameError for an unknown perturbation or derotation, OptionError for a model whose maps hang on the
    pictures before, ValueError for none of either or one twice, a value outside its range, or a map that is not finite.

    >>> model = zsas.load_model("winclip", zsas.load_backbone("embedded"))
    >>> dataset = zsas.load_dataset("embedded-b", categories="ceramic_ring")
    >>> dataset = dataset.select(per_category=2)
    >>> table = zsas.uniform_sweep(model, dataset, "hue", [0.0, 1.0])
    >>> list(zip(table.category, table.value))
    [('ceramic_ring', 0.0), ('ceramic_ring', 1.0), ('mean', 0.0), ('mean', 1.0)]
    """
    require_kinds((model, AnomalyModel), (dataset, AnomalyDataset))
    require_independent(model, "A sweep")
    record = named(perturbation)
    if isinstance(values, str) or not (values is None or isinstance(values, Iterable)):
        raise ValueError(f"Expected a list of values of {perturbation!r} to sweep over, got {values!r}.")
    values = record.grid() if values is None else [float(value) for value in values]
    if not values:
        raise ValueError(f"Expected at least one value of {perturbation!r} to sweep over, got none.")
    for value in values:
        check_amount(perturbation, value)
    derotations = listed(derotation)
    if not derotations:
        raise ValueError(f"Expected at least one derotation of {', '.join(DEROTATIONS)}, got none.")
    for what, given in (("value", values), ("derotation", derotations)):
        if len({*given}) < len(given):
            raise ValueError(f"Expected each {what} once, got {given}.")
    for name in derotations:
        if name not in DEROTATIONS:
            raise UnknownNameError("derotation", name, DEROTATIONS)

    told_apart = [] if isinstance(derotation, str) else ["derotation"]
    found = Measuring("perturbation", "value", "unit", *told_apart, resamples=resamples, seed=seed)
    total = len(dataset.categories) * len(values)
    with tqdm(total=total, desc=f"{perturbation} sweep", unit=" values", disable=None, leave=False) as progress:
        for category in dataset.categories:
            part = dataset.select([category])
            batches = list(part.batches(batch_size, needs_masks=False))
            seeds = [noise_seeds(batch.paths, part, seed) for batch in batches]
            setting = {"category": row_name(category), "perturbation": perturbation}
            for value in values:
                setting |= {"value": value, "unit": record.unit}
                predictions = [_prediction(model, *each, record, value) for each in zip(batches, seeds)]
                scores = torch.cat([prediction.image_score for prediction in predictions])
                for name in derotations:
                    matched = _matched(predictions, batches, record, value, name)
                    own = setting | dict.fromkeys(told_apart, name)
                    found.add(part, matched.maps, matched.masks, scores, setting=own, pictures=matched.pictures)
                progress.update()
    return found.table()


def _prediction(
    model: AnomalyModel, batch: Batch, seeds: list[int], perturbation: Perturbation, value: float
) -> Prediction:
    images = to_device(batch.images, model.device)
    if value != perturbation.neutral:
        images = perturbation.apply(images, value, seed=seeds)
    return predict(model, images, batch.categories, batch.paths)


class Matched(NamedTuple):
    """Maps and masks that fit each other, and whose pieces they are where pictures were cut."""

    maps: list[Float[Tensor, "_ _"]]
    masks: list[Bool[Tensor, "_ _"]]
    pictures: list[int] | None = None


def _matched(
    predictions: list[Prediction], batches: list[Batch], perturbation: Perturbation, value: float, derotation: str
) -> Matched:
    motion = perturbation.motion if value != perturbation.neutral else None
    maps, masks = [], []
    for prediction, batch in zip(predictions, batches):
        found, truth = prediction.anomaly_map, batch.masks
        if motion and derotation == "mask":
            truth = motion.masks_along(truth, value)
        elif motion:
            found = motion.maps_back(found, value, "zero" if derotation == "zero" else "replicate")
        maps += found
        masks += truth
    if not motion or derotation != "valid":
        return Matched(maps, masks)
    return whole_regions(maps, masks, [motion.shown(value, *mask.shape) for mask in masks])


def whole_regions(
    maps: list[Float[Tensor, "_ _"]], masks: list[Bool[Tensor, "_ _"]], shown: list[Bool[Tensor, "_ _"]]
) -> Matched:
    """The pixels shown, as one row for each picture's normal ones and one for each of its regions.

    Pixel metrics pool pixels and regions over pictures, so what lies where is no matter.
    """
    pieces = []
    for picture, (map_, mask, region) in enumerate(zip(maps, masks, shown)):
        numbers, count = numbered_regions((mask & region).numpy())
        labels = torch.from_numpy(numbers)
        pieces.append((map_[region & ~mask], False, picture))
        pieces += [(map_[labels == label], True, picture) for label in range(1, count + 1)]
    rows, anomalous, pictures = zip(*pieces)
    truth = [torch.full((1, len(row)), own) for row, own in zip(rows, anomalous)]
    return Matched([row[None] for row in rows], truth, list(pictures))
