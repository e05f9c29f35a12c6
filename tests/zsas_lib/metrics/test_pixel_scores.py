"""Pixels gathered picture by picture give what maps and masks together give, in less memory."""

import tracemalloc

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from zsas_lib import metrics
from zsas_lib.metrics import bootstrap, pixel, pixel_scores
from zsas_lib.metrics.arena import Arena
from zsas_lib.metrics.pixel_scores import PixelScores
from zsas_lib.metrics.sorted_scores import SortedScores, orders


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
    spread = bootstrap.pairs_of(bootstrap.counted(pixels)).aurocs(bootstrap.resampled(len(maps), 50, 0)).std(ddof=1)
    assert spread == pytest.approx(metrics.bootstrap_std(maps, masks, resamples=50), rel=1e-12)
    found = pixel.gathered_metrics(pixels)
    assert found == metrics.pixel_metrics(maps, masks)
    assert 0.6 < found["pixel_auroc"] < 1


def test_pictures_stand_one_by_one_until_they_are_pooled():
    maps, masks = pictures(count=3)
    pixels = gathered(maps, masks)
    for (normal, anomalous), map_, mask in zip(pixels.pictures(), maps, masks, strict=True):
        np.testing.assert_array_equal(normal, np.sort(map_[~mask]))
        np.testing.assert_array_equal(anomalous, np.sort(map_[mask]))
    found = pixels.pooled()
    normal, anomalous = np.sort(maps[~masks]), np.sort(maps[masks])
    np.testing.assert_array_equal(found.anomalous, anomalous)
    np.testing.assert_array_equal(found.below, np.searchsorted(normal, anomalous, "left"))
    np.testing.assert_array_equal(found.up_to, np.searchsorted(normal, anomalous, "right"))
    assert found.normals == len(normal) and found.shares.sum() == pytest.approx(1)
    for after in (pixels.pooled, lambda: pixels.add(maps[0], masks[0]), lambda: list(pixels.pictures())):
        with pytest.raises(RuntimeError, match="pool them last"):
            after()


def test_scores_of_another_precision_are_kept_in_the_wider_one():
    maps, masks = pictures(count=2)
    pixels = PixelScores()
    pixels.add(maps[0], masks[0])
    pixels.add(maps[1].astype(np.float64), masks[1])
    for (normal, anomalous), map_, mask in zip(pixels.pictures(), maps, masks, strict=True):
        assert normal.dtype == anomalous.dtype == np.float64
        np.testing.assert_array_equal(normal, np.sort(map_[~mask]).astype(np.float64))
        np.testing.assert_array_equal(anomalous, np.sort(map_[mask]).astype(np.float64))
    assert pixels.pooled().normals == (~masks).sum()


TIED = {
    "ties": lambda maps: (maps * 20).round() / 20,
    "constant": lambda maps: 0 * maps + 0.25,
    "nearly binary": lambda maps: np.where(maps > 0.1, 1, 0) * 1.0,
    "zeros of both signs": lambda maps: np.copysign(0.0, maps),
    "many octaves": lambda maps: np.sign(maps) * np.exp(-60 * np.abs(maps)),
    "large": lambda maps: 1e30 * maps,
}


@pytest.mark.parametrize("at_once", [50, 2_000, 2**21])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", TIED)
def test_ranks_in_bands_are_exact(monkeypatch, name, kind, at_once):
    monkeypatch.setattr(pixel_scores, "AT_ONCE", at_once)
    monkeypatch.setattr(pixel_scores, "OF_EACH", 1)
    if name == "large" and kind == np.float16:
        kind = np.float32
    maps, masks = pictures(count=5, size=20)
    maps = TIED[name](maps.astype(np.float64)).astype(kind)
    steps = np.linspace(float(maps.min()), float(maps.max()), 7)
    pixels = gathered(maps, masks)
    assert pixels.extremes() == (maps.min(), maps.max())
    found = pixels.pooled(steps)
    held = np.float32 if kind == np.float16 else kind
    normal, anomalous = np.sort(maps[~masks].astype(held)), np.sort(maps[masks].astype(held))
    np.testing.assert_array_equal(found.anomalous, anomalous)
    np.testing.assert_array_equal(found.below, np.searchsorted(normal, anomalous, "left"))
    np.testing.assert_array_equal(found.up_to, np.searchsorted(normal, anomalous, "right"))
    np.testing.assert_array_equal(found.steps, steps[::-1].astype(held))
    np.testing.assert_array_equal(found.exceeding, [(normal > step).sum() for step in found.steps])


@pytest.mark.parametrize("name", TIED)
def test_metrics_of_ties_are_those_of_scikit_learn(name):
    maps, masks = pictures(count=4, size=20)
    maps = TIED[name](maps.astype(np.float64)).astype(np.float32)
    found = metrics.pixel_metrics(maps, masks)
    precision, recall, _ = precision_recall_curve(masks.ravel(), maps.ravel())
    assert found["pixel_auroc"] == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()), abs=1e-9)
    assert found["pixel_ap"] == pytest.approx(average_precision_score(masks.ravel(), maps.ravel()), abs=1e-9)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    assert found["pixel_f1_max"] == pytest.approx(f1.max(), abs=1e-9)


