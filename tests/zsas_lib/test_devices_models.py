"""Every model on a GPU is what it is on the CPU, to rounding, and where it waits for it (see test_devices.py)."""

import pytest
import torch
from devices import FEW, close, images, moved, same, waits_on
from toy import toy_dataset
from trained import trained

import zsas_lib as zsas
from zsas_lib.base.unit_range import asked_later
from zsas_lib.models import list_trivial_maps
from zsas_lib.store.results import describe_model
from zsas_lib.training.fit import fit

READ = {"adaclip": 2, "adaclip, kept": 1, "aa-clip": 1, "coop": 1, "coop, object": 1}
"""What a forward pass reads: the names of classes, whose sentences depend on what is learned, and points to cluster."""
READ_IN_A_STEP = {"adaclip": 3, "aa-clip": 4, "coop": 2}
"""Beside the loss; of AA-CLIP in each of two stages."""
TOLERANCES = {"af-clip": 1e-4, "anovl, linear": 1e-4, "clip, value": 1e-4, "coop, object": 2e-5}
"""Of cosines / 0.01, and of an adapter that is trained; of others 1e-5; of the largest number where that is above 1."""
LEARNED = ["aa-clip", "adaclip", "af-clip", "anomalyclip", "april-gan", "coop", "vcpclip", "vcpclip+"]
MODELS = {
    "winclip": {},
    "winclip, tiles": {"non_square": "tile"},
    "winclip, two shots": {"shots": 2},
    "winclip, raw": {"shots": 1, "patch_memory": "raw", "text_mean": "raw", "image_term": False},
    "anomalyclip": {},
    "anomalyclip, diagonal": {"local": "diagonal", "image_score": "text+map"},
    "anomalyclip, windows": {"compared": "windows"},
    "april-gan": {"smoothing": 8.0},
    "vcpclip": {},
    "vcpclip+": {"image_score": "map"},
    "vcpclip+, windows": {"compared": "windows"},
    "anovl": {"steps": 2},
    "anovl, linear": {"adapter": "linear", "views": "pictures", "optimiser": "carried"},
    "adaclip": {"clusters": 1},
    "adaclip, kept": {"words": "kept", "clustering": "highest"},
    "aa-clip": {},
    "af-clip": {},
    "clip": {"prompts": "ensemble", "smoothing": 8.0},
    "clip, value": {"local": "value"},
    "coop": {},
    "coop, object": {"object_agnostic": True, "local": "value", "loss": "both"},
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("toy"), {"nut": 2}, normal=3)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_model_predicts_and_gives_gradients(device, towers, name):
    found, models = {}, {}
    for place in ("cpu", device):
        models[place] = model = trained(name.partition(",")[0], towers(place), **MODELS[name])
        if shots := MODELS[name].get("shots"):
            model.remember("nut", images(shots, 3, 40, 36))
        pixels = images(2, 3, 40, 56).to(place).requires_grad_()
        prediction = model(pixels, "nut")
        assert prediction.anomaly_map.device.type == prediction.image_score.device.type == pixels.device.type
        (slope,) = torch.autograd.grad((prediction.anomaly_map.mean((1, 2)) + prediction.image_score).sum(), pixels)
        found[place] = prediction.anomaly_map, prediction.image_score, 10 * slope
    for one, other in zip(found[device], found["cpu"]):
        close(one, other, TOLERANCES.get(name, 1e-5) * max(1.0, other.abs().max().item()))
    close(models[device](images(2, 3, 40, 56), "nut").anomaly_map, found["cpu"][0], TOLERANCES.get(name, 1e-5))
    assert describe_model(models[device], ["nut"]) == describe_model(models["cpu"], ["nut"])


@pytest.mark.parametrize("name", list_trivial_maps())
def test_maps_without_a_model_are_drawn_where_the_pictures_are_without_a_wait(device, pictures, tmp_path, name):
    model, pixels = zsas.load_model(name), images(2, 3, 40, 30)
    if name == "mean-ground-truth":
        model.remember_masks(toy_dataset(tmp_path, {"nut": 1, "ring": 1}, normal=0))
    expected, there = model(pixels, "nut"), pixels.to(device)
    with waits_on(device) as found:
        prediction = model(there, "nut")
    assert found == [] and prediction.anomaly_map.device.type == device
    close(prediction.anomaly_map, expected.anomaly_map)
    same(zsas.evaluate(place, pictures, **FEW) for place in (model, moved(model, device)))


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNED)
def test_training_begins_and_ends_alike(device, towers, pictures, monkeypatch, name):
    monkeypatch.setattr("zsas_lib.models.vcpclip.DROPOUT", 0.0)  # each device has random numbers of its own
    logs, models = [], []
    for place in ("cpu", device):
        model = zsas.load_model(name, towers(place))
        own = {key: value.detach().cpu().clone() for key, value in model.learnable().items()}
        state = torch.get_rng_state()
        logs.append(fit(model, pictures, epochs=2, training_batch_size=3, rate=1e-3, augment=False))
        assert torch.equal(torch.get_rng_state(), state)
        assert {value.device.type for value in model.parameters()} == {place}
        models.append((model, own))
    same(logs, 1e-4)
    (here, first), (there, second) = models
    assert all(torch.equal(first[key], second[key]) for key in first)
    close(there(images(1, 3, 24, 24), "nut").anomaly_map, here(images(1, 3, 24, 24), "nut").anomaly_map, 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_forward_pass_waits_for_nothing_but_to_see_the_range_of_its_pictures_and_names(device, towers, name):
    model = trained(name.partition(",")[0], towers(device), **MODELS[name])
    if shots := MODELS[name].get("shots"):
        model.remember("nut", images(shots, 3, 40, 36).to(device))
    pixels = images(2, 3, 40, 56).to(device).requires_grad_()
    model(pixels, "nut")
    with waits_on(device) as found, asked_later() as extents:
        prediction = model(pixels, "nut")
        (prediction.anomaly_map.mean() + prediction.image_score.sum()).backward()
    assert len(found) == READ.get(name, 0) and len(extents) == 1 + ("tiles" in name)
    with waits_on(device) as found:
        model(pixels, "nut")
    assert len(found) == len(extents) + READ.get(name, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNED)
def test_a_training_step_waits_once(device, towers, pictures, name):
    model, counts, few = zsas.load_model(name, towers(device)), [], pictures.select(per_category=2)
    fit(model, few, epochs=1, augment=False)
    for size in (2, 1):  # one step, and two
        with waits_on(device) as found:
            fit(model, few, epochs=1, training_batch_size=size, augment=False)
        counts.append(len(found))
    assert counts[1] - counts[0] == READ_IN_A_STEP.get(name, 1), found
