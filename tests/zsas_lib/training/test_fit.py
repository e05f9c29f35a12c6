"""zsas_lib.training and zsas_lib.training.ready: what is trained, resumed, chosen and refused."""

import math
from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
import pytest
import torch
from toy import toy_dataset

import zsas_lib as zsas
from zsas_lib.base.errors import DataError, OptionError, UnknownNameError
from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.models.learned import NothingToLearnError, Recipe, Stage, UntrainedModelError
from zsas_lib.training.fit import DivergedError, fit, proportional_rates
from zsas_lib.training.stages import planned


@pytest.fixture
def pictures(tmp_path):
    return toy_dataset(tmp_path / "toy", {"nut": 3, "ring": 3})


def forget(monkeypatch):
    """Nothing that another training has read is at hand."""
    monkeypatch.setattr("zsas_lib.training.examples._kept", WeakKeyDictionary())


def learned(model):
    return torch.cat([value.flatten() for value in model.learnable().values()])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["adaclip", "af-clip", "anomalyclip", "coop", "vcpclip", "vcpclip+", "april-gan"])
def test_training_lowers_the_loss_of_every_model_and_leaves_the_backbone_alone(backbone, pictures, name):
    before = backbone.clip.visual.proj.clone()
    model = zsas.load_model(name, backbone)
    log = fit(model, pictures, epochs=12, training_batch_size=4, rate=3e-3, augment=False)
    assert list(log.step) == list(range(36)) and log.epoch.max() == 11
    assert log.loss[-6:].mean() < 0.95 * log.loss[:6].mean()
    assert torch.equal(backbone.clip.visual.proj, before)
    assert not any(value.requires_grad for value in model.parameters())
    assert model(pictures[0].image[None], "nut").anomaly_map.shape == (1, 32, 32)


