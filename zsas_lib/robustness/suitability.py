"""Which categories a perturbation suits: those that turn without a trace (S A.3), and those that have colour at all.

Paper S studies objects whose corners look the same after a turn by 45 degrees, found by the corner error e(x) of its
eq. (6) and a threshold chosen by hand. A hue shift has the like: what has no saturation has no hue to shift.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from ..base.errors import UnknownNameError
from ..data.dataset import AnomalyDataset
from ..data.record import row_name
from ..perturbations.colour import GREY
from ..perturbations.rotation import rotate, valid_region

ANGLE = 45.0  # degrees: at this angle most of a square is extrapolated


def corner_error(images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, " batch"]:
    """S eq. (6), e(x) = sum_i m_i (x_i - f(x_i; 45 degrees))^2 / sum_i m_i: how much the corners of each image differ
    from those that a turn by 45 degrees gives it.

    The mask m is 1 where the turned image is extrapolated, 17 % of a square. Images are in [0, 1] and the square is a
    mean over the three channels, so e lies in [0, 1]; S says neither, and one of its numbers is hardly such a mean.

    >>> flat = torch.full((1, 3, 32, 32), 0.5)
    >>> round(zsas.corner_error(flat).item(), 6)
    0.0
    """
    extrapolated = ~valid_region(ANGLE, *images.shape[-2:]).to(images.device)
    return (images - rotate(images, ANGLE)).square().mean(1)[:, extrapolated].mean(1)


def corner_map(image: Float[Tensor, "3 height width"]) -> Float[Tensor, "height width"]:
    """Where the `corner_error` of one image lies: the root of the squared difference that it averages, 0 where the
    turned image is not extrapolated."""
    extrapolated = ~valid_region(ANGLE, *image.shape[-2:]).to(image.device)
    return (image - rotate(image[None], ANGLE)[0]).square().mean(0).sqrt() * extrapolated


def saturation(images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, " batch"]:
    """Mean over each image's pixels of the HSV saturation (max - min) / max, in [0, 1]; 0 where a pixel is black."""
    value = images.amax(1)
    return ((value - images.amin(1)) / value.clamp(min=GREY)).flatten(1).mean(1)


def chroma(images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, " batch"]:
    """Mean over each image's pixels of max - min, in [0, 1]: by how much a hue shift can change a channel. Dark pixels
    may be saturated and still have little of it."""
    return (images.amax(1) - images.amin(1)).flatten(1).mean(1)


def greyness(images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, " batch"]:
    """Share of each image's pixels without colour, whose channels differ by at most 1/255, one step of a file's 256: a
    hue shift leaves them, and a positive saturation shift turns them red, as grey has hue 0."""
    return (images.amax(1) - images.amin(1) < 1.5 / 255).float().flatten(1).mean(1)


QUANTITIES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "corner_error": corner_error,
    "saturation": saturation,
    "chroma": chroma,
    "greyness": greyness,
}


def picture_table(
    dataset: AnomalyDataset, quantities: Sequence[str] = tuple(QUANTITIES), batch_size: int = 16
) -> pd.DataFrame:
    """Some of `QUANTITIES` of every picture, at the size in which the data set gives it.

    Returns one row per picture: path below the data set's root, category, defect, is_anomalous, and a column for each
    quantity. Raises UnknownNameError for a quantity that is none.
    """
    for name in quantities:
        if name not in QUANTITIES:
            raise UnknownNameError("quantity", name, QUANTITIES)
    measured: dict[str, list[float]] = {name: [] for name in quantities}
    for batch in dataset.batches(batch_size, needs_masks=False):
        for name, values in measured.items():
            values += QUANTITIES[name](batch.images).tolist()
    return pd.DataFrame(
        {
            "path": [record.name(dataset.root) for record in dataset.records],
            "category": [row_name(record.category) for record in dataset.records],
            "defect": [record.defect for record in dataset.records],
            "is_anomalous": [record.is_anomalous for record in dataset.records],
            **measured,
        }
    )


