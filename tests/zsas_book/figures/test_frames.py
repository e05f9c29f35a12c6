"""Frames of sliders: which pixels stand where, and what is written beneath them."""

import numpy as np
import pandas as pd
import pytest
from toy import toy_dataset

from zsas_book import figures
from zsas_book.figures.frames import frame
from zsas_book.figures.maps import blended, outlined
from zsas_lib.studies.one_picture import View


@pytest.fixture
def sample(tmp_path):
    return toy_dataset(tmp_path, {"ring": 1})[3]


def test_tiles_stand_side_by_side_with_a_grey_gap(sample):
    anomaly_map = sample.image[0]
    pixels = frame([figures.tile(sample, outline=False), figures.tile(sample, anomaly_map=anomaly_map)], gap=4)
    side = sample.image.shape[1]
    assert pixels.shape == (side, 2 * side + 4, 3) and pixels.dtype == np.uint8
    assert np.abs(pixels[:, :side] / 255 - sample.image.permute(1, 2, 0).numpy()).max() <= 0.5 / 255 + 1e-6
    assert (pixels[:, side : side + 4] == 128).all()
    expected = outlined(blended(sample.image, anomaly_map), sample.mask)
    assert np.abs(pixels[:, side + 4 :] / 255 - expected).max() <= 0.5 / 255 + 1e-6
    with pytest.raises(ValueError, match="at least one tile"):
        frame([])


def test_captions_and_curve_come_from_the_table(sample):
    table = pd.DataFrame({"threshold": [0.25, 0.5], "f1": [0.125, 0.5]})
    tiles = [[figures.tile(sample)], [figures.tile(sample)]]
    text = figures.tile_slider(tiles, table, "{threshold:.2f}", "F1 {f1:.1%}", "f1", name="cut", alt="A ring", start=1)
    assert "F1 50.0\N{NO-BREAK SPACE}%" in text and "f1 of this picture, 12.5 to 50.0 %" in text
    assert "A ring, at 0.50" in text and "<polyline" in text


def test_a_curve_with_holes_is_left_out(sample):
    table = pd.DataFrame({"threshold": [0.25], "f1": [float("nan")]})
    text = figures.tile_slider([[figures.tile(sample)]], table, "{threshold}", "none", "f1", name="cut", alt="A ring")
    assert "<polyline" not in text


def test_maps_of_all_views_share_one_scale_of_colours(sample):
    seen = [View(value, sample.image, sample.mask, value * sample.image[0], sample.image[1]) for value in (1.0, 2.0)]
    rows = figures.view_tiles(sample, seen, upright=True)
    assert [len(row) for row in rows] == [3, 3] and [len(row) for row in figures.view_tiles(sample, seen)] == [2, 2]
    limits = {tile.limits for row in rows for tile in row[1:]}
    low, high = limits.pop()
    assert (
        not limits
        and low == pytest.approx(float(sample.image[0].min()))
        and high == pytest.approx(2 * float(sample.image[0].max()))
    )
    assert rows[0][2].anomaly_map is seen[0].upright and rows[0][0].anomaly_map is None
