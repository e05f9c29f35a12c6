"""One damaged picture from close by: how good a map of it is, what each threshold makes of it, how well its defect
stands out, and what a model makes of it while it is perturbed."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor

from ..base.booleans import require_bool
from ..data.dataset import Sample
from ..metrics.aupro import aupro
from ..metrics.pixel import f1_max, pixel_auroc
from ..models.prediction import AnomalyModel
from ..perturbations import named

RIM = 6  # pixels around a defect that it is compared with


def map_table(maps: Mapping[str, Float[Tensor, "height width"]], mask: Bool[Tensor, "height width"]) -> pd.DataFrame:
    """How maps of one picture compare, a row for each: pixel_auroc, aupro and pixel_f1_max against its mask, in [0, 1],
    then lowest, highest and spread, the map's range and its standard deviation over the pixels, in its own unit. The
    index is called map."""
    rows = {
        name: {
            "pixel_auroc": pixel_auroc(values[None], mask[None]),
            "aupro": aupro(values[None], mask[None]),
            "pixel_f1_max": f1_max(values[None], mask[None]),
            "lowest": float(values.min()),
            "highest": float(values.max()),
            "spread": float(values.std()),
        }
        for name, values in maps.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("map")


def threshold_table(
    anomaly_map: Float[Tensor, "height width"], mask: Bool[Tensor, "height width"], thresholds: Iterable[float]
) -> pd.DataFrame:
    """The mask that each threshold gives: a row with the threshold, the share of the picture that it covers, and its F1
    and IoU with the ``mask``, all in [0, 1]; F1 and IoU are nan where neither has a pixel. Raises TypeError for a mask
    that is not bool."""
    require_bool(mask)
    rows = []
    for threshold in thresholds:
        chosen = anomaly_map >= threshold
        hit, both = int((chosen & mask).sum()), int(chosen.sum() + mask.sum())
        f1, iou = (2 * hit / both, hit / (both - hit)) if both else (np.nan, np.nan)
        covered = float(chosen.float().mean())
        rows.append({"threshold": float(threshold), "covered": covered, "f1": f1, "iou": iou})
    return pd.DataFrame(rows)


def rim_contrast(image: Float[Tensor, "3 height width"], mask: Bool[Tensor, "height width"], rim: int = RIM) -> float:
    """How visible a defect is: the distance in RGB between its mean colour and that of the ``rim`` pixels around it, in
    [0, sqrt 3]; nan where there is no defect or no rim. Raises TypeError for a mask that is not bool."""
    require_bool(mask)
    wider = torch.from_numpy(ndimage.binary_dilation(mask.numpy(force=True), iterations=rim))
    around = wider.to(mask.device) & ~mask
    if not mask.any() or not around.any():
        return np.nan
    return float((image[:, mask].mean(1) - image[:, around].mean(1)).norm())


def example_amounts(perturbation: str, count: int = 5) -> list[float]:
    """``count`` amounts of a perturbation, evenly over its range, to four decimals; of one that wraps without the two
    ends, which are the same. Raises UnknownNameError for an unknown one."""
    known = named(perturbation)
    ends = int(known.wraps)
    amounts = np.linspace(known.low, known.high, count + 2 * ends)
    return amounts[ends : len(amounts) - ends].round(4).tolist()


def contrast_table(original: Sample, changed: Mapping[str, Mapping[float, Sample]]) -> pd.DataFrame:
    """The `rim_contrast` of one picture's defect under perturbations: ``changed`` holds the perturbed picture by
    perturbation and amount. Columns perturbation, value, contrast, and share of the original's; where there is no
    contrast to measure, such as where the defect was turned out of the picture, there is no row."""
    rows = [
        {"perturbation": name, "value": value, "contrast": rim_contrast(sample.image, sample.mask)}
        for name, samples in changed.items()
        for value, sample in samples.items()
    ]
    table = pd.DataFrame(rows).dropna(ignore_index=True)
    return table.assign(**{"share of the original": table.contrast / rim_contrast(original.image, original.mask)})


class View(NamedTuple):
    """What a model makes of one picture under one amount of a perturbation: the perturbed picture and its mask, the map
    of it, and the map brought back onto the picture as it was."""

    value: float
    image: Float[Tensor, "3 height width"]
    mask: Bool[Tensor, "height width"]
    anomaly_map: Float[Tensor, "height width"]
    upright: Float[Tensor, "height width"]


def views(
    model: AnomalyModel, sample: Sample, perturbation: str, values: Iterable[float], batch_size: int = 16
) -> tuple[pd.DataFrame, list[View]]:
    """One picture under growing amounts of a perturbation, as a person and as a model see it.

    Returns a table with a row for each of ``values``, and a `View` for each. Columns: perturbation, value, image_score,
    map_max (the map's largest value) and pixel_auroc, taken over the pixels that the perturbed picture shows, nan where
    those are all damaged or all sound. Raises UnknownNameError for an unknown perturbation.
    """
    known, image, mask = named(perturbation), sample.image[None], sample.mask[None]
    values = [float(value) for value in values]
    images = torch.cat([image if value == known.neutral else known.apply(image, value) for value in values])
    with torch.no_grad():
        predictions = [model(part.to(model.device), sample.category) for part in images.split(batch_size)]
    maps = torch.cat([prediction.anomaly_map.float().cpu() for prediction in predictions])
    scores = torch.cat([prediction.image_score.float().cpu() for prediction in predictions])
    rows, seen = [], []
    for value, changed, anomaly_map, score in zip(values, images, maps, scores):
        moved, upright, shown = mask[0], anomaly_map, torch.ones_like(mask[0])
        if known.motion and value != known.neutral:
            moved = known.motion.masks_along(mask, value)[0]
            upright = known.motion.maps_back(anomaly_map[None], value, "zero")[0]
            shown = known.motion.shown(value, *mask.shape[1:])
        seen.append(View(value, changed, moved, anomaly_map, upright))
        measured = {"image_score": float(score), "map_max": float(anomaly_map.max())}
        measured["pixel_auroc"] = pixel_auroc([upright[shown][None]], [mask[0][shown][None]])
        rows.append({"perturbation": perturbation, "value": value} | measured)
    return pd.DataFrame(rows), seen