def category_table(pictures: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Means of a quantity over the pictures of each category, smallest first, as S's Tables 2 and 3 list e(x).

    ``pictures`` is a `picture_table`. Named by category in the index; columns ``quantity``, its standard error over
    pictures (``_se``, nan for a single one) and the number of pictures.
    """
    groups = pictures.groupby("category", sort=False)[quantity]
    table = pd.DataFrame({quantity: groups.mean(), f"{quantity}_se": groups.sem(), "pictures": groups.size()})
    return table.sort_values(quantity)


def widest_gap(errors: pd.Series) -> float:
    """The threshold in the middle, on a logarithmic scale, of the two neighbours that lie furthest apart by ratio.

    Raises ValueError for fewer than two categories, or where all have the same error.
    """
    ordered = np.log(np.maximum(np.sort(errors), np.finfo(float).tiny))
    if len(ordered) < 2 or ordered[0] == ordered[-1]:
        raise ValueError(
            f"Expected categories with different errors, got {len(ordered)} with {len(np.unique(ordered))} different "
            "ones; there is no gap to put a threshold in, so give one."
        )
    widest = np.argmax(np.diff(ordered))
    return float(np.exp(ordered[widest : widest + 2].mean()))


class Cut(NamedTuple):
    """A threshold, and by which factor the errors of its neighbours on either side differ; nan where that is
    unknown."""

    threshold: float
    ratio: float = float("nan")


def cut_above(errors: pd.Series, chosen: pd.Series) -> Cut:
    """The threshold in the middle, on a logarithmic scale, between the largest error of what is ``chosen`` (True by
    category) and the next larger one."""
    below = errors.loc[chosen].max()
    above = errors.loc[errors > below].min()
    return Cut(float(np.sqrt(below * above)), float(above / below))


def widest_cut(errors: pd.Series) -> Cut:
    """The `widest_gap` with its neighbours' ratio. Raises ValueError as that does."""
    gap = widest_gap(errors)
    return Cut(gap, float(errors.loc[errors > gap].min() / errors.loc[errors <= gap].max()))


def choices(errors: pd.Series, fit: pd.Series, cuts: Mapping[str, Cut]) -> pd.DataFrame:
    """What each cut keeps, a row for each, by its name in the index.

    ``fit`` is True or False by category, or None where it is not known whether the category may be turned. Columns:
    threshold; neighbours' ratio; kept, how many categories; and two lists of categories: missed, which are fit and left
    out, and let in, which are kept and are not fit.
    """
    rows = {}
    for name, cut in cuts.items():
        inside = errors <= cut.threshold
        rows[name] = {
            "threshold": cut.threshold,
            "neighbours' ratio": cut.ratio,
            "kept": int(inside.sum()),
            "missed": errors.loc[~inside & fit.eq(True)].index.tolist(),
            "let in": errors.loc[inside & fit.eq(False)].index.tolist(),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("rule")


def ordered_pairs(errors: pd.Series, fit: pd.Series) -> tuple[int, int]:
    """Of all pairs of a category that is ``fit`` and one that is not, how many have the smaller error at the fit one;
    and the number of pairs."""
    yes, no = (errors.loc[fit.eq(flag)].to_numpy() for flag in (True, False))
    return int((yes[:, None] < no[None]).sum()), len(yes) * len(no)


def selected(errors: pd.Series, threshold: float) -> list[str]:
    """The categories whose error, by category, is at most ``threshold``, in their order.

    Raises ValueError where there is none.
    """
    chosen = [str(category) for category, error in errors.items() if error <= threshold]
    if not chosen:
        raise ValueError(
            f"No category has an error of at most {threshold:g}; the smallest is {errors.min():g} ({errors.idxmin()}). "
            "Raise the threshold."
        )
    return chosen
