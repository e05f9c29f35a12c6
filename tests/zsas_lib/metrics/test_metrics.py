"""Metrics against scikit-learn, torchmetrics, pyaupro and literal readings of the definitions."""

from itertools import product

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyaupro import PerRegionOverlap, auc_compute
from scipy.ndimage import gaussian_filter
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score
from torchmetrics.functional.classification import binary_auroc, binary_average_precision

from zsas_lib import metrics
from zsas_lib.metrics import bootstrap

PIXEL = {
    "pixel_auroc": metrics.pixel_auroc,
    "pixel_ap": metrics.average_precision,
    "pixel_f1_max": metrics.f1_max,
    "pixel_iou": metrics.iou_at_f1_max,
    "aupro": metrics.aupro,
    "aupro_200": lambda maps, masks: metrics.aupro(maps, masks, thresholds=200),
}
IMAGE = {
    "image_auroc": metrics.image_auroc,
    "image_ap": metrics.image_average_precision,
    "image_f1_max": metrics.image_f1_max,
}
RANKING = [name for name in PIXEL if name != "aupro_200"]

thoroughly = settings(deadline=None, max_examples=80, derandomize=True, database=None)


@st.composite
def categories(draw) -> tuple[np.ndarray, np.ndarray]:
    """A few small maps with many ties, and masks that hold both classes."""
    shape = draw(st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(2, 6)))
    levels = draw(st.integers(1, 12))
    maps = draw(arrays.arrays(np.float32, shape, elements=st.integers(-levels, levels)))
    masks = draw(arrays.arrays(bool, shape, fill=st.just(False)))
    masks.flat[0], masks.flat[-1] = True, False
    return maps / np.float32(7), masks


