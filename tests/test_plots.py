"""Pixels of overlays, against what they are made of."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from zsas_lib import plots

IMAGE = torch.rand((3, 6, 8), generator=torch.Generator().manual_seed(0))


def test_an_overlay_is_grey_where_nothing_is_found_and_coloured_where_most_is():
    anomaly_map = torch.zeros(6, 8)
    anomaly_map[2, 3] = 2.0
    pixels, grey = plots.blended(IMAGE, anomaly_map), IMAGE.mean(0).numpy()
    colours = plt.get_cmap(plots.MAP_COLOURS)
    np.testing.assert_allclose(pixels[0, 0], 0.75 * grey[0, 0] + 0.25 * np.array(colours(0.0)[:3]), atol=1e-6)
    np.testing.assert_allclose(pixels[2, 3], 0.15 * grey[2, 3] + 0.85 * np.array(colours(1.0)[:3]), atol=1e-6)
    np.testing.assert_allclose(plots.blended(IMAGE, anomaly_map, (2.0, 3.0)), plots.blended(IMAGE, torch.zeros(6, 8)))


def test_the_outline_lies_around_the_mask_and_changes_nothing_else():
    pixels, mask = IMAGE.permute(1, 2, 0).numpy(), torch.zeros(6, 8, dtype=torch.bool)
    mask[2:4, 3:5] = True
    drawn = plots.outlined(pixels, mask)
    changed = (drawn != pixels).any(-1)
    assert changed.sum() == 8 and not changed[mask.numpy()].any()
    assert drawn[1, 3] == pytest.approx(to_rgb(plots.TRUTH_COLOUR))
    np.testing.assert_array_equal(plots.outlined(pixels, torch.zeros_like(mask)), pixels)