@pytest.mark.slow
def test_stages_are_trained_in_turn_and_a_killed_one_resumes(backbone, pictures, tmp_path, monkeypatch):
    """AA-CLIP: five of twenty epochs change the text's adapters alone, at their own rate, then all others."""
    model = zsas.load_model("aa-clip", backbone)
    assert [stage.name for stage in model.recipe.stages] == ["text", "image"]
    model.initialise(0)
    begun = {name: value.clone() for name, value in model.learnable().items()}
    seen, step = [], torch.optim.AdamW.step

    def watched(self, *given, **options):
        before = {name: value.clone() for name, value in model.learnable().items()}
        done = step(self, *given, **options)
        changed = {
            name.split("_")[0] for name, value in model.learnable().items() if not torch.equal(value, before[name])
        }
        seen.append(("text" if changed == {"text"} else "image", [group["lr"] for group in self.param_groups]))
        return done

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    log = fit(model, pictures, epochs=4, checkpoint=tmp_path / "checkpoint.pt")
    count = len(pictures)
    assert list(log.groupby("epoch").size()) == [1, *[count // 2] * 4], "16 pictures a step, then 2"
    assert [stage for stage, _ in seen] == ["text"] + ["image"] * (2 * count)
    assert seen[0][1] == [1e-5, 5e-4] and model.recipe.rates["text_projection.weight"] == 1e-5
    assert all(not torch.equal(value, begun[name]) for name, value in model.learnable().items())
    again, calls = zsas.load_model("aa-clip", backbone), []

    enter = type(model).enter

    def stopped(self, stage):
        calls.append(stage)
        if len(calls) == 4:
            raise KeyboardInterrupt
        enter(self, stage)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    monkeypatch.setattr(type(model), "enter", stopped)
    with pytest.raises(KeyboardInterrupt):
        fit(again, pictures, epochs=4, checkpoint=tmp_path / "killed.pt")
    monkeypatch.setattr(type(model), "enter", enter)
    fit(again, pictures, epochs=4, checkpoint=tmp_path / "killed.pt")
    assert torch.equal(learned(again), learned(model))


def test_the_rate_is_halved_and_falls_within_its_stage():
    recipe = Recipe(1e-3, 4, 8, False, stages=(Stage("first", 0.25, 10), Stage("second", 1.0, 2, halved_after=(6, 9))))
    plan = planned(recipe, 8, None, pictures=4)
    assert [epoch.stage.name for epoch in plan] == ["first"] * 2 + ["second"] * 8
    assert (plan[0].before, plan[0].steps, plan[-1].before, plan[-1].steps) == (0, 2, 2, 16)
    assert [plan[-1].share(step, decay=False) for step in (2, 7, 8, 10, 11)] == [1, 1, 0.5, 0.5, 0.25]
    assert plan[0].share(1, decay=True) == pytest.approx(0.5) and plan[2].share(2, decay=True) == 1
    assert [epoch.training_batch_size for epoch in planned(recipe, 1, 3, pictures=4)] == [3, 3]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["anomalyclip", "vcpclip+", "april-gan"])
def test_without_weight_decay_the_optimiser_is_adam(name, backbone, pictures, monkeypatch):
    found = []
    for optimiser in (torch.optim.AdamW, torch.optim.Adam):
        monkeypatch.setattr(torch.optim, "AdamW", optimiser)
        model = zsas.load_model(name, backbone)
        log = fit(model, pictures, epochs=3, training_batch_size=2, decay=True)
        found.append((learned(model), log.loss.tolist()))
    assert torch.equal(found[0][0], found[1][0]) and found[0][1] == found[1][1]


@pytest.mark.slow
def test_the_seed_alone_decides(backbone, pictures):
    models = [zsas.load_model("vcpclip+", backbone) for _ in range(3)]
    models[1].initialise(seed=5)
    torch.manual_seed(123)
    for model, seed in zip(models, (1, 1, 2)):
        fit(model, pictures, seed=seed, epochs=1, training_batch_size=4)
    assert torch.equal(learned(models[0]), learned(models[1]))
    assert not torch.equal(learned(models[0]), learned(models[2]))


@pytest.mark.slow
@pytest.mark.parametrize("killed_in", [1, 2])
def test_a_training_killed_in_any_epoch_resumes_to_the_same_end(backbone, pictures, tmp_path, monkeypatch, killed_in):
    whole = zsas.load_model("vcpclip", backbone)
    log = fit(whole, pictures, epochs=3, training_batch_size=4, checkpoint=tmp_path / "whole.pt")

    killed = zsas.load_model("vcpclip", backbone)
    steps, loss = iter(range(100)), type(killed).loss

    def dies(self, *arguments):
        if next(steps) == 3 * killed_in + 1:
            raise KeyboardInterrupt
        return loss(self, *arguments)

    monkeypatch.setattr(type(killed), "loss", dies)
    with pytest.raises(KeyboardInterrupt):
        fit(killed, pictures, epochs=3, training_batch_size=4, checkpoint=tmp_path / "killed.pt")
    monkeypatch.undo()
    resumed = zsas.load_model("vcpclip", backbone)
    again = fit(resumed, pictures, epochs=3, training_batch_size=4, checkpoint=tmp_path / "killed.pt")
    assert torch.equal(learned(resumed), learned(whole))
    pd.testing.assert_frame_equal(again, log)
    assert not list(tmp_path.glob("*.pt"))


@pytest.mark.slow
def test_a_checkpoint_of_another_training_is_refused(backbone, pictures, tmp_path, monkeypatch):
    model = zsas.load_model("april-gan", backbone)
    monkeypatch.setattr("pathlib.Path.unlink", lambda *_, **__: None)
    fit(model, pictures, epochs=1, checkpoint=tmp_path / "c.pt")
    monkeypatch.undo()
    with pytest.raises(DataError, match="with seed 0, not 1"):
        fit(model, pictures, seed=1, epochs=1, checkpoint=tmp_path / "c.pt")
    (tmp_path / "c.pt").write_bytes(b"nothing")
    with pytest.raises(DataError, match="no checkpoint"):
        fit(model, pictures, epochs=1, checkpoint=tmp_path / "c.pt")
    torch.save({"settings": "{}"}, tmp_path / "c.pt")
    with pytest.raises(DataError, match="no checkpoint of a training .it lacks what one holds"):
        fit(model, pictures, epochs=1, checkpoint=tmp_path / "c.pt")


@pytest.mark.slow
def test_held_out_categories_choose_the_epoch_and_are_not_trained_on(backbone, pictures, monkeypatch):
    qualities = iter([0.2, 0.6, 0.4])
    seen = []

    def judged(model, dataset, **_):
        seen.append((dataset.categories, learned(model).clone()))
        return pd.DataFrame({"pixel_ap": [next(qualities)]}, index=["mean"])

    monkeypatch.setattr("zsas_lib.training.fit.evaluate", judged)
    model = zsas.load_model("april-gan", backbone)
    log = fit(model, pictures, epochs=3, training_batch_size=2, held_out=["ring"])
    assert [categories for categories, _ in seen] == [("ring",)] * 3
    assert len(log) == 9 and model.trained["kept_epoch"] == 2
    assert torch.equal(learned(model), seen[1][1])


@pytest.mark.parametrize("zoom", [-0.1, 1.5])
def test_zoom_is_a_probability(backbone, pictures, zoom):
    with pytest.raises(ValueError, match=rf"zoom={zoom}; expected a probability in 0..1"):
        fit(zsas.load_model("april-gan", backbone), pictures, epochs=1, zoom=zoom)


@pytest.mark.parametrize("size", [0, 33])
def test_the_loss_compares_no_larger_maps_than_there_are(backbone, pictures, size):
    with pytest.raises(ValueError, match=rf"loss_size={size}; expected a side in pixels in 1..32"):
        fit(zsas.load_model("april-gan", backbone), pictures, epochs=1, loss_size=size)


@pytest.mark.slow
def test_a_smaller_loss_sees_the_same_masks_at_fewer_pixels_and_teaches_nearly_the_same(
    backbone, pictures, monkeypatch
):
    models = [zsas.load_model("april-gan", backbone) for _ in range(2)]
    seen, loss = [], type(models[0]).loss
    monkeypatch.setattr(
        type(models[0]),
        "loss",
        lambda self, features, masks, normal: (seen.append(masks), loss(self, features, masks, normal))[1],
    )
    for model, size in zip(models, (None, 8)):
        fit(model, pictures, epochs=1, training_batch_size=12, loss_size=size)
        model.initialise(0)
    whole, small = seen
    assert whole.shape[1:] == (32, 32) and small.shape[1:] == (8, 8)
    assert torch.equal(small, whole[:, 2::4, 2::4])
    start = learned(models[0])
    moved = []
    for model, size in zip(models, (None, 8)):
        fit(model, pictures, epochs=8, training_batch_size=4, rate=3e-3, loss_size=size)
        moved.append(learned(model) - start)
    assert 0.8 < torch.cosine_similarity(*moved, dim=0) < 1


@pytest.mark.slow
def test_features_are_computed_once_without_augmentation_and_every_time_with_it(backbone, pictures, monkeypatch):
    counted = []
    model = zsas.load_model("april-gan", backbone)
    forget(monkeypatch)
    features = type(model).features
    monkeypatch.setattr(
        type(model),
        "features",
        lambda self, images, names: (counted.append(len(images)), features(self, images, names))[1],
    )
    fit(model, pictures, epochs=3, training_batch_size=4)
    assert sum(counted) == len(pictures)
    counted.clear()
    for changed in ({"augment": True}, {"zoom": 0.5}):
        fit(model, pictures, epochs=3, training_batch_size=4, **changed)
        assert sum(counted) == 3 * len(pictures)
        counted.clear()


@pytest.mark.slow
def test_what_does_not_fit_in_the_cache_is_computed_anew_with_the_same_result(backbone, pictures, monkeypatch):
    model, other = (zsas.load_model("april-gan", backbone) for _ in range(2))
    fit(model, pictures, epochs=2, training_batch_size=4)
    forget(monkeypatch)
    monkeypatch.setattr("zsas_lib.training.examples.CACHED_BYTES", 50_000)
    fit(other, pictures, epochs=2, training_batch_size=4)
    torch.testing.assert_close(learned(other), learned(model))


@pytest.mark.slow
def test_what_was_read_for_one_variant_serves_the_next_and_no_other_model(backbone, pictures, monkeypatch):
    forget(monkeypatch)
    counted = []
    for kind in ("vcpclip", "april-gan"):
        owner = type(zsas.load_model(kind, backbone))
        features = owner.features
        monkeypatch.setattr(
            owner, "features", lambda self, *given, own=features: (counted.append(self.name), own(self, *given))[1]
        )
    first, alone = (zsas.load_model("vcpclip+", backbone) for _ in range(2))
    fit(first, pictures, epochs=1, training_batch_size=4, augment=False)
    fit(zsas.load_model("vcpclip", backbone), pictures, epochs=1, training_batch_size=4, augment=False)
    assert counted == ["vcpclip+"]
    fit(zsas.load_model("april-gan", backbone), pictures, epochs=1, training_batch_size=4)
    fit(alone, pictures, epochs=1, training_batch_size=4, augment=False)
    assert counted == ["vcpclip+", "april-gan", "vcpclip+"]
    assert torch.equal(learned(alone), learned(first))


@pytest.mark.slow
def test_single_parameters_have_rates_of_their_own(backbone, pictures):
    model = zsas.load_model("vcpclip", backbone)
    assert proportional_rates(model, 8e-5) == {"log_scales": 0.02, "alpha": 8e-3, "beta": 8e-3}
    assert proportional_rates(model, None) == dict(model.recipe.rates)
    start = model.log_scales.clone()
    fit(model, pictures, epochs=1, training_batch_size=12, rates={"log_scales": 0.25})
    torch.testing.assert_close((model.log_scales - start).abs(), torch.full((2,), 0.25), rtol=1e-3, atol=0)
    assert model.trained["rates"]["alpha"] == 4e-3, "the recipe's others stay"
    fit(model, pictures, epochs=1, training_batch_size=12, rate=8e-5, rates={"log_scales": 0.25})
    assert model.trained["rates"] == pytest.approx({"log_scales": 0.25, "alpha": 8e-3, "beta": 8e-3})
    with pytest.raises(UnknownNameError, match="log_scale"):
        fit(model, pictures, epochs=1, rates={"log_scale": 0.25})
    with pytest.raises(ValueError, match="above 0"):
        fit(model, pictures, epochs=1, rates={"log_scales": 0.0})


@pytest.mark.slow
def test_what_is_watched_stands_in_the_log(backbone, pictures):
    plus = zsas.load_model("vcpclip+", backbone)
    log = fit(plus, pictures, epochs=1)
    assert {"vcp_share", "focal_share"} <= set(log) and log.focal_share.iloc[-1] != 0.5
    assert log.focal_share.is_monotonic_increasing, "focal loss is below dice loss, so its share can but rise"
    assert set(fit(zsas.load_model("vcpclip", backbone), pictures, epochs=1)) >= {"clip_temperature", "vcp_temperature"}


def test_bad_input(backbone, pictures):
    model = zsas.load_model("april-gan", backbone)
    with pytest.raises(DataError, match="has 0 anomalous pictures of 6"):
        fit(model, pictures.select(anomalous=False))
    with pytest.raises(DataError, match="6 anomalous pictures of 6"):
        fit(model, pictures.select(anomalous=True))
    with pytest.raises(UnknownNameError, match="'rign'.*'ring'"):
        fit(model, pictures, held_out=["rign"])
    with pytest.raises(UnknownNameError, match="'nutt'.*'nut'"):
        fit(model, pictures, held_out="nutt")
    with pytest.raises(NothingToLearnError, match="winclip learns nothing"):
        fit(zsas.load_model("winclip", backbone), pictures)
    pictures.records[-1].mask_path.write_bytes(b"no picture")
    with pytest.raises(DataError, match="mask.png"):
        fit(model, pictures, epochs=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "fit got epochs=0; expected a whole number in 1"),
        ({"training_batch_size": -2}, "training_batch_size=-2; expected a whole number in 1"),
        ({"training_batch_size": 10**30}, "training_batch_size=1000.*; expected a whole number in 1..2147483647"),
        ({"seed": -1}, "seed=-1; expected a whole number in 0"),
        ({"seed": 2**64}, "seed=18446744073709551616; expected a whole number in 0..4294967295"),
        ({"rate": 0.0}, "rate=0.0; expected a learning rate above 0 and at most 1"),
        ({"rate": math.nan}, "rate=nan"),
        ({"rate": math.inf}, "rate=inf"),
        ({"rate": 1e30}, "rate=1e[+]30"),
        ({"rates": {"projections.0.bias": math.nan}}, r"rates\['projections.0.bias'\]=nan; expected a learning rate"),
        ({"rates": {"projections.0.bias": 0.0}}, r"rates\['projections.0.bias'\]=0.0"),
        ({"zoom": math.nan}, "zoom=nan; expected a probability in 0..1"),
        ({"loss_size": -1}, "loss_size=-1; expected a side in pixels in 1..32"),
        ({"augment": "false"}, "augment='false'; expected True or False"),
        ({"decay": "no"}, "decay='no'; expected True or False"),
        ({"perturbed": ["hue", "rotation", "hue"]}, r"\['hue', 'rotation', 'hue'\]; expected each perturbation once"),
        ({"select_by": "aupro"}, "select_by='aupro', and the last epoch is kept"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_settings_that_cannot_be_are_told_before_a_picture_is_read(backbone, pictures, settings, message, monkeypatch):
    monkeypatch.setattr("zsas_lib.training.fit.Examples", lambda *_: pytest.fail("pictures were read"))
    with pytest.raises(OptionError, match=message):
        fit(zsas.load_model("april-gan", backbone), pictures, **settings)


def test_a_data_set_without_masks_teaches_nothing(backbone, pictures):
    bare = [replace(record, mask_path=None) for record in pictures.records]
    dataset = AnomalyDataset("bare", pictures.root, bare, 32)
    with pytest.raises(DataError, match="has no mask of 6 anomalous pictures, such as nut/3.png"):
        fit(zsas.load_model("april-gan", backbone), dataset, epochs=1)


@pytest.mark.slow
def test_the_checkpoint_goes_when_the_output_stands(backbone, pictures, tmp_path, monkeypatch):
    model, output, checkpoint = zsas.load_model("april-gan", backbone), tmp_path / "new" / "april", tmp_path / "c.pt"

    def full(*_):
        assert checkpoint.exists(), "while it is written"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(model), "save", full)
    with pytest.raises(OSError, match="No space"):
        fit(model, pictures, epochs=2, checkpoint=checkpoint, output=output)
    monkeypatch.undo()
    assert checkpoint.exists() and not output.exists()
    monkeypatch.setattr(type(model), "loss", lambda *_: pytest.fail("trained again"))
    again = zsas.load_model("april-gan", backbone)
    log = fit(again, pictures, epochs=2, checkpoint=checkpoint, output=output)
    assert not checkpoint.exists() and len(log) == 4 and torch.equal(learned(again), learned(model))
    assert torch.equal(learned(zsas.load_model("april-gan", backbone, checkpoint=output)), learned(again))


@pytest.mark.parametrize("which", ["output", "checkpoint"])
def test_where_nothing_can_be_written_is_told_before_a_picture_is_read(
    backbone, pictures, tmp_path, which, monkeypatch
):
    monkeypatch.setattr("zsas_lib.training.fit.Examples", lambda *_: pytest.fail("pictures were read"))
    model = zsas.load_model("april-gan", backbone)
    (tmp_path / "file").write_text("kept")
    for place, message in (
        (tmp_path, "is a folder; expected the name of a file"),
        (tmp_path / "file" / "x", "file is no folder"),
        (tmp_path / ("x" * 240), "No file can be written at .*name too long"),
    ):
        with pytest.raises(OptionError, match=message):
            fit(model, pictures, epochs=1, **{which: place})
    with pytest.raises(OptionError, match="expected two files"):
        fit(model, pictures, epochs=1, output=tmp_path / "same", checkpoint=tmp_path / "same")
    assert (tmp_path / "file").read_text() == "kept" and sorted(path.name for path in tmp_path.iterdir()) == [
        "file",
        "toy",
    ]


def test_parameters_that_are_not_finite_stop_the_training(backbone, pictures, tmp_path, monkeypatch):
    model = zsas.load_model("april-gan", backbone)
    loss = type(model).loss

    def spoilt(self, *given):
        with torch.no_grad():
            self.projections[1].bias.fill_(torch.inf)
        return loss(self, *given).nan_to_num()

    monkeypatch.setattr(type(model), "loss", spoilt)
    with pytest.raises(DivergedError, match="projections.* of april-gan is not finite after epoch 1; lower the rate"):
        fit(model, pictures, epochs=1, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.training
def test_a_training_where_no_gradient_is_wanted_is_the_same(backbone, pictures):
    expected, found = (zsas.load_model("april-gan", backbone) for _ in range(2))
    fit(expected, pictures, epochs=1)
    with torch.no_grad():
        fit(found, pictures, epochs=1)
    assert all(torch.equal(own, found.learnable()[name]) for name, own in expected.learnable().items())


def test_a_loss_that_is_not_finite_stops_the_training(backbone, pictures, monkeypatch):
    model = zsas.load_model("april-gan", backbone)
    monkeypatch.setattr(type(model), "loss", lambda self, *_: self.projections[0].bias.sum() * torch.nan)
    with pytest.raises(FloatingPointError, match="step 0"):
        fit(model, pictures, epochs=1)


@pytest.mark.slow
def test_trained_models_come_from_the_store(backbone, pictures, tmp_path, monkeypatch):
    first = zsas.trained(zsas.load_model("vcpclip+", backbone), pictures, store=tmp_path, epochs=1, seed=3)
    monkeypatch.setattr(type(first), "loss", lambda *_: pytest.fail("trained again"))
    again = zsas.trained(zsas.load_model("vcpclip+", backbone), pictures, store=tmp_path, epochs=1, seed=3)
    assert torch.equal(learned(again), learned(first))
    pd.testing.assert_frame_equal(again.history, first.history)
    monkeypatch.undo()
    zsas.trained(zsas.load_model("vcpclip+", backbone), pictures, store=tmp_path, epochs=1, seed=4)
    assert len(list(tmp_path.glob("trained/*.safetensors"))) == 2
    path = next(tmp_path.glob("trained/*.safetensors"))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.warns(UserWarning, match="trained again"):
        for seed in (3, 4):
            zsas.trained(zsas.load_model("vcpclip+", backbone), pictures, store=tmp_path, epochs=1, seed=seed)
    with pytest.raises(TypeError, match="epoch"):
        zsas.trained(zsas.load_model("vcpclip+", backbone), pictures, store=tmp_path, epoch=1)


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked_types")
def test_numbers_of_numpys_kind_are_numbers(backbone, pictures, tmp_path):
    def trained(kind, name):
        model = zsas.load_model("coop", backbone, context=kind(4))
        settings = {"epochs": kind(1), "training_batch_size": kind(4), "seed": kind(3), "loss_size": kind(8)}
        log = fit(model, pictures, output=tmp_path / name, augment=False, **settings)
        return log, zsas.load_model("coop", backbone, checkpoint=tmp_path / name, context=4)

    (log, model), (expected, other) = trained(np.int64, "one.safetensors"), trained(int, "other.safetensors")
    pd.testing.assert_frame_equal(log, expected)
    assert model.options == other.options and type(model.options["context"]) is int


@pytest.mark.parametrize("error", [KeyboardInterrupt, DivergedError])
def test_a_training_that_ends_in_an_error_after_an_epoch_that_was_looked_at_leaves_no_trained_model(
    backbone, pictures, tmp_path, monkeypatch, error
):
    """Each epoch's model predicts for ``each_epoch`` alone, not with what a broken epoch left behind."""
    model, looked = zsas.load_model("april-gan", backbone), []

    def look(epoch, current):
        looked.append(current(pictures[0].image[None], "nut").image_score.isfinite().all().item())
        monkeypatch.setattr(type(model), "loss", broken)

    def broken(*given):
        raise error("in the second epoch")

    with pytest.raises(error):
        fit(model, pictures, epochs=2, training_batch_size=4, rate=1e-3, augment=False, each_epoch=look)
    assert looked == [True] and model.trained is None
    with pytest.raises(UntrainedModelError, match="april-gan has nothing learned yet"):
        model(pictures[0].image[None], "nut")
    with pytest.raises(UntrainedModelError):
        model.save(tmp_path / "half.safetensors")
