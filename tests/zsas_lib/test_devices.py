"""What the library does on a GPU is what it does on the CPU, to rounding, and where it waits for the device.

Without a GPU on one that is pretended (tests/pretended_device.py), which refuses what CUDA refuses; with one, on both.
"""

import numpy as np
import pandas as pd
import pytest
import released
import torch
from devices import FEW, TINY, close, images, moved, same, waits_on
from more_perturbations import BRIGHTNESS
from pretended_device import NAME
from safetensors.torch import save_file
from tiny_clip import tiny_backbone
from toy import toy_dataset
from trained import trained

import zsas_lib as zsas
from zsas_lib.backbones import registry
from zsas_lib.evaluation.complexity import operations
from zsas_lib.evaluation.evaluate import predict
from zsas_lib.evaluation.speed import costs
from zsas_lib.models.prompts import PromptEnsemble
from zsas_lib.models.read_once import towers_read_once
from zsas_lib.models.references import draw_normal
from zsas_lib.perturbations import PERTURBATIONS
from zsas_lib.perturbations.rotation import coverage, derotate, rotate_masks
from zsas_lib.robustness import suitability
from zsas_lib.robustness.search.objective import Objective
from zsas_lib.robustness.search.per_category import shared_amounts
from zsas_lib.robustness.search.readings import gradient_agreement, turned_loss
from zsas_lib.robustness.search.single import before_and_after
from zsas_lib.robustness.search.transfer import transferred
from zsas_lib.robustness.search.whole_sets import bounds
from zsas_lib.studies import audit, audit_claims, few_shot, one_picture, vcp_protocol, vcp_weights, windows
from zsas_lib.training.checkpoints import load_official_checkpoint
from zsas_lib.training.fit import fit

PROMPTS = PromptEnsemble(("a nut", "a good nut"), ("a bad nut",))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("toy"), {"nut": 2}, normal=3)


@pytest.fixture
def pair(device, towers):
    """WinCLIP on the CPU and on the device."""
    return tuple(zsas.load_model("winclip", towers(place)) for place in ("cpu", device))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["winclip", "vcpclip+", "adaclip", "anovl"])
def test_models_in_half_precision_and_under_autocast(device, name):
    tower = tiny_backbone(TINY, precision="bfloat16")
    models = trained(name, tower), trained(name, moved(tower, device))
    here, there = (model(images(2, 3, 24, 24), "nut") for model in models)
    assert there.anomaly_map.dtype == torch.float32
    close(there.anomaly_map, here.anomaly_map, 2e-2)
    close(zsas.rotate(there.anomaly_map[None], 30.0), zsas.rotate(here.anomaly_map[None], 30.0), 2e-2)
    halved = there.anomaly_map.half(), here.anomaly_map > here.anomaly_map.median()
    assert zsas.metrics.pixel_auroc(*halved) > 0.98
    with torch.autocast("cpu" if device == NAME else device, torch.bfloat16):
        maps = models[device != NAME](images(2, 3, 24, 24), "nut").anomaly_map
    close(maps.float(), here.anomaly_map, 5e-2)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(("name", "options"), [("adaclip", {}), ("anovl", {}), ("anovl", {"adapter": "linear"})])
def test_models_under_autocast_on_the_cpu(name, options):
    model = trained(name, tiny_backbone(TINY), **options)
    exact = model(images(2, 3, 24, 24), "nut").anomaly_map
    with torch.autocast("cpu", torch.bfloat16):
        close(model(images(2, 3, 24, 24), "nut").anomaly_map.float(), exact, 5e-2)


def test_a_backbone_is_loaded_onto_a_device_with_the_same_weights_and_says_the_same(device, towers):
    tower = tiny_backbone(TINY, device=device)
    assert tower.device.type == device and tower.digest == towers().digest
    close(tower.encode_text(["a bolt", "a nut"]), towers().encode_text(["a bolt", "a nut"]))
    close(tower.encode_image(images(2, 3, 30, 20).to(device)), towers().encode_image(images(2, 3, 30, 20)))
    with pytest.raises(ValueError, match=r"values in \[0, 1\], got 0..200"):
        tower.encode_image(torch.tensor([0.0, 200.0]).expand(1, 3, 24, 2).to(device))


