"""What readings of paper S amount to."""

import pandas as pd
import pytest
import torch
from toy import Glow, Speckled, toy_dataset

from zsas_lib.robustness.search.objective import Objective
from zsas_lib.robustness.search.readings import gradient_agreement, lower_alone, turned_loss


@pytest.fixture
def damaged(tmp_path):
    return toy_dataset(tmp_path / "data", {"bolt": 2, "nut": 1}, normal=1).select(anomalous=True)


@pytest.mark.slow
def test_a_model_agrees_with_itself_and_never_with_its_negative(damaged):
    same = gradient_agreement(Glow(), Glow(), damaged, points=3, batch_size=4)
    assert list(same.index) == ["rotation", "hue", "saturation"] and (same == 100).all()
    assert (gradient_agreement(Glow(), Glow(gain=-1.0), damaged, points=3, batch_size=4) < 100).all()


@pytest.mark.slow
def test_one_perturbation_is_compared_with_all_of_them_picture_by_picture(damaged, tmp_path, monkeypatch):
    monkeypatch.setenv("ZSAS_RESULTS", str(tmp_path / "results"))
    stronger = lower_alone(Speckled(), damaged, steps=3)
    assert list(stronger) == ["rotation", "hue", "saturation"] and list(stronger.index) == [0, 1, 2]
    assert stronger.isin([True, False]).all().all()


def test_a_point_alone_is_lower_only_if_it_is(damaged, monkeypatch):
    from zsas_lib.robustness.search import readings

    low = {"rotation": 0.2, "hue": 0.7, "saturation": 0.5, "rotation + hue + saturation": 0.5}

    def found(model, dataset, *, combinations, **options):
        name = " + ".join(combinations[0])
        rows = {"picture": [0, 1], "is_anomalous": [True, True], "combination": [name, "none"]}
        return pd.DataFrame(rows | {"pixel_auroc": [low[name], 0.9]})

    monkeypatch.setattr(readings, "worst_cases", found)
    assert lower_alone(Speckled(), damaged).loc[0].tolist() == [True, False, False]


def test_the_loss_of_turned_normal_pictures_is_the_objective_s(tmp_path):
    normal = toy_dataset(tmp_path, {"bolt": 1}, normal=3).select(anomalous=False)
    images = torch.stack([normal[i].image for i in range(3)])
    masks = torch.zeros(3, *images.shape[2:], dtype=torch.bool)
    for fill in ("zero", "valid"):
        objective = Objective(Glow(), images, masks, "bolt", ("rotation",), fill)
        with torch.no_grad():
            expected = objective.outcome(torch.arange(3), torch.full((3, 1), 45.0)).loss.mean().item()
        assert turned_loss(Glow(), normal, 45.0, fill, batch_size=2) == pytest.approx(expected, abs=1e-6)
    assert turned_loss(Glow(), normal, 45.0, "zero") < turned_loss(Glow(), normal, 45.0, "valid")
