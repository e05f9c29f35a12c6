"""Worst cases as pictures and points, and the curves of searches, by what matplotlib was given to draw."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from toy import Glow, toy_dataset

from zsas_book import figures
from zsas_lib.robustness.search.single import before_and_after

ALL = "rotation + hue + saturation"


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_a_case_is_the_picture_its_map_the_perturbed_picture_and_the_map_turned_back(tmp_path):
    sample = toy_dataset(tmp_path, {"ceramic_ring": 1})[3]
    case = pd.Series({"category": "ceramic_ring", "degrees": -90.0, "hue": 0.0, "saturation": 0.25})
    first, before, worst, after = figures.case_tiles(Glow(), sample, case)
    outcome = before_and_after(Glow(), sample, case)
    assert first.title == "ceramic ring" and first.mask is not None and worst.mask is None
    assert worst.title == "rotation -90°, hue 0.0,\nsaturation +0.2"
    assert after.title == f"AUROC {100 * outcome.pixel_auroc[1]:.0f} %" and before.limits == after.limits
    torch.testing.assert_close(before.anomaly_map, outcome.maps[0])
    torch.testing.assert_close(after.anomaly_map, outcome.maps[1])
    assert worst.image.shape == sample.image.shape and not torch.equal(worst.image, sample.image)


@pytest.mark.slow
def test_points_of_models_stand_from_the_original_to_all_three():
    rows = [
        {"category": name, "combination": combination, "pixel_auroc": value, "pixel_auroc_se": 0.01}
        for name in ("nut", "mean")
        for combination, value in (("none", 0.9), ("rotation", 0.8), (ALL, 0.6))
    ]
    (axes,) = figures.bound_dots({"winclip": pd.DataFrame(rows), "vcpclip+": pd.DataFrame(rows)}).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["original", "rotation", "all three"]
    assert 50.0 in {line.get_xdata()[0] for line in axes.lines}
    large = {round(float(line.get_xdata()[0])) for line in axes.lines if line.get_markersize() == 6}
    assert {90, 80, 60} <= large


def test_curves_of_searches_rise_from_where_the_yardstick_begins():
    passes = [2, 5, 20]
    curves = {
        "Adam": pd.DataFrame([[90.0, 85, 80], [80, 80, 70]], columns=passes),
        "Adam, image term only": pd.DataFrame([[90.0, 90, 90], [80, 80, 80]], columns=passes),
    }
    (axes,) = figures.bound_steps(curves, "Adam").axes
    whole, partial = axes.lines
    np.testing.assert_allclose(whole.get_ydata(), [0, 2.5, 10])
    np.testing.assert_allclose(partial.get_ydata(), [0, 0, 0])
    assert partial.get_linestyle() == "--" and whole.get_linestyle() == "-"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["2", "5", "10", "20"]
