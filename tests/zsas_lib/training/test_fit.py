"""`fit`: what a training changes, by which steps and rates, what it logs, and what stops it."""

import pandas as pd
import pytest
import torch
from trained import learned

import zsas_lib as zsas
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.models.learned import UntrainedModelError
from zsas_lib.training.fit import DivergedError, fit, proportional_rates


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
