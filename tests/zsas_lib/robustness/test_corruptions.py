"""What is left under corruptions, and false alarms at the clean threshold, against evaluation and by hand."""

import numpy as np
import pandas as pd
import pytest
import torch
from toy import Glow, toy_dataset

import zsas_lib as zsas
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.evaluation.paired import samples
from zsas_lib.evaluation.replicates import drawn_pictures
from zsas_lib.evaluation.sampled import ITSELF
from zsas_lib.evaluation.tables import Replicated
from zsas_lib.metrics import image_metrics
from zsas_lib.robustness.corruptions import CLEAN, clean_threshold, corruption_sweep, effects

FEW = {"resamples": 12}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("toy"), {"lamp": 4, "star": 3})


@pytest.fixture(scope="module")
def sweep(dataset):
    return corruption_sweep(Glow(), dataset, ["fog", "gaussian_noise"], [2, 5], **FEW)


def row(table, *setting):
    return table.set_index(["category", "corruption", "severity"]).loc[setting]


@pytest.mark.slow
def test_clean_rows_are_those_of_evaluate(dataset, sweep):
    table = evaluate(Glow(), dataset, **FEW)
    settings = [("none", 0), ("fog", 2), ("fog", 5), ("gaussian_noise", 2), ("gaussian_noise", 5)]
    assert list(zip(sweep.category, sweep.corruption, sweep.severity)) == [
        (category, *setting) for category in ("lamp", "star", "mean") for setting in settings
    ]
    for category in ("lamp", "star", "mean"):
        clean = row(sweep, category, CLEAN, 0)
        assert all(clean[metric] == pytest.approx(table.loc[category, metric]) for metric in table)
    own = sweep.replicates[sweep.replicates.corruption == CLEAN].reset_index(drop=True)
    pd.testing.assert_frame_equal(own[table.replicates.columns], table.replicates)


def test_pictures_are_corrupted_before_the_model_sees_them(dataset, sweep):
    part = dataset.select(["star"])
    images, masks = torch.stack([own.image for own in part]), torch.stack([own.mask for own in part])
    found = zsas.metrics.pixel_auroc(Glow()(zsas.corrupt(images, "fog(5)"), "star").anomaly_map, masks)
    assert row(sweep, "star", "fog", 5)["pixel_auroc"] == pytest.approx(found)


@pytest.mark.slow
def test_noise_is_the_same_in_every_batch(dataset, sweep):
    again = corruption_sweep(Glow(), dataset, ["gaussian_noise"], [5], batch_size=2, **FEW)
    assert row(again, "lamp", "gaussian_noise", 5)["pixel_auroc"] == pytest.approx(
        row(sweep, "lamp", "gaussian_noise", 5)["pixel_auroc"], abs=1e-6
    )
    other = corruption_sweep(Glow(), dataset, ["gaussian_noise"], [5], seed=1, **FEW)
    assert (
        row(other, "lamp", "gaussian_noise", 5)["pixel_auroc"] != row(sweep, "lamp", "gaussian_noise", 5)["pixel_auroc"]
    )


@torch.no_grad()
def test_false_alarms_are_those_at_the_clean_threshold(dataset, sweep):
    """Fog makes all pictures brighter, so that all glow more than the threshold."""
    part = dataset.select(["lamp"])
    images, labels = torch.stack([own.image for own in part]), torch.tensor([own.is_anomalous for own in part])
    scores = Glow()(images, "lamp").image_score
    threshold = clean_threshold(scores, labels)
    clean = image_metrics(scores, labels)
    called = scores >= threshold
    assert 2 * (called & labels).sum() / (called.sum() + labels.sum()) == pytest.approx(clean["image_f1_max"])
    foggy = Glow()(zsas.corrupt(images, "fog(5)"), "lamp").image_score >= threshold
    for severity, found in ((0, called), (5, foggy)):
        own = row(sweep, "lamp", "fog" if severity else CLEAN, severity)
        assert own["tnr"] == pytest.approx((~found[~labels]).float().mean().item())
        assert own["tpr"] == pytest.approx(found[labels].float().mean().item())
    assert row(sweep, "lamp", "fog", 5)["tnr"] == 0
    drawn = drawn_pictures("lamp", len(part), 12, 0)
    expected = drawn @ (~called & ~labels).numpy() / (drawn @ (~labels).numpy())
    own = sweep.replicates.query("category == 'lamp' and corruption == 'none'")
    assert np.allclose(own["tnr"], expected, equal_nan=True)


@pytest.mark.slow
def test_nothing_is_left_of_a_clean_value_of_0(sweep):
    nothing = Replicated(sweep.assign(aupro=sweep["aupro"].where(sweep["corruption"] != CLEAN, 0.0)))
    nothing.replicates, nothing.attrs = sweep.replicates, sweep.attrs
    found = effects(nothing, "aupro")
    itself = found[found["replicate"] == ITSELF]
    assert itself["retained"].isna().all() and itself["alarms"].notna().all()


def test_the_threshold_of_one_class_is_none():
    assert np.isnan(clean_threshold(torch.rand(3), torch.ones(3, dtype=torch.bool)))
    assert clean_threshold(torch.tensor([0.1, 0.5, 0.4, 0.9]), torch.tensor([False, True, False, True])) == 0.5


@pytest.mark.slow
def test_effects_are_means_over_severities_beside_the_clean_ones(sweep):
    table = effects(sweep, "aupro")
    itself = table[table.replicate == ITSELF].set_index(["category", "corruption"])
    for category in ("lamp", "mean"):
        clean, two, five = (row(sweep, category, *own) for own in ((CLEAN, 0), ("fog", 2), ("fog", 5)))
        own = itself.loc[(category, "fog")]
        assert own["retained"] == pytest.approx((two["aupro"] + five["aupro"]) / 2 / clean["aupro"])
        assert own["alarms"] == pytest.approx(clean["tnr"] - (two["tnr"] + five["tnr"]) / 2)
        assert own["missed"] == pytest.approx(clean["tpr"] - (two["tpr"] + five["tpr"]) / 2)
    replicates = sweep.replicates.query("category == 'star' and replicate == 3").set_index(["corruption", "severity"])
    own = table.query("category == 'star' and corruption == 'gaussian_noise' and replicate == 3").iloc[0]
    noisy = replicates.loc["gaussian_noise"]["aupro"].mean()
    assert own["retained"] == pytest.approx(noisy / replicates.loc[(CLEAN, 0), "aupro"])
    found = samples(table[table.category == "mean"], "retained", "corruption")
    assert found["fog"].difference().low <= itself.loc[("mean", "fog"), "retained"] <= found["fog"].difference().high


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ((["fogg"],), UnknownNameError, "Did you mean 'fog'"),
        ((["near_focus"],), ValueError, "got 'near_focus'; take 'defocus'"),
        ((["fog"], [0, 3, 6]), ValueError, "Expected severities of 1 to 5, got 0, 6"),
        (([],), ValueError, "Expected each corruption once, and at least one"),
        ((["fog"], [2, 2]), ValueError, "Expected each severity once"),
    ],
)
def test_what_cannot_be_is_refused(dataset, arguments, error, words):
    with pytest.raises(error, match=words):
        corruption_sweep(Glow(), dataset, *arguments)
