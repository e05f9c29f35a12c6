"""Rows of pictures, and of anomaly maps over them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import matplotlib.pyplot as plt
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from torch import Tensor

from zsas_lib.data.dataset import Sample

from ..labels import label
from .maps import outlined, overlay, picture
from .style import use_style

WIDEST = 9.0
TITLE_SIZE = 9


@dataclass(frozen=True)
class Tile:
    """One picture of a gallery: the picture itself or, where there is an ``anomaly_map``, the map over it, in the
    colours of ``limits`` or of its own range; with the outline of ``mask``."""

    image: Float[Tensor, "3 height width"]
    title: str = ""
    mask: Bool[Tensor, "height width"] | None = None
    anomaly_map: Float[Tensor, "height width"] | None = None
    limits: tuple[float, float] | None = None


def tile(
    sample: Sample,
    title: str | None = None,
    anomaly_map: Float[Tensor, "height width"] | None = None,
    limits: tuple[float, float] | None = None,
    outline: bool = True,
) -> Tile:
    """A sample, or a map over it, with its defect outlined; its title is what it shows ("ceramic ring: crack") unless
    it is given or a map is shown."""
    if title is None:
        title = "" if anomaly_map is not None else f"{label(sample.category)}: {label(sample.defect)}"
    return Tile(sample.image, title, sample.mask if outline else None, anomaly_map, limits)


def gallery(rows: Sequence[Sequence[Tile | None]], *, size: float = 1.8, names: Sequence[str] = ()) -> Figure:
    """Tiles in rows, ``size`` inches wide each but no wider than the page in all; a None leaves its place empty.
    ``names`` stand to the left of the rows. Raises ValueError for no tile."""
    columns = max(map(len, rows), default=0)
    if not columns:
        raise ValueError("Expected at least one tile to draw, got none.")
    use_style()
    size = min(size, WIDEST / columns)
    heights = [size + max((_room(tile.title) for tile in row if tile is not None), default=0) + 0.06 for row in rows]
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(size * columns, sum(heights)), height_ratios=heights, squeeze=False
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for line, row in zip(axes, rows):
        for axis, tile in zip(line, row):
            if tile is None:
                continue
            if tile.anomaly_map is not None:
                overlay(axis, tile.image, tile.anomaly_map.cpu(), tile.mask, tile.limits)
            elif tile.mask is not None:
                axis.imshow(outlined(tile.image.permute(1, 2, 0).clamp(0, 1).numpy(force=True), tile.mask))
            else:
                picture(axis, tile.image)
            axis.set_title(tile.title, fontsize=TITLE_SIZE)
    for axis, name in zip(axes[:, 0], names):
        place = {"transform": axis.transAxes, "ha": "right", "va": "center", "fontsize": TITLE_SIZE}
        axis.text(-0.06, 0.5, label(name).replace(" ", "\n"), **place)
    return figure


def gallery_of_columns(columns: Mapping[str, Sequence[Tile]], **options: object) -> Figure:
    """`gallery` with a column for each entry, whose name stands above its first tile; tiles' titles are left out."""
    titled = [
        [replace(tile, title="" if place else name) for place, tile in enumerate(tiles)]
        for name, tiles in columns.items()
    ]
    return gallery(list(zip(*titled, strict=True)), **options)


def _room(title: str) -> float:
    return 0.12 + 0.15 * (title.count("\n") + 1) if title else 0.0  # inches