def realistic(images: int = 12, size: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Smooth maps around 0.5, raised where there are defects; the last third of the images is normal."""
    rng = np.random.default_rng(seed)
    blobs = gaussian_filter(rng.standard_normal((images, size, size)), (0, 3, 3))
    masks = blobs > np.quantile(blobs, 0.9, axis=(1, 2), keepdims=True)
    masks[-images // 3 :] = False
    noise = gaussian_filter(rng.standard_normal(masks.shape), (0, 3, 3)) * 6
    return (0.5 + 0.02 * (noise + masks + 0.1 * rng.standard_normal(masks.shape))).astype(np.float32), masks


def regions_of(masks: np.ndarray) -> list[set[tuple[int, int, int]]]:
    """8-connected components by flood fill, one set of (image, row, column) each."""
    left = {tuple(map(int, pixel)) for pixel in np.argwhere(masks)}
    regions = []
    while left:
        edge = {left.pop()}
        region = set(edge)
        while edge:
            image, row, column = edge.pop()
            near = {(image, row + down, column + right) for down, right in product((-1, 0, 1), repeat=2)} & left
            left -= near
            edge |= near
            region |= near
        regions.append(region)
    return regions


def literal_curve(maps: np.ndarray, masks: np.ndarray, called: list[np.ndarray]) -> tuple[list[float], list[float]]:
    """FPR and PRO of each of the boolean volumes of pixels called anomalous."""
    regions = regions_of(masks)
    fpr = [(volume & ~masks).sum() / (~masks).sum() for volume in called]
    pro = [np.mean([np.mean([volume[pixel] for pixel in region]) for region in regions]) for volume in called]
    return fpr, pro


def literal_aupro(maps: np.ndarray, masks: np.ndarray, fpr_limit: float) -> float:
    fpr, pro = literal_curve(maps, masks, [maps >= threshold for threshold in np.unique(maps)[::-1]])
    fpr, pro = [0.0] + fpr, [0.0] + pro
    area = 0.0
    for left, right, low, high in zip(fpr, fpr[1:], pro, pro[1:]):
        stop = min(right, fpr_limit)
        if left < stop:
            area += (stop - left) * (low + low + (high - low) * (stop - left) / (right - left)) / 2
    return area / fpr_limit


def literal_legacy(maps: np.ndarray, masks: np.ndarray, fpr_limit: float, thresholds: int) -> float:
    low, high = float(maps.min()), float(maps.max())
    steps = [np.float32(low + step * (high - low) / thresholds) for step in range(thresholds)]
    fpr, pro = map(np.array, literal_curve(maps, masks, [maps > step for step in steps]))
    fpr, pro = fpr[fpr < fpr_limit], pro[fpr < fpr_limit]
    return -np.trapezoid(pro, (fpr - fpr.min()) / (fpr.max() - fpr.min()))


@pytest.mark.slow
@thoroughly
@given(categories())
def test_ranking_metrics_equal_scikit_learn_with_ties(category):
    maps, masks = category
    truth, scores = masks.ravel(), maps.ravel()
    precision, recall, _ = precision_recall_curve(truth, scores)
    f1 = (2 * precision * recall / np.maximum(precision + recall, 1e-12)).max()
    assert metrics.pixel_auroc(maps, masks) == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
    assert metrics.average_precision(maps, masks) == pytest.approx(average_precision_score(truth, scores), abs=1e-12)
    assert metrics.f1_max(maps, masks) == pytest.approx(f1, abs=1e-12)


@pytest.mark.slow
@thoroughly
@given(categories())
def test_iou_is_that_of_the_threshold_with_the_best_f1(category):
    maps, masks = category
    called = [maps >= threshold for threshold in np.unique(maps)]
    best = max(called, key=lambda volume: 2 * (volume & masks).sum() / (volume.sum() + masks.sum()))
    assert metrics.iou_at_f1_max(maps, masks) == pytest.approx((best & masks).sum() / (best | masks).sum(), abs=1e-12)


@pytest.mark.slow
@thoroughly
@given(categories(), st.sampled_from([0.05, 0.25, 0.3, 0.5, 1.0]))
def test_exact_aupro_equals_the_definition_with_ties(category, fpr_limit):
    maps, masks = category
    assert metrics.aupro(maps, masks, fpr_limit) == pytest.approx(literal_aupro(maps, masks, fpr_limit), abs=1e-12)


@pytest.mark.parametrize("thresholds", [10, 50, 200])
@pytest.mark.parametrize("seed", range(3))
def test_legacy_aupro_equals_its_description(thresholds, seed):
    maps, masks = realistic(images=3, size=24, seed=seed)
    expected = literal_legacy(maps, masks, 0.3, thresholds)
    assert metrics.aupro(maps, masks, thresholds=thresholds) == pytest.approx(expected, abs=1e-12)

    on_thresholds = np.round((maps - maps.min()) / np.ptp(maps) * thresholds)
    expected = literal_legacy(on_thresholds, masks, 0.3, thresholds)
    assert metrics.aupro(on_thresholds, masks, thresholds=thresholds) == pytest.approx(expected, abs=1e-12)


def test_legacy_aupro_needs_two_kept_false_positive_rates():
    maps, masks = realistic()
    maps[0, 0, 0] = 100
    assert np.isnan(metrics.aupro(maps, masks, thresholds=200))
    assert metrics.aupro(maps, masks) > 0.5


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("seed", range(3))
def test_peers_agree_on_maps_without_ties(seed):
    maps, masks = realistic(seed=seed)
    ranks = maps.ravel().argsort().argsort().reshape(maps.shape)  # 0, 1, 2, ... as pyaupro ignores ties
    maps, masks = torch.from_numpy((ranks / maps.size).astype(np.float32)), torch.from_numpy(masks)
    assert metrics.pixel_auroc(maps, masks) == pytest.approx(float(binary_auroc(maps, masks.int())), abs=1e-5)
    assert metrics.average_precision(maps, masks) == pytest.approx(
        float(binary_average_precision(maps, masks.int())), abs=1e-5
    )
    for reference in (False, True):
        curve = PerRegionOverlap(reference_implementation=reference)(maps, masks.int())
        for limit in (0.3, 1.0):
            assert metrics.aupro(maps, masks, limit) == pytest.approx(float(auc_compute(*curve, limit)), abs=1e-6)


def test_two_outlier_pixels_change_the_legacy_aupro_only():
    maps, masks = realistic()
    stretched = maps.copy()
    stretched.flat[[maps.argmax(), maps.argmin()]] += np.float32([2, -2])
    assert metrics.aupro(stretched, masks) == metrics.aupro(maps, masks)
    moved = metrics.aupro(stretched, masks, thresholds=200) - metrics.aupro(maps, masks, thresholds=200)
    assert abs(moved) > 0.01


@pytest.mark.slow
@thoroughly
@given(categories(), st.sampled_from([np.exp, np.cbrt, np.arctan, lambda scores: 5 * scores - 100]))
def test_exact_metrics_depend_on_the_ranking_alone(category, transform):
    maps, masks = category
    moved = transform(maps.astype(np.float64))
    before, after = metrics.pixel_metrics(maps, masks), metrics.pixel_metrics(moved, masks)
    assert [after[name] for name in RANKING] == [before[name] for name in RANKING]


def test_legacy_aupro_falls_for_saturated_maps_of_the_same_ranking():
    maps, masks = realistic()
    gentle, steep = (np.exp(gain * maps.astype(np.float64)) for gain in (1, 300))
    assert metrics.aupro(gentle, masks) == metrics.aupro(steep, masks)
    assert abs(metrics.aupro(gentle, masks, thresholds=200) - metrics.aupro(gentle, masks)) < 0.02
    assert abs(metrics.aupro(steep, masks, thresholds=200) - metrics.aupro(steep, masks)) > 0.05


@pytest.mark.slow
@thoroughly
@given(categories())
def test_all_at_once_equals_one_by_one(category):
    maps, masks = category
    together = metrics.pixel_metrics(maps, masks)
    assert list(together) == list(PIXEL)
    for name, metric in PIXEL.items():
        assert together[name] == pytest.approx(metric(maps, masks), abs=1e-12, nan_ok=True), name
        assert np.isnan(together[name]) or 0 <= together[name] <= 1, name

    scores, labels = maps.ravel(), masks.ravel()
    assert metrics.image_metrics(scores, labels) == {name: metric(scores, labels) for name, metric in IMAGE.items()}
    assert metrics.image_auroc(scores, labels) == together["pixel_auroc"]
    assert metrics.image_average_precision(scores, labels) == together["pixel_ap"]
    assert metrics.image_f1_max(scores, labels) == together["pixel_f1_max"]


def test_maps_of_several_sizes_are_pooled():
    maps, masks = realistic()
    masks[:, 15] = False  # no region crosses it, so that the pictures can be cut there
    pieces = [piece for image in maps for piece in (image[:15], image[15:])]
    piece_masks = [piece for mask in masks for piece in (mask[:15], mask[15:])]
    assert metrics.pixel_metrics(pieces, piece_masks) == metrics.pixel_metrics(maps, masks)
    tensors = [torch.from_numpy(piece) for piece in pieces], [torch.from_numpy(piece) for piece in piece_masks]
    assert metrics.aupro(*tensors) == metrics.aupro(maps, masks)


def test_regions_weigh_the_same_whatever_their_size():
    """Two regions of 1 and 9 pixels; finding the small one alone is worth one half."""
    masks = np.zeros((1, 10, 10), bool)
    masks[0, 0, 0] = masks[0, 4:7, 4:7] = True
    maps = np.zeros(masks.shape, np.float32)
    maps[0, 0, 0] = 1
    maps[~masks] = 0.5
    assert metrics.aupro(maps, masks) == pytest.approx(0.5, abs=1e-12)


def test_diagonal_neighbours_are_one_region():
    masks = np.zeros((1, 4, 5), bool)
    masks[0, 0, 0] = masks[0, 1, 1] = masks[0, 3, 4] = True
    maps = np.where(masks, 0.0, 0.5).astype(np.float32)
    maps[0, 3, 4] = 1
    assert metrics.aupro(maps, masks) == pytest.approx(1 / 2, abs=1e-12)


def test_tensors_arrays_and_half_precision_give_the_same():
    maps, masks = realistic()
    tensor = torch.from_numpy(maps).requires_grad_()
    assert metrics.pixel_metrics(tensor, torch.from_numpy(masks)) == metrics.pixel_metrics(maps, masks)
    for half in (torch.float16, torch.bfloat16):
        rounded = torch.from_numpy(maps).to(half)
        assert metrics.aupro(rounded, masks) == metrics.aupro(rounded.float(), masks)
    assert metrics.aupro(maps.astype(np.float16), masks) == metrics.aupro(torch.from_numpy(maps).half(), masks)


def test_neighbouring_float32_scores_are_told_apart():
    low = np.float32(0.5)
    high = np.nextafter(low, np.float32(1))
    masks = np.array([[[True, False]]])
    assert metrics.pixel_auroc(np.array([[[high, low]]]), masks) == 1
    assert metrics.pixel_auroc(np.array([[[low, high]]]), masks) == 0
    assert metrics.aupro(np.array([[[high, low]]]), masks) == 1


def test_input_is_left_as_it_was():
    maps, masks = realistic()
    before = maps.copy(), masks.copy()
    metrics.pixel_metrics(maps, masks), metrics.aupro(maps, masks), metrics.aupro(maps, np.zeros_like(masks))
    metrics.aupro(maps[-1:], masks[:1]), metrics.pixel_metrics(maps[-1:], masks[:1])
    np.testing.assert_array_equal(maps, before[0])
    np.testing.assert_array_equal(masks, before[1])


@pytest.mark.parametrize("value", [True, False])
def test_one_class_is_nan(value):
    maps, masks = realistic(images=3)
    masks[:] = value
    assert all(np.isnan(list(metrics.pixel_metrics(maps, masks).values())))
    assert all(np.isnan(metric(maps, masks)) for metric in PIXEL.values())
    assert np.isnan(metrics.bootstrap_std(maps, masks))
    assert all(np.isnan(list(metrics.image_metrics(maps[:, 0, 0], masks[:, 0, 0]).values())))


def test_constant_map_has_chance_level():
    _, masks = realistic()
    maps, share = np.full(masks.shape, 0.5, np.float32), masks.mean()
    values = metrics.pixel_metrics(maps, masks)
    assert np.isnan(values.pop("aupro_200"))
    assert values == pytest.approx(
        {
            "pixel_auroc": 0.5,
            "pixel_ap": share,
            "pixel_f1_max": 2 * share / (1 + share),
            "pixel_iou": share,
            "aupro": 0.15,
        }
    )
    assert metrics.aupro(maps, masks, fpr_limit=0.1) == pytest.approx(0.05)
    assert metrics.bootstrap_std(maps, masks) == pytest.approx(0, abs=1e-12)


def test_perfect_and_inverted_maps():
    _, masks = realistic()
    for name in RANKING:
        assert PIXEL[name](masks.astype(np.float32), masks) == pytest.approx(1, abs=1e-12), name
    assert metrics.pixel_auroc(-masks.astype(np.float32), masks) == 0
    assert metrics.aupro(-masks.astype(np.float32), masks) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("metric", [*PIXEL.values(), metrics.pixel_metrics, metrics.bootstrap_std])
def test_maps_that_are_not_finite_are_named(metric, value):
    maps, masks = realistic(images=3)
    maps[2, 5, 7] = value
    with pytest.raises(ValueError, match="Image 2: scores must be finite"):
        metric(maps, masks)


def test_image_scores_that_are_not_finite_are_named():
    scores, labels = np.array([0.1, np.nan], np.float32), np.array([True, False])
    for metric in [*IMAGE.values(), metrics.image_metrics]:
        with pytest.raises(ValueError, match="Image 1: scores must be finite"):
            metric(scores, labels)


def test_wrong_shapes_and_types_are_named(unchecked_types):
    maps, masks = realistic(images=3)
    with pytest.raises(ValueError, match=r"Image 0: scores of shape \(40, 40\), but ground truth of shape \(40, 30\)"):
        metrics.aupro(maps, masks[:, :, :30])
    with pytest.raises(ValueError, match=r"Image 1: .* \(40, 40\), but ground truth of shape \(20, 40\)"):
        metrics.pixel_metrics(list(maps), [masks[0], masks[1, :20], masks[2]])
    with pytest.raises(ValueError, match="as many images, got 3 and 2"):
        metrics.pixel_auroc(maps, masks[:2])
    with pytest.raises(ValueError, match="got 0 and 0"):
        metrics.pixel_auroc([], [])
    with pytest.raises(TypeError, match="must be bool, got uint8; compare it with 0"):
        metrics.f1_max(maps, masks.astype(np.uint8))
    with pytest.raises(TypeError, match="must be bool, got int64"):
        metrics.image_metrics(torch.rand(4), torch.tensor([0, 1, 0, 1]))


def test_impossible_options_are_named():
    maps, masks = realistic(images=3)
    for limit in (0.0, -0.1, 1.5):
        with pytest.raises(ValueError, match=r"fpr_limit must lie in \(0, 1\]"):
            metrics.aupro(maps, masks, fpr_limit=limit)
    with pytest.raises(ValueError, match=r"fpr_limit must lie in \(0, 1\], got 3"):
        metrics.legacy_reach(maps, masks, fpr_limit=3.0)
    with pytest.raises(ValueError, match="thresholds must be None .exact. or at least 2, got 1"):
        metrics.legacy_reach(maps, masks, thresholds=1)
    with pytest.raises(ValueError, match="thresholds must be None .exact. or at least 2, got 1"):
        metrics.aupro(maps, masks, thresholds=1)
    for options, least in (({"resamples": 1}, "2 resamples, got 1"), ({"bins": 2}, "4 bins, got 2")):
        with pytest.raises(ValueError, match=f"at least {least}"):
            metrics.bootstrap_std(maps, masks, **options)


@pytest.mark.slow
def test_bootstrap_agrees_with_resampled_scikit_learn():
    maps, masks = realistic(size=20)
    rng = np.random.default_rng(1)
    samples = [rng.integers(len(maps), size=len(maps)) for _ in range(250)]
    expected = np.std([roc_auc_score(masks[drawn].ravel(), maps[drawn].ravel()) for drawn in samples], ddof=1)
    assert metrics.bootstrap_std(maps, masks, resamples=1000) == pytest.approx(expected, rel=0.1)
    assert metrics.bootstrap_std(maps, masks, seed=1) == metrics.bootstrap_std(maps, masks, seed=1)
    assert metrics.bootstrap_std(maps, masks, seed=1) != metrics.bootstrap_std(maps, masks, seed=2)
    assert metrics.bootstrap_std(maps[:1], masks[:1]) == pytest.approx(0, abs=1e-12)


@pytest.mark.slow
def test_binning_error_of_the_bootstrap():
    maps, masks = realistic(images=30)
    maps[:, :20] = maps.min()  # saturated for half of the picture
    one_bin_each = 4 * maps.size
    for bins, auroc_error, relative_error in ((4096, 1e-5, 1e-3), (64, 2 / 62, 0.1)):
        wins, normals, anomalous = bootstrap._wins(list(maps), list(masks), bins)
        auroc = wins.sum() / (normals.sum() * anomalous.sum())
        assert auroc == pytest.approx(metrics.pixel_auroc(maps, masks), abs=auroc_error)
        assert metrics.bootstrap_std(maps, masks, bins=bins) == pytest.approx(
            metrics.bootstrap_std(maps, masks, bins=one_bin_each), rel=relative_error
        )


@pytest.mark.slow
@thoroughly
@given(categories(), st.sampled_from([4, 6, 16]))
def test_binned_auroc_keeps_its_bound(category, bins):
    maps, masks = category
    wins, normals, anomalous = bootstrap._wins(list(maps), list(masks), bins)
    assert abs(wins.sum() / (normals.sum() * anomalous.sum()) - metrics.pixel_auroc(maps, masks)) <= 2 / (bins - 2)