@pytest.mark.slow
def test_what_towers_said_on_another_device_is_read_anew(device, pictures):
    model = trained("april-gan", tiny_backbone(TINY))
    with towers_read_once(), torch.no_grad():
        here = model(images(2, 3, 24, 24), "nut").anomaly_map
        there = model.to(device)(images(2, 3, 24, 24).to(device), "nut").anomaly_map
        close(there, here)
        assert torch.equal(model.to("cpu")(images(2, 3, 24, 24), "nut").anomaly_map, here)


@pytest.mark.slow
def test_a_training_on_a_device_augments_is_judged_resumed_and_saved(device, towers, pictures, tmp_path, monkeypatch):
    model, file = zsas.load_model("vcpclip+", towers(device)), tmp_path / "checkpoint"
    both = toy_dataset(tmp_path / "two", {"nut": 1, "ring": 1}, normal=1)
    settings = {"training_batch_size": 1, "augment": True, "zoom": 0.5, "loss_size": 12, "held_out": ["ring"]}
    whole = fit(model, both, epochs=2, **settings)
    ended = {key: value.detach().cpu() for key, value in model.learnable().items()}
    ending = monkeypatch.context()
    with ending as patch, pytest.raises(KeyboardInterrupt):
        step, seen = type(model).loss, []

        def interrupted(self, *arguments):
            seen.append(1)
            if len(seen) > 2:
                raise KeyboardInterrupt
            return step(self, *arguments)

        patch.setattr(type(model), "loss", interrupted)
        fit(model, both, epochs=2, checkpoint=file, **settings)
    again = fit(model, both, epochs=2, checkpoint=file, **settings)
    same((whole, again), 0)
    assert all(torch.equal(ended[key], value.detach().cpu()) for key, value in model.learnable().items())
    model.save(tmp_path / "model.safetensors")
    loaded = zsas.load_model("vcpclip+", towers(), checkpoint=tmp_path / "model.safetensors")
    close(model(images(1, 3, 24, 24), "nut").anomaly_map, loaded(images(1, 3, 24, 24), "nut").anomaly_map)


@pytest.mark.slow
def test_the_authors_files_are_read_onto_a_device(device, tmp_path):
    save_file(released.clip_state(), tmp_path / "clip.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_REGISTERED", {})
        zsas.register_backbone(
            "released", architecture=released.ARCHITECTURE, pretrained=tmp_path / "clip.safetensors", activation="gelu"
        )
        tower = zsas.load_backbone("released", device="cpu")
    torch.save(released.vcpclip_checkpoint(), tmp_path / "theirs.pth")
    here, there = (
        load_official_checkpoint("vcpclip", tmp_path / "theirs.pth", place) for place in (tower, moved(tower, device))
    )
    close(there(images(1, 3, 56, 56), "nut").anomaly_map, here(images(1, 3, 56, 56), "nut").anomaly_map, 1e-4)


@pytest.mark.parametrize("kind", ["a number", "in memory", "on the device"])
@pytest.mark.parametrize("name", [*PERTURBATIONS, "brightness"])
def test_every_perturbation(device, monkeypatch, name, kind):
    monkeypatch.setitem(PERTURBATIONS, "brightness", BRIGHTNESS)
    record = PERTURBATIONS[name]
    amounts = torch.linspace(record.low, record.high, 3)
    upright, masks = images(3, 3, 10, 14), images(3, 10, 14) > 0.7
    given = {"a number": record.high * 0.6, "in memory": amounts, "on the device": amounts.to(device)}[kind]
    expected = record.apply(upright, given if kind == "a number" else amounts)
    close(record.apply(upright.to(device), given), expected)
    if record.motion:
        plain = given if kind == "a number" else amounts
        turned = record.motion.masks_along(masks.to(device), given)
        assert torch.equal(turned.cpu(), record.motion.masks_along(masks, plain))
        for fill in ("zero", "replicate"):
            back = record.motion.maps_back(upright[:, 0].to(device), given, fill)
            close(back, record.motion.maps_back(upright[:, 0], plain, fill))
        assert torch.equal(record.motion.shown(given, 10, 14).cpu(), record.motion.shown(plain, 10, 14))


