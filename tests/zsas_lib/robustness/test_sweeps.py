"""Uniform sweeps of a toy model against evaluation, closed forms and hand-made protocols."""

import pandas as pd
import pytest
import torch
from toy import Glow, toy_dataset

from zsas_lib import metrics
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.metrics.image import IMAGE_METRICS
from zsas_lib.metrics.pixel import PIXEL_METRICS
from zsas_lib.models.prediction import Prediction
from zsas_lib.perturbations.colour import shift_hue, shift_saturation
from zsas_lib.perturbations.rotation import derotate, rotate, rotate_masks, valid_region
from zsas_lib.robustness.corruptions import corruption_sweep
from zsas_lib.robustness.sweeps import DEROTATIONS, uniform_sweep


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("toy"), {"lamp": 3, "star": 2})


def stacked(dataset, category):
    samples = list(dataset.select([category]))
    return torch.stack([sample.image for sample in samples]), torch.stack([sample.mask for sample in samples])


@pytest.mark.slow
def test_one_row_per_category_and_value_then_the_means(dataset):
    table = uniform_sweep(Glow(), dataset, "rotation", [-30, 0.0, 45], resamples=20)
    assert list(table.columns[:4]) == ["category", "perturbation", "value", "unit"]
    assert list(table.columns[4:]) == [*PIXEL_METRICS, *IMAGE_METRICS, "pixel_auroc_se", "image_auroc_se"]
    assert list(table["category"]) == ["lamp"] * 3 + ["star"] * 3 + ["mean"] * 3
    assert list(table["value"]) == [-30, 0, 45] * 3 and set(table["unit"]) == {"degrees"}
    values = table.set_index(["category", "value"])["pixel_auroc"]
    assert values["mean", 45.0] == pytest.approx((values["lamp", 45.0] + values["star", 45.0]) / 2)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("perturbation", ["rotation", "hue", "saturation"])
@pytest.mark.parametrize("derotation", DEROTATIONS)
def test_the_value_zero_gives_the_numbers_of_evaluate(dataset, perturbation, derotation):
    swept = uniform_sweep(Glow(), dataset, perturbation, [0], derotation=derotation, resamples=20).set_index("category")
    table = evaluate(Glow(), dataset, resamples=20)
    pd.testing.assert_frame_equal(swept[[*PIXEL_METRICS, *IMAGE_METRICS]], pd.DataFrame(table))
    assert list(swept["pixel_auroc_se"]) == list(table.spread["pixel_auroc"])


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    "perturbation, value, unit, shifted",
    [("hue", 1.0, "radians", shift_hue), ("saturation", 0.3, "fraction", shift_saturation)],
)
def test_colours_are_shifted_before_the_model_sees_them(dataset, perturbation, value, unit, shifted):
    row = uniform_sweep(Glow(), dataset, perturbation, [value], resamples=20).iloc[1]
    images, masks = stacked(dataset, "star")
    maps = Glow()(shifted(images, value), "star").anomaly_map
    assert row["pixel_auroc"] == pytest.approx(metrics.pixel_auroc(maps, masks)) and row["unit"] == unit


@pytest.mark.slow
@pytest.mark.parametrize("value", [-60.0, 45.0, 90.0])
def test_rotation_meets_the_mask_as_chosen(dataset, value):
    """Each protocol written out; for the valid region by pixels, and for AUPRO by regions cut to it."""
    images, masks = stacked(dataset, "lamp")
    with torch.no_grad():  # as in studies: with gradients the last digits are others, and change places in ranks
        turned = Glow()(rotate(images, value), "lamp")
        by_hand = {
            "zero": (derotate(turned.anomaly_map, value), masks),
            "mask": (turned.anomaly_map, rotate_masks(masks, value)),
        }
    for derotation, (maps, truth) in by_hand.items():
        row = uniform_sweep(Glow(), dataset, "rotation", [value], derotation=derotation, resamples=20).iloc[0]
        assert row["aupro"] == pytest.approx(metrics.aupro(maps, truth))
        assert row["pixel_auroc"] == pytest.approx(metrics.pixel_auroc(maps, truth))
        assert row["image_auroc"] == pytest.approx(metrics.image_auroc(turned.image_score, masks.flatten(1).any(1)))

    row = uniform_sweep(Glow(), dataset, "rotation", [value], derotation="valid", resamples=20).iloc[0]
    shown = valid_region(-value, 32, 32)
    maps = derotate(turned.anomaly_map, value, fill="replicate")
    pixels = maps[:, shown][:, None], masks[:, shown][:, None]
    assert row["pixel_auroc"] == pytest.approx(metrics.pixel_auroc(*pixels))
    assert row["pixel_f1_max"] == pytest.approx(metrics.f1_max(*pixels))
    below = maps.min() - 1  # a hidden pixel that ranks below all others is no false positive, but counts as normal
    padded = metrics.aupro(torch.where(shown, maps, below), masks & shown, fpr_limit=0.3 * share_shown(masks, shown))
    assert row["aupro"] == pytest.approx(padded)


