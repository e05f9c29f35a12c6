"""Metrics of resampled pictures against the metrics of the pictures repeated, and against scikit-learn's weights."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from zsas_lib import metrics
from zsas_lib.metrics.bootstrap import bootstrap_std, counted, resampled
from zsas_lib.metrics.pixel import PIXEL_METRICS, gathered_metrics
from zsas_lib.metrics.pixel_scores import PixelScores
from zsas_lib.metrics.replicates import image_replicates, pixel_replicates

DRAWN = resampled(5, 60, seed=3)  # more than are summed at once


@pytest.fixture(scope="module")
def pictures():
    """Five pictures, two of them sound, one with two regions, coarse scores with ties."""
    rng = np.random.default_rng(0)
    masks = np.zeros((5, 12, 14), dtype=bool)
    masks[2, 1:4, 2:6] = masks[3, 5:9, 5:9] = masks[3, 0:2, 11:13] = masks[4, 10:, :3] = True
    maps = np.round(rng.normal(size=masks.shape) + 1.2 * masks, 1).astype(np.float32)
    return maps, masks


def gathered(maps, masks) -> PixelScores:
    pixels = PixelScores()
    for map_, mask in zip(maps, masks):
        pixels.add(map_, mask)
    return pixels


@pytest.mark.slow
def test_pixel_metrics_are_those_of_the_pictures_as_often_as_they_were_drawn(pictures):
    maps, masks = pictures
    found = pixel_replicates(counted(gathered(maps, masks)), DRAWN)
    assert set(found) == set(PIXEL_METRICS) - {"aupro_200"}
    for place, weights in enumerate(DRAWN):
        chosen = np.repeat(np.arange(5), weights)
        expected = metrics.pixel_metrics(maps[chosen], masks[chosen])
        for name, values in found.items():
            assert values[place] == pytest.approx(expected[name], abs=1e-12, nan_ok=True), name


def test_scikit_learn_says_so_too_with_weights(pictures):
    maps, masks = pictures
    found = pixel_replicates(counted(gathered(maps, masks)), DRAWN[:5])
    for place, weights in enumerate(DRAWN[:5]):
        each = {"sample_weight": np.repeat(weights, masks[0].size)}
        auroc, ap = (score(masks.ravel(), maps.ravel(), **each) for score in (roc_auc_score, average_precision_score))
        assert (found["pixel_auroc"][place], found["pixel_ap"][place]) == (pytest.approx(auroc), pytest.approx(ap))


def test_image_metrics_too_and_one_class_alone_is_nan():
    scores, labels = torch.tensor([0.1, 0.4, 0.4, 0.2, 0.9]), torch.tensor([False, False, True, True, True])
    drawn = np.vstack([DRAWN, [[1, 4, 0, 0, 0], [0, 0, 0, 1, 4]]])
    found = image_replicates(scores, labels, drawn)
    for place, weights in enumerate(drawn):
        chosen = np.repeat(np.arange(5), weights)
        expected = metrics.image_metrics(scores[chosen], labels[chosen])
        for name, values in found.items():
            assert values[place] == pytest.approx(expected[name], abs=1e-12, nan_ok=True), name
    assert np.isnan(found["image_auroc"][-2:]).all()


def test_with_few_bins_all_metrics_stay_near_and_the_spread_is_the_bootstraps(pictures):
    maps, masks = pictures
    fine = np.random.default_rng(1).normal(size=maps.shape) + masks
    counts = counted(gathered(fine, masks), bins=64)
    ones, exact = np.ones((1, 5), dtype=int), gathered_metrics(gathered(fine, masks))
    for name, values in pixel_replicates(counts, ones).items():
        assert values[0] == pytest.approx(exact[name], abs=0.03), name
    drawn = resampled(5, 100, seed=0)
    spread = np.nanstd(pixel_replicates(counts, drawn)["pixel_auroc"], ddof=1)
    assert spread == pytest.approx(bootstrap_std(fine, masks, resamples=100, bins=64), rel=1e-9)


@pytest.mark.slow
def test_of_few_anomalous_pixels_among_many_no_replicate_is_far_off():
    """0.4 % of 40,000 pixels: quantiles of all scores alone would leave the top of the ranking to 8 bins."""
    rng = np.random.default_rng(2)
    masks = np.zeros((10, 60, 70), dtype=bool)
    masks[:6, 10:14, 20:27] = True
    maps = (rng.normal(size=masks.shape) + rng.normal(1.5, 1, (10, 1, 1)) * masks).astype(np.float32)
    drawn = resampled(10, 12, seed=0)
    found = pixel_replicates(counted(gathered(maps, masks)), drawn)
    bounds = {"pixel_auroc": 2e-5, "aupro": 1e-4, "pixel_ap": 1e-3, "pixel_f1_max": 3e-3, "pixel_iou": 3e-3}
    for place, weights in enumerate(drawn):
        expected = metrics.pixel_metrics(np.repeat(maps, weights, axis=0), np.repeat(masks, weights, axis=0))
        for name, bound in bounds.items():
            assert found[name][place] == pytest.approx(expected[name], abs=bound), name


def test_pictures_that_were_cut_are_drawn_whole(pictures):
    maps, masks = pictures
    whole, cut = PixelScores(), PixelScores()
    for map_, mask in zip(maps, masks):
        whole.add(map_, mask)
        cut.add(map_[mask][None], mask[mask][None])  # here each picture's damage is one region
        cut.add(map_[~mask][None], mask[~mask][None])
    found = counted(cut, pictures=[number for number in range(5) for _ in range(2)])
    expected = counted(whole)
    np.testing.assert_array_equal(found.normal, expected.normal)
    np.testing.assert_array_equal(found.anomalous, expected.anomalous)
    assert found.regions.tolist() == [0, 0, 1, 1, 1] and expected.regions.tolist() == [0, 0, 1, 2, 1]


def test_shares_of_regions_are_given_picture_by_picture(pictures):
    maps, masks = pictures
    pixels = gathered(maps, masks)
    found = list(pixels.shares())
    assert [regions for _, regions in found] == [0, 0, 1, 2, 1]
    assert [round(float(shares.sum()), 9) for shares, _ in found] == [0, 0, 1, 2, 1]
    pixels.pooled()
    with pytest.raises(RuntimeError, match="pool them last"):
        next(pixels.shares())