def test_turns_far_beyond_a_quarter_and_their_slopes(device):
    degrees, pixels = torch.tensor([-450.0, -200.0, -80.0, 0.0, 100.0, 170.0, 290.0]), images(7, 2, 9, 12)
    weights = images(7, 2, 9, 12).flip(0)
    slopes = []
    for place in ("cpu", device):
        inputs = [values.to(place).requires_grad_() for values in (pixels, degrees)]
        turned = zsas.rotate(*inputs, fill="zero")
        slopes.append((turned, *torch.autograd.grad((turned * weights.to(place)).sum(), inputs)))
    for one, other in zip(*slopes):
        close(one, other, 1e-4)
    close(coverage(degrees.to(device), 9, 12), coverage(degrees, 9, 12))
    assert torch.equal(rotate_masks(pixels[:, 0].to(device) > 0.5, 30.0).cpu(), rotate_masks(pixels[:, 0] > 0.5, 30.0))
    close(derotate(pixels[:, 0].to(device), degrees), derotate(pixels[:, 0], degrees))


@pytest.mark.slow
def test_metrics_and_quantities_of_pictures_on_a_device(device):
    maps, masks, pixels = images(3, 12, 12), images(3, 12, 12).flip(0) > 0.6, images(2, 3, 12, 12)
    scores, labels = maps.amax((1, 2)), torch.tensor([True, False, True])
    for function in (zsas.metrics.pixel_metrics, zsas.metrics.bootstrap_std, zsas.metrics.aupro):
        assert function(maps.to(device), masks.to(device)) == function(maps, masks)
        assert function(list(maps.to(device)), list(masks.to(device))) == function(maps, masks)
    assert zsas.metrics.image_metrics(scores.to(device), labels.to(device)) == zsas.metrics.image_metrics(
        scores, labels
    )
    for function in suitability.QUANTITIES.values():
        close(function(pixels.to(device)), function(pixels))
    close(suitability.corner_map(pixels[0].to(device)), suitability.corner_map(pixels[0]))
    mask = torch.zeros(12, 12, dtype=torch.bool)
    mask[4:7, 5:9] = True
    assert one_picture.rim_contrast(pixels[0].to(device), mask.to(device), 1) == pytest.approx(
        one_picture.rim_contrast(pixels[0], mask, 1), abs=1e-6
    )
    same(one_picture.map_table({"a": maps[0].to(place)}, mask.to(place)) for place in ("cpu", device))
    same(one_picture.threshold_table(maps[0].to(place), mask.to(place), [0.2, 0.7]) for place in ("cpu", device))


@pytest.mark.slow
def test_evaluation_sweeps_and_the_store(pair, pictures, tmp_path):
    same(zsas.evaluate(model, pictures, **FEW) for model in pair)
    for name in ("rotation", "saturation"):
        options = {"derotation": ["zero", "valid", "mask"]} | FEW
        values = [0.0, PERTURBATIONS[name].high / 2]
        same((zsas.uniform_sweep(model, pictures, name, values, **options) for model in pair), 2e-3)
    first = zsas.stored(zsas.evaluate, pair[1], pictures, store=tmp_path, **FEW)
    assert pair[1].backbone.device.type in first.attrs["made"][0]["device"]
    again = zsas.stored(zsas.evaluate, pair[0], pictures, store=tmp_path, **FEW)
    assert again.attrs["made"][0]["file"] == first.attrs["made"][0]["file"]


