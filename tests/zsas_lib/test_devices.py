"""What the library does with a model on a GPU is what it does on the CPU, to rounding. Without a GPU on one that is
pretended (tests/pretended_device.py), which refuses what CUDA refuses."""

import pandas as pd
import pytest
import torch
from devices import DEVICES, close, moved
from more_perturbations import BRIGHTNESS
from tiny_clip import tiny_backbone
from toy import toy_dataset
from trained import trained

import zsas_lib as zsas
from zsas_lib.evaluation.complexity import operations
from zsas_lib.evaluation.speed import costs
from zsas_lib.losses import dice_loss, focal_loss
from zsas_lib.perturbations import PERTURBATIONS
from zsas_lib.perturbations.rotation import coverage, derotate, rotate_masks
from zsas_lib.robustness import suitability
from zsas_lib.robustness.search import cost, per_category, readings, single, transfer
from zsas_lib.robustness.search.whole_sets import bounds, worst_cases
from zsas_lib.studies import audit, audit_claims, few_shot, one_picture, vcp_protocol, vcp_weights, windows
from zsas_lib.training.fit import fit

LEARNED = ["anomalyclip", "april-gan", "vcpclip", "vcpclip+"]
MODELS = {
    "winclip": {},
    "winclip, tiles": {"non_square": "tile"},
    "winclip, two shots": {"shots": 2},
    "winclip, raw": {"shots": 1, "patch_memory": "raw", "text_mean": "raw", "image_term": False},
    "anomalyclip": {},
    "anomalyclip, diagonal": {"local": "diagonal", "image_score": "text+map"},
    "april-gan": {"smoothing": 8.0},
    "vcpclip": {},
    "vcpclip+": {"image_score": "map"},
}
FEW = {"resamples": 5, "batch_size": 4}


@pytest.fixture(params=DEVICES)
def device(request, monkeypatch):
    """A device; on a GPU convolutions are in float32, as on the CPU."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    return request.param


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("toy"), {"nut": 2, "ring": 2}, normal=2)


def pair(device, backbone, name="winclip", **options):
    """The same model twice: on the CPU, and made on a backbone that is on the device."""
    kind = name.partition(",")[0]
    models = trained(kind, backbone, **options), trained(kind, moved(backbone, device), **options)
    if shots := options.get("shots"):
        for model in models:
            model.remember("nut", torch.rand(shots, 3, 40, 36, generator=torch.Generator().manual_seed(2)))
    return models


def images(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", MODELS)
def test_every_model_predicts_and_gives_gradients(device, backbone, name):
    here, there = pair(device, backbone, name, **MODELS[name])
    found = {}
    for model in (here, there):
        pixels = images(2, 3, 40, 56).to(model.backbone.device).requires_grad_()
        prediction = model(pixels, "nut")
        assert prediction.anomaly_map.device.type == prediction.image_score.device.type == pixels.device.type
        (slope,) = torch.autograd.grad((prediction.anomaly_map.mean((1, 2)) + prediction.image_score).sum(), pixels)
        found[model] = prediction.anomaly_map, prediction.image_score, 10 * slope
    for one, other in zip(found[there], found[here]):
        close(one, other)
    close(there(images(2, 3, 40, 56), "nut").anomaly_map, found[here][0])
