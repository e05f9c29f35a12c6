"""Pictures, anomaly maps over them, and outlines of the ground truth."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from scipy import ndimage
from torch import Tensor

from .style import MAP_COLOURS, TRUTH_COLOUR


def picture(axes: Axes, image: Float[Tensor, "3 height width"], title: str = "") -> None:
    """One RGB picture without axes."""
    axes.imshow(image.permute(1, 2, 0).clamp(0, 1).numpy(force=True))
    axes.set_title(title)
    axes.set_axis_off()


def overlay(
    axes: Axes,
    image: Float[Tensor, "3 height width"],
    anomaly_map: Float[Tensor, "height width"],
    mask: Bool[Tensor, "height width"] | None = None,
    limits: tuple[float, float] | None = None,
) -> None:
    """An anomaly map over its greyed picture, with the outline of the ground truth.

    Colours span `limits`, or the map's range without them.
    """
    axes.imshow(blended(image, anomaly_map, limits))
    if mask is not None and mask.any():
        axes.contour(mask.numpy(force=True), levels=[0.5], colors=TRUTH_COLOUR, linewidths=1.2)
    axes.set_axis_off()


def heat(
    axes: Axes,
    values: Float[Tensor, "rows columns"],
    title: str = "",
    limits: tuple[float, float] | None = None,
    *,
    colours: str = MAP_COLOURS,
    ticks: Sequence[float] | None = None,
) -> None:
    """Numbers as colours, without axes, from the lowest to the highest of `limits` or of themselves; with a bar beside
    them that has these `ticks`, where there are no limits."""
    low, high = limits or (None, None)
    drawn = axes.imshow(values.numpy(force=True), cmap=colours, vmin=low, vmax=high)
    axes.set_title(title)
    axes.set_axis_off()
    if limits is None:
        axes.figure.colorbar(drawn, ax=axes, shrink=0.7, ticks=ticks)


def blended(
    image: Float[Tensor, "3 height width"],
    anomaly_map: Float[Tensor, "height width"],
    limits: tuple[float, float] | None = None,
) -> Float[np.ndarray, "height width 3"]:
    """The pixels of `overlay`: the greyed picture, the more coloured the higher the map, in [0, 1]."""
    grey = image.mean(0).numpy(force=True)
    values = anomaly_map.numpy(force=True)
    low, high = limits or (values.min(), values.max())
    strength = np.clip((values - low) / max(high - low, 1e-9), 0, 1)
    coloured = plt.get_cmap(MAP_COLOURS)(strength)[..., :3]
    weight = 0.25 + 0.6 * strength[..., None]
    return ((1 - weight) * grey[..., None] + weight * coloured).clip(0, 1).astype(np.float32)


def outlined(
    pixels: Float[np.ndarray, "height width 3"], mask: Bool[Tensor, "height width"]
) -> Float[np.ndarray, "height width 3"]:
    """Pixels with the border of a mask drawn in the colour of the ground truth, one pixel wide, outside of it."""
    pixels = pixels.copy()
    pixels[ndimage.binary_dilation(mask.numpy(force=True)) & ~mask.numpy(force=True)] = to_rgb(TRUTH_COLOUR)
    return pixels