@pytest.mark.slow
def test_costs_are_measured_on_a_device(pair):
    here, there = pair
    assert operations(there) == operations(here)
    pixels = images(2, 3, 24, 24).to(there.backbone.device)
    table = costs({"winclip": there}, pixels, "nut", repeats=1)
    assert table["ms per picture"].item() > 0 and table["peak MB"].item() > 0


@pytest.mark.slow
@pytest.mark.parametrize("search", ["adam", "grid", "random"])
def test_searches_find_the_same(pair, pictures, search):
    pixels = torch.stack([sample.image for sample in pictures.select(anomalous=True)])
    masks = torch.stack([sample.mask for sample in pictures.select(anomalous=True)])
    found = []
    for model in pair:
        place = model.backbone.device
        found.append(
            zsas.worst_case(model, pixels.to(place), masks.to(place), "nut", search=search, steps=4, restarts=2)
        )
    here, there = found
    assert {values.device.type for values in (there.anomaly_map, there.loss, *there.amounts.values())} == {"cpu"}
    # Adam's steps are a gradient divided by its own size, and what is next to no gradient is rounding.
    same((here.history, there.history), 2e-2 if search == "adam" else 2e-4)


@pytest.mark.slow
def test_studies_of_searches(pair, pictures, tmp_path):
    options = {"combinations": [("rotation", "hue")], "search": "random", "steps": 2}
    damaged, sample, few = pictures.select(anomalous=True), pictures[len(pictures) - 1], pictures.select(per_category=2)
    same(bounds(model, few, store=tmp_path / str(place), **options, **FEW) for place, model in enumerate(pair))
    same(shared_amounts(model, damaged, over=("rotation",), points=2, fill="valid", **FEW) for model in pair)
    case = pd.Series({"degrees": 40.0, "hue": 1.0, "saturation": -0.2})
    for one, other in zip(*(before_and_after(model, sample, case, "valid") for model in pair)):
        close(one, other, 2e-4)
    under = pd.DataFrame({"picture": [0, 1], "degrees": [10.0, -20.0], "hue": [0.0, 1.0], "saturation": [0.1, 0.0]})
    same(transferred(model, damaged, under) for model in pair)
    assert gradient_agreement(*pair, damaged, over=("rotation",), points=2).item() == 100
    losses = [turned_loss(model, pictures, 30.0, "valid") for model in pair]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


@pytest.mark.slow
def test_studies_of_one_picture_of_windows_and_of_references(pair, pictures):
    here, there = pair
    sample, normal = pictures[len(pictures) - 1], pictures.select(anomalous=False)
    same(windows.sentence_cosines(m.backbone, sample.image, PROMPTS).reset_index() for m in pair)
    steps = [windows.zero_shot_steps(model, sample) for model in pair]
    same((windows.score_table(part.scores) for part in steps), 1e-5)
    for name, values in steps[0].maps.items():
        close(steps[1].maps[name], values)
    same(one_picture.views(model, sample, "rotation", [0.0, 40.0])[0] for model in pair)
    same(few_shot.few_shot_table(model, pictures, normal, shots=(0, 1), draws=1, **FEW) for model in pair)
    drawn = []
    for model in pair:
        few = zsas.load_model("winclip", model.backbone, shots=1)
        zsas.remember_normal(few, draw_normal(normal, "nut", 1))
        drawn.append(few_shot.maps_by_term(model, few, sample))
    for name, values in drawn[0].items():
        close(drawn[1][name], values)
    numbers = [audit_claims.iou_of_f1(model, sample).numbers for model in pair]
    assert numbers[0] == pytest.approx(numbers[1], abs=1e-3)


