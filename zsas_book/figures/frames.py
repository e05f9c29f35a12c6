"""Sliders over pictures and maps: tiles of a gallery side by side as frames, their captions and curve from a table."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, UInt8

from zsas_lib.data.dataset import Sample
from zsas_lib.studies.one_picture import View

from ..labels import label
from .gallery import Tile
from .maps import blended, outlined
from .slider import frame_slider


def tile_slider(
    tiles: Sequence[Sequence[Tile]],
    table: pd.DataFrame,
    value: str,
    caption: str,
    curve: str,
    *,
    name: str,
    alt: str,
    start: int = 0,
    colour: str = "currentColor",
    gap: int = 0,
) -> str:
    """`frame_slider` with a frame for each row of ``table``, whose tiles stand side by side, ``gap`` pixels apart.

    ``value`` and ``caption`` are texts for `str.format` with the row's columns, such as "{threshold:.3f}" and "F1
    {f1:.1%}"; a number is not torn from its percent sign. ``curve`` is the column that is drawn below, a fraction, in
    percent; it is left out where some of it is missing. ``name`` says what the slider changes.

    Raises ValueError for other numbers of rows of tiles than of the table, and as `frame_slider`.
    """
    rows = table.to_dict("records")
    words, captions = ([_percent(text.format(**row)) for row in rows] for text in (value, caption))
    drawn = 100 * table[curve]
    return frame_slider(
        [frame(row, gap) for row in tiles],
        words,
        captions,
        label=name,
        alt=alt,
        start=start,
        curve=drawn.tolist() if drawn.notna().all() else None,
        curve_label=f"{label(curve)} of this picture, {drawn.min():.1f} to {drawn.max():.1f} %",
        colour=colour,
    )


def view_tiles(sample: Sample, views: Sequence[View], upright: bool = False) -> list[list[Tile]]:
    """Rows of tiles for the `views` of one picture: the perturbed picture, the map over it and, where ``upright``, the
    map brought back onto the picture as it was; all maps in one scale of colours."""
    maps = torch.stack([view.anomaly_map for view in views])
    limits = (float(maps.min()), float(maps.max()))
    rows = []
    for view in views:
        row = [Tile(view.image, mask=view.mask), Tile(view.image, "", view.mask, view.anomaly_map, limits)]
        back = [Tile(sample.image, "", sample.mask, view.upright, limits)] if upright else []
        rows.append(row + back)
    return rows


def frame(tiles: Sequence[Tile], gap: int = 0) -> UInt8[np.ndarray, "height width 3"]:
    """Tiles side by side, pixel by pixel, ``gap`` grey pixels between two of them, a border of one pixel around each
    defect. Titles are left out. Raises ValueError for no tile."""
    if not tiles:
        raise ValueError("Expected at least one tile for a frame, got none.")
    space = np.full((tiles[0].image.shape[1], gap, 3), 0.5, dtype=np.float32)
    parts = [part for tile in tiles for part in (space, _pixels(tile))][1:]
    return (np.concatenate(parts, axis=1) * 255).round().astype(np.uint8)


def _pixels(tile: Tile) -> Float[np.ndarray, "height width 3"]:
    if tile.anomaly_map is None:
        pixels = tile.image.permute(1, 2, 0).clamp(0, 1).numpy(force=True)
    else:
        pixels = blended(tile.image, tile.anomaly_map, tile.limits)
    return pixels if tile.mask is None else outlined(pixels, tile.mask)


def _percent(text: str) -> str:
    return text.replace("%", "\N{NO-BREAK SPACE}%")
