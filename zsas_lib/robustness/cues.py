"""What a map hangs on: what it loses when colour, fine texture or the whole's shape is taken from the picture.

No picture has the shape of one defect and the texture of another, so this is no shape bias: it is a profile of what is
missed. A map's colours are taken away, or turned; its fine texture is smoothed; and its whole is cut into squares that
are put elsewhere, which leaves what is inside of each, and its mask is cut alike.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from kornia.filters import median_blur
from torch import Tensor

from ..base.devices import to_device
from ..base.errors import UnknownNameError
from ..data.dataset import AnomalyDataset
from ..data.record import row_name
from ..evaluation.evaluate import predict
from ..evaluation.replicates import checksums, means_of_known
from ..evaluation.sampled import ITSELF, Sampled
from ..metrics.bootstrap import resampled
from ..metrics.pixel import gathered_metrics
from ..metrics.ranking import gathered
from ..models.prediction import AnomalyModel
from ..perturbations.colour import shift_hue
from .equivariance import BEFORE, MEASURED

SQUARES = 4
"""In how many rows and columns of squares a picture is cut."""
SMOOTHED = 1 / 60
"""The side of the median's window, in parts of the picture's shorter side, to the next odd one: 5 pixels of 240."""


@dataclass(frozen=True)
class Removal:
    """One way to take a cue away: ``images(images)`` in [0, 1], and ``masks(masks)`` where pixels move."""

    name: str
    cue: str
    images: Callable[[Tensor], Tensor]
    masks: Callable[[Tensor], Tensor] = lambda masks: masks


def grey(images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
    """The mean of the channels in all three."""
    return images.mean(1, keepdim=True).expand_as(images)


def smooth(images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
    """The median of a square window (`SMOOTHED`) around each pixel, channel by channel; edges are kept."""
    side = 2 * max(1, round(SMOOTHED * min(images.shape[-2:]) / 2)) + 1
    return median_blur(images, (side, side)).clamp(0, 1)


def shuffled(planes: Tensor, squares: int = SQUARES, seed: int = 0) -> Tensor:
    """Planes (..., height, width) cut into ``squares`` x ``squares`` equal parts, which change their places, the same
    for the same seed and none at its own; what a side has over stays where it is. Raises ValueError for fewer than two,
    or more than the side has pixels."""
    height, width = (side // squares if squares > 1 else 0 for side in planes.shape[-2:])
    if not height or not width:
        raise ValueError(f"Expected 2 to {min(planes.shape[-2:])} squares a side, got {squares}.")
    order = _places(squares**2, seed)
    moved = planes.clone()
    for place, source in enumerate(order):
        (row, column), (from_row, from_column) = divmod(place, squares), divmod(source, squares)
        own = planes[..., from_row * height : (from_row + 1) * height, from_column * width : (from_column + 1) * width]
        moved[..., row * height : (row + 1) * height, column * width : (column + 1) * width] = own
    return moved


def _places(count: int, seed: int) -> list[int]:
    """An order in which nothing stands at its own place: a random ring."""
    ring = np.random.default_rng(seed).permutation(count)
    order = np.empty(count, dtype=int)
    order[ring] = np.roll(ring, 1)
    return order.tolist()


REMOVALS: dict[str, Removal] = {
    own.name: own
    for own in (
        Removal("grey", "colour", grey),
        Removal("hue", "colour", lambda images: shift_hue(images, math.pi / 2)),
        Removal("smooth", "fine texture", smooth),
        Removal("shuffled", "the whole's shape", shuffled, shuffled),
    )
}
"""Every way by its name."""


def cue_losses(
    model: AnomalyModel, dataset: AnomalyDataset, removals: Sequence[str] = tuple(REMOVALS), *, batch_size: int = 16
) -> pd.DataFrame:
    """The metrics `MEASURED` (fractions) of a model on pictures without a cue, and with ``_before`` on the same
    pictures as they are: a row for each category and removal, with columns category, removal and cue.

    Raises UnknownNameError for a removal that is none, DataError for pictures without masks, and as `predict`.
    """
    for name in removals:
        if name not in REMOVALS:
            raise UnknownNameError("removal of a cue", name, REMOVALS)
    rows = []
    for category in dataset.categories:
        batches = list(dataset.select([category]).batches(batch_size))
        before = _metrics(model, batches, lambda images: images, lambda masks: masks)
        for name in removals:
            own = REMOVALS[name]
            after = _metrics(model, batches, own.images, own.masks)
            facts = {"category": row_name(category), "removal": name, "cue": own.cue}
            numbers = {metric: after[metric] for metric in MEASURED}
            rows.append(facts | numbers | {f"{metric}{BEFORE}": before[metric] for metric in MEASURED})
    return pd.DataFrame(rows)


def _metrics(model: AnomalyModel, batches: Sequence, images: Callable, masks: Callable) -> Mapping[str, float]:
    maps: list[Float[Tensor, "_ _"]] = []
    truth: list[Bool[Tensor, "_ _"]] = []
    for batch in batches:
        changed = images(to_device(batch.images, model.device))
        maps += predict(model, changed, batch.categories, batch.paths).anomaly_map
        truth += masks(batch.masks)
    return gathered_metrics(gathered(maps, truth))


def profile(*tables: pd.DataFrame, metric: str = "pixel_ap", resamples: int = 200) -> pd.DataFrame:
    """What a model hangs on: a row for each cue, with lost (the mean over categories and over the cue's removals, a
    fraction) and share (of all losses; a gain counts as none), each with its standard error and 95 % interval over
    resampled categories and other trainings (``_se``, ``_low``, ``_high``); nan shares where a training loses nothing.

    ``tables`` are of `cue_losses`, of one model's trainings, over which both are averaged.
    """
    parts = []
    for run, table in enumerate(tables):
        losses = table.assign(lost=table[f"{metric}{BEFORE}"] - table[metric])
        wide = losses.groupby(["category", "cue"], sort=False).lost.mean().unstack("cue")
        wide = wide[list(dict.fromkeys(table["cue"]))]
        count = len(wide)
        drawn = resampled(count, resamples, 0) if count > 1 else np.zeros((0, count), dtype=int)
        numbers, freedom = means_of_known(wide.to_numpy(dtype=float), drawn)
        means = np.vstack([wide.mean().to_numpy(), numbers])
        positive = np.clip(means, 0, None)
        with np.errstate(invalid="ignore"):
            shares = positive / positive.sum(axis=1, keepdims=True)
        facts = {"replicate": range(ITSELF, len(drawn)), "draw": [0, *checksums(drawn)]}
        facts |= {"pictures": crc32("\n".join(map(str, wide.index)).encode()), "units": count, "freedom": freedom}
        parts += [
            pd.DataFrame({"cue": cue} | facts | {"lost": means[:, place], "share": shares[:, place], "run": run})
            for place, cue in enumerate(wide)
        ]
    rows = []
    for cue, own in pd.concat(parts, ignore_index=True).groupby("cue", sort=False):
        row: dict[str, object] = {"cue": cue}
        for name in ("lost", "share"):
            sure = Sampled.of(own, name).difference_or_nan()
            row |= {name: sure.gap, f"{name}_se": sure.se, f"{name}_low": sure.low, f"{name}_high": sure.high}
        rows.append(row)
    return pd.DataFrame(rows)
