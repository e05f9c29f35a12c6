"""Pixels gathered picture by picture give what maps and masks together give, in less memory."""

import tracemalloc

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from zsas_lib import metrics
from zsas_lib.metrics import bootstrap, pixel
from zsas_lib.metrics.pixel_scores import PixelScores


def pictures(count: int = 9, size: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Smooth maps that are higher where the masks are; the last third of the pictures has no defect."""
    rng = np.random.default_rng(0)
    blobs = gaussian_filter(rng.standard_normal((count, size, size)), (0, 3, 3))
    masks = blobs > np.quantile(blobs, 0.95)
    masks[-count // 3 :] = False
    return (blobs + 0.3 * blobs.std() * rng.standard_normal(blobs.shape)).astype(np.float32), masks


def gathered(maps, masks) -> PixelScores:
    pixels = PixelScores()
    for map_, mask in zip(maps, masks):
        pixels.add(map_, mask)
    return pixels


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_gathered_metrics_are_those_of_maps_and_masks(kind):
    maps, masks = pictures()
    maps = maps.astype(kind)
    pixels = gathered(torch.from_numpy(maps), torch.from_numpy(masks))
    assert len(pixels) == len(maps)
    assert bootstrap.counts_std(bootstrap.counted(pixels), resamples=50) == metrics.bootstrap_std(
        maps, masks, resamples=50
    )
    found = pixel.gathered_metrics(pixels)
    assert found == metrics.pixel_metrics(maps, masks)
    assert 0.6 < found["pixel_auroc"] < 1


def test_pictures_stand_one_by_one_until_they_are_pooled():
    maps, masks = pictures(count=3)
    pixels = gathered(maps, masks)
    for (normal, anomalous), map_, mask in zip(pixels.pictures(), maps, masks, strict=True):
        np.testing.assert_array_equal(normal, map_[~mask])
        np.testing.assert_array_equal(anomalous, map_[mask])
    normal, anomalous, shares = pixels.pooled()
    np.testing.assert_array_equal(normal, maps[~masks])
    np.testing.assert_array_equal(anomalous, np.sort(maps[masks]))
    assert shares.sum() == pytest.approx(1)
    for after in (pixels.pooled, lambda: pixels.add(maps[0], masks[0]), lambda: list(pixels.pictures())):
        with pytest.raises(RuntimeError, match="pool them last"):
            after()


def test_scores_of_another_precision_are_kept_in_the_wider_one():
    maps, masks = pictures(count=2)
    pixels = PixelScores()
    pixels.add(maps[0], masks[0])
    pixels.add(maps[1].astype(np.float64), masks[1])
    normal, anomalous, _ = pixels.pooled()
    assert normal.dtype == anomalous.dtype == np.float64
    np.testing.assert_array_equal(normal, maps[~masks].astype(np.float64))


def test_the_spread_of_many_scores_is_that_of_every_so_many(monkeypatch):
    maps, masks = pictures(count=30)
    maps[7, 3, 3], maps[9, 1, 2] = 50, -50  # the ends are never left out
    expected = metrics.bootstrap_std(maps, masks, bins=512)
    monkeypatch.setattr(bootstrap, "QUANTILES_OF", maps.size // 9)
    found = metrics.bootstrap_std(maps, masks, bins=512)
    assert found != expected and found == pytest.approx(expected, rel=1e-2)
    wins, normals, anomalous = bootstrap._wins(list(maps), list(masks), 512)
    assert normals.sum() + anomalous.sum() == maps.size
    assert bootstrap.counts_std(bootstrap.counted(gathered(maps, masks), bins=512)) == pytest.approx(expected, rel=1e-2)


def test_the_scores_are_held_once():
    """Numpy reports its memory to tracemalloc. Three times the pictures may take three times their scores, and little
    more."""
    peaks = []
    for count in (10, 30):
        maps = [np.random.default_rng(number).random((200, 200), dtype=np.float32) for number in range(count)]
        masks = [np.arange(40_000).reshape(200, 200) % 4_001 == number for number in range(count)]
        tracemalloc.start()
        pixel.gathered_metrics(gathered(maps, masks))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 1.3 * 20 * 40_000 * 4
