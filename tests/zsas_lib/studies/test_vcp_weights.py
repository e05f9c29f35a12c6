"""zsas_lib.studies.vcp_weights: the terms of VCP-CLIP's loss, and as far as Adam moves a parameter."""

import pandas as pd
import pytest
import torch
from toy import toy_dataset
from trained import trained

from zsas_lib.losses import dice_loss, focal_loss
from zsas_lib.models.learned import UntrainedModelError
from zsas_lib.models.load import load_model
from zsas_lib.studies.vcp_weights import adam_reach, loss_sums, sums_before_and_after, temperature_limit, weight_limit


@pytest.fixture
def pictures(tmp_path):
    return toy_dataset(tmp_path / "toy", {"nut": 3})


def fitted(backbone, decay: bool, steps: int = 4):
    """A model that says to have been trained."""
    model = trained("vcpclip", backbone, uniop=True)
    model.trained = {"rate": 0.001, "rates": {"log_scales": 0.5, "alpha": 0.2}, "decay": decay}
    model.history = pd.DataFrame({"step": range(steps)})
    return model


def test_the_sums_are_those_of_the_layers_maps(backbone, pictures):
    model = trained("vcpclip+", backbone)
    batch = next(pictures.batches(4))
    with torch.no_grad():
        branches = model.branch_maps(model.features(batch.images, batch.categories), 32)
        maps = torch.lerp(branches[0], branches[1], model.alpha.sigmoid()).unbind(1)
    found = loss_sums(model, pictures, 4)
    assert found["focal"] == pytest.approx(sum(focal_loss(each, batch.masks).item() for each in maps), rel=1e-5)
    assert found["dice"] == pytest.approx(sum(dice_loss(each, batch.masks).item() for each in maps), rel=1e-5)


@pytest.mark.slow
def test_sums_before_training_are_those_of_the_seed(backbone, pictures):
    model, fresh = trained("vcpclip+", backbone), load_model("vcpclip+", backbone)
    after = loss_sums(model, pictures)
    sums = sums_before_and_after(model, pictures, seed=3)
    fresh.initialise(3)
    assert sums.loc["after training"].to_dict() == after
    assert sums.loc["before training"].to_dict() == loss_sums(fresh, pictures) != after


@pytest.mark.parametrize("decay", [False, True])
def test_reach_is_what_adam_moves_under_a_constant_gradient(backbone, decay):
    model, steps = fitted(backbone, decay), 4
    value = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))
    adam = torch.optim.Adam([value], lr=0.5, betas=(0.5, 0.999), eps=0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    moved = []
    for _ in range(steps):
        value.grad = torch.tensor(-7.0, dtype=torch.float64)
        adam.step()
        moved.append(value.item())
        if decay:
            schedule.step()
    reach = adam_reach(model, "log_scales")
    assert reach.tolist() == pytest.approx(moved) and reach.index.tolist() == [1, 2, 3, 4]
    assert temperature_limit(model).iloc[-1] == pytest.approx(0.07 * torch.tensor(-moved[-1]).exp().item())


def test_weights_rise_from_their_first_value_at_their_own_rate_or_the_common_one(backbone):
    model = fitted(backbone, decay=False)
    assert weight_limit(model, "alpha").tolist() == pytest.approx(torch.tensor([0.7, 0.9, 1.1, 1.3]).sigmoid().tolist())
    assert adam_reach(model, "projections.0.weight").iloc[-1] == pytest.approx(0.004)


def test_without_a_training_there_is_no_reach(backbone):
    with pytest.raises(UntrainedModelError, match="no training whose steps"):
        adam_reach(load_model("vcpclip", backbone), "alpha")