@pytest.mark.parametrize("shown", [slice(0, 1), slice(3, 4)])
def test_one_picture_is_a_category(shown):
    maps, masks = (part[shown] for part in pictures(count=4, size=20))
    found = metrics.pixel_metrics(maps, masks)
    if masks.any():
        assert found["pixel_auroc"] == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()), abs=1e-9)
    else:
        assert np.isnan(list(found.values())).all()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_sorted_scores_are_held_without_loss(kind, packed):
    scores = (
        np.sort(np.concatenate([part.ravel() for part in (m(pictures(3)[0]) for m in TIED.values())]).astype(kind)) + 0
    )
    held = SortedScores(scores, Arena() if packed else None)
    np.testing.assert_array_equal(held.values(), scores)
    np.testing.assert_array_equal(held.values(17, 5_000), scores[17:5_000])
    assert (
        held.values(40, 40).size == 0 and len(SortedScores(scores[:0])) == 0 == SortedScores(scores[:0]).values().size
    )
    np.testing.assert_array_equal(held.every(7), scores[::7])
    assert (np.diff(orders(scores)) >= 0).all()
    own, lengths = held.runs()
    np.testing.assert_array_equal(np.repeat(own, lengths), orders(scores))
    np.testing.assert_array_equal(
        held.places(np.array([0, 30_000, 40_000, 65_536])), np.searchsorted(orders(scores), [0, 30_000, 40_000, 65_536])
    )


@pytest.mark.slow
def test_the_spread_of_many_scores_is_that_of_every_so_many(monkeypatch):
    maps, masks = pictures(count=30)
    maps[7, 3, 3], maps[9, 1, 2] = 50, -50  # the ends are never left out
    expected = metrics.bootstrap_std(maps, masks, bins=512)
    monkeypatch.setattr(bootstrap, "QUANTILES_OF", maps.size // 9)
    found = metrics.bootstrap_std(maps, masks, bins=512)
    assert found != expected and found == pytest.approx(expected, rel=1e-2)
    wins, normals, anomalous = bootstrap._wins(list(maps), list(masks), 512)
    assert normals.sum() + anomalous.sum() == maps.size
    pairs = bootstrap.pairs_of(bootstrap.counted(gathered(maps, masks), bins=512))
    assert pairs.aurocs(bootstrap.resampled(len(maps), 200, 0)).std(ddof=1) == pytest.approx(expected, rel=1e-2)


@pytest.mark.slow
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


@pytest.mark.parametrize("many", [0, 5_000, 2**26])
@pytest.mark.parametrize("per_sorted", [0, 10, 2**40])
@pytest.mark.parametrize("last", [np.float32, np.float64])
def test_neither_packing_nor_looking_up_in_turn_changes_a_metric(monkeypatch, many, per_sorted, last):
    maps, masks = pictures(count=8, size=40)
    maps[3] = np.round(maps[3], 1)
    maps = [*maps[:-1].astype(np.float32), maps[-1].astype(last)]
    normal = [map_[~mask] for map_, mask in zip(maps, masks)]
    monkeypatch.setattr(pixel_scores, "MANY", many)
    monkeypatch.setattr(pixel_scores, "PER_SORTED", per_sorted)  # 0: always in turn
    monkeypatch.setattr(pixel_scores, "AT_ONCE", 1_000)
    monkeypatch.setattr(pixel_scores, "OF_EACH", 1)
    pixels = gathered(maps, masks)
    kept = [np.array(own) for own, _ in pixels.pictures()]
    for own, expected in zip(kept, normal):
        np.testing.assert_array_equal(own, np.sort(expected).astype(last))
    everything = np.sort(np.concatenate(normal))
    found = pixels.pooled([0.25, 0.5])
    np.testing.assert_array_equal(found.below, np.searchsorted(everything, found.anomalous, "left"))
    np.testing.assert_array_equal(found.up_to, np.searchsorted(everything, found.anomalous, "right"))
    np.testing.assert_array_equal(found.exceeding, [(everything > step).sum() for step in found.steps])


def test_memory_is_given_back_where_there_are_many_scores(monkeypatch):
    asked = []
    monkeypatch.setattr(pixel_scores, "give_back", lambda: asked.append(True))
    monkeypatch.setattr(pixel_scores, "MANY", 30)
    pixels = PixelScores()
    for count in range(1, 4):
        pixels.add(np.ones((4, 4), np.float32), np.eye(4, dtype=bool))  # twelve normal ones each
        pixels.tidy()
        assert len(asked) == 2 * (count == 3)  # when they are packed, and afterwards


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (8, 8)])
def test_regions_are_told_apart_in_two_dimensions(shape):
    maps = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=r"Expected masks \(height, width\).*give maps and masks as"):
        metrics.pixel_metrics(maps, maps > 0.5)