@pytest.mark.slow
def test_several_derotations_share_the_passes_of_the_model(dataset):
    """Each has the rows that it has alone, and its own means."""
    model, values = Glow(), [0.0, 45.0, 60.0]
    table = uniform_sweep(model, dataset, "rotation", values, derotation=["valid", "zero", "mask"], resamples=20)
    assert model.seen == len(values) * len(dataset)
    assert list(table.columns[:5]) == ["category", "perturbation", "value", "unit", "derotation"]
    assert len(table) == 3 * len(values) * 3
    for name in DEROTATIONS:
        rows = table[table["derotation"] == name].drop(columns="derotation").reset_index(drop=True)
        alone = uniform_sweep(Glow(), dataset, "rotation", values, derotation=name, resamples=20)
        pd.testing.assert_frame_equal(rows, alone)


def share_shown(masks: torch.Tensor, shown: torch.Tensor) -> float:
    """Of the pixels that are not anomalous where shown, the share that is shown."""
    return float((~masks & shown).sum() / (~(masks & shown)).sum())


@pytest.mark.slow
def test_pictures_are_read_once_and_text_once(dataset, monkeypatch):
    reads, names = [], []

    class Listening(Glow):
        def forward(self, images, class_names):
            names.append(tuple(class_names))
            return super().forward(images, class_names)

    original = type(dataset).__getitem__
    monkeypatch.setattr(type(dataset), "__getitem__", lambda self, index: reads.append(index) or original(self, index))
    model = Listening()
    uniform_sweep(model, dataset, "hue", [-1.0, 0.0, 1.0], batch_size=4, resamples=20)
    assert len(reads) == len(dataset) and model.seen == 3 * len(dataset)
    assert set(names) == {("lamp",) * 4, ("lamp",) * 2, ("star",) * 4, ("star",)}


@pytest.mark.slow
def test_sweeps_repeat_and_do_not_depend_on_the_batch_size(dataset):
    first, second = (
        uniform_sweep(Glow(), dataset, "rotation", [20], batch_size=size, resamples=20) for size in (16, 2)
    )
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.slow
def test_noise_is_a_pictures_own_whatever_its_batch_and_that_of_corruptions(dataset):
    first, second, other = (
        uniform_sweep(Glow(), dataset, "gaussian_noise", [3], batch_size=size, seed=seed, resamples=20)
        for size, seed in ((16, 5), (1, 5), (16, 6))
    )
    pd.testing.assert_frame_equal(first, second)
    corrupted = corruption_sweep(Glow(), dataset, ["gaussian_noise"], [3], seed=5, resamples=20)
    corrupted = corrupted[corrupted["severity"] == 3].reset_index(drop=True)
    pd.testing.assert_frame_equal(first[[*PIXEL_METRICS]], pd.DataFrame(corrupted[[*PIXEL_METRICS]]))
    assert (first["pixel_ap"] != other["pixel_ap"]).all()


@pytest.mark.slow
def test_pictures_of_several_sizes_are_swept(tmp_path):
    dataset = toy_dataset(tmp_path, {"lamp": 3}, sizes=(32, 40))
    for derotation in DEROTATIONS:
        table = uniform_sweep(Glow(), dataset, "rotation", [30], derotation=derotation, resamples=20)
        assert table["pixel_auroc"][0] > 0.5


@pytest.mark.parametrize(
    "arguments, options, error, message",
    [
        (("rotaton", [0]), {}, UnknownNameError, "perturbation 'rotaton'.*Did you mean 'rotation'"),
        (("rotation", [0, 95]), {}, ValueError, r"rotation in \[-90, 90\] degrees, got 95"),
        (("saturation", [0.7]), {}, ValueError, r"saturation in \[-0.5, 0.5\]"),
        (("hue", []), {}, ValueError, "at least one value"),
        (("rotation", [0]), {"derotation": "one"}, UnknownNameError, "derotation 'one'; known: mask, valid, zero"),
        (("rotation", [0]), {"derotation": ["zero", "vaild"]}, UnknownNameError, "'vaild'.*Did you mean 'valid'"),
        (("rotation", [0]), {"derotation": []}, ValueError, "at least one derotation of zero, valid, mask, got none"),
        (("rotation", [0, 30, -0.0]), {}, ValueError, r"Expected each value once, got \[0.0, 30.0, -0.0\]"),
        (("rotation", [0]), {"derotation": ["mask", "mask"]}, ValueError, "Expected each derotation once, got"),
    ],
)
def test_bad_settings_stop_before_anything_is_computed(dataset, arguments, options, error, message):
    model = Glow()
    with pytest.raises(error, match=message):
        uniform_sweep(model, dataset, *arguments, **options)
    assert model.seen == 0


def test_nan_names_the_picture(dataset):
    class Broken(Glow):
        def forward(self, images, class_names):
            prediction = super().forward(images, class_names)
            return Prediction(prediction.anomaly_map / 0, prediction.image_score)

    with pytest.raises(ValueError, match=r"returned NaN or infinity for .*lamp/0\.png"):
        uniform_sweep(Broken(), dataset, "rotation", [10])


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("values", ["10", 10, 2.5])
def test_values_are_a_list(tmp_path, values):
    with pytest.raises(ValueError, match="Expected a list of values of 'rotation' to sweep over, got"):
        uniform_sweep(Glow(), toy_dataset(tmp_path, {"nut": 1}), "rotation", values)