@pytest.mark.slow
def test_studies_of_learned_models(device, towers, pictures):
    models = [trained("vcpclip+", towers(place)) for place in ("cpu", device)]
    same(vcp_protocol.protocol_table(model, pictures) for model in models)
    same(audit.aupro_of_powers(model, pictures, powers=[1.0, 2.0]) for model in models)
    columns = ["part", "parameter", "entries", "median"]  # the others count what is nearly zero
    same((audit.small_gradients(model, pictures, count=2)[columns] for model in models), 1e-5)
    sums = [vcp_weights.loss_sums(model, pictures) for model in models]
    assert sums[0] == pytest.approx(sums[1], rel=1e-5)
    swapped = audit.variant(models[1], fusion=0.5)
    assert audit_claims.map_distance(models[1], swapped, pictures[0]).numbers["apart"] == 0


@pytest.mark.slow
def test_perturbations_wait_for_nothing(device):
    pixels, amounts = images(3, 3, 10, 14).to(device), torch.tensor([0.1, -0.2, 0.3])
    for given in (0.3, amounts, amounts.to(device).requires_grad_()):
        with waits_on(device) as found:
            turned = zsas.perturb(pixels, degrees=given, hue=given, saturation=given)
            upright = derotate(turned[:, 0], given)
            rotate_masks(turned[:, 0] > 0.5, given)
            if upright.requires_grad:
                upright.sum().backward()
        assert found == []


@pytest.mark.slow
def test_predictions_and_searches_wait_where_they_read(device, towers, pictures):
    model = zsas.load_model("winclip", towers(device))
    batch = next(pictures.batches(4))
    arguments = batch.images, batch.categories, batch.paths
    predict(model, *arguments)
    with waits_on(device) as found:
        predict(model, *arguments)
    assert len(found) == 2, found  # the maps; scores and the range of the pictures
    index, amounts = torch.arange(4), torch.full((4, 3), 0.2)
    for fill in ("zero", "valid"):
        objective = Objective(model, batch.images, batch.masks, "nut", fill=fill)
        with waits_on(device) as found, torch.no_grad():
            objective.outcome(index, amounts)
        assert len(found) == 1, found  # all numbers of all points at once; maps stay where they are
    one = {"images": batch.images[-1:], "masks": batch.masks[-1:], "class_names": "nut"}
    for search, reads in (("random", 1), ("grid", 1), ("adam", 3)):  # Adam reads the slopes and the loss too
        counts = []
        for steps in (5, 6) if search == "grid" else (3, 6):  # one batch of points more
            with waits_on(device) as found:
                zsas.worst_case(model, **one, search=search, steps=steps, restarts=3, batch_size=3)
            counts.append(len(found))
        assert counts[1] - counts[0] == reads, found


@pytest.mark.slow
def test_pictures_out_of_range_are_refused_where_they_are_read(device, towers, pictures):
    model = zsas.load_model("winclip", towers(device))
    batch = next(pictures.batches(2))
    with pytest.raises(ValueError, match="divide by 255"):
        predict(model, 255 * batch.images, batch.categories, batch.paths)
    with pytest.raises(ValueError, match="divide by 255"):
        Objective(model, 255 * batch.images, batch.masks, "nut", ["rotation"])
    with pytest.MonkeyPatch.context() as patch, pytest.raises(ValueError, match="divide by 255"), torch.no_grad():
        patch.setattr("zsas_lib.robustness.search.objective.perturb", lambda images, **amounts: 255 * images)
        Objective(model, batch.images, batch.masks, "nut").outcome(torch.arange(2), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="divide by 255"):
        model((255 * batch.images).to(device), "nut")


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_a_training_before_it_changes_anything(device, towers, pictures):
    model = zsas.load_model("april-gan", towers(device))
    fit(model, pictures, epochs=1, training_batch_size=5, rate=1e-30, augment=False)
    before = {key: value.detach().cpu() for key, value in model.learnable().items()}
    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(FloatingPointError, match=r"loss of april-gan is nan in step 0"),
    ):
        patch.setattr(
            type(model), "loss", lambda self, *arguments: sum(p.sum() for p in self.learnable().values()) * np.nan
        )
        fit(model, pictures, epochs=1, augment=False)
    assert all(torch.equal(before[key], value.detach().cpu()) for key, value in model.learnable().items())
