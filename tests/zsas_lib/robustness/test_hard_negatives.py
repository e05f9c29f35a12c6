"""False alarms on pictures that are learned from, and what a second training makes of them."""

import numpy as np
import pandas as pd
import pytest
import torch
from toy import toy_dataset

import zsas_lib as zsas
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.models.prediction import AnomalyModel, Prediction
from zsas_lib.robustness import hard_negatives as study


class Red(AnomalyModel):
    """A map that is the red of a picture."""

    name = "red"
    device = torch.device("cpu")

    def __init__(self):
        super().__init__(None, {})

    def forward(self, images, class_names):
        return Prediction(images[:, 0], images[:, 0].amax((1, 2)))


@pytest.fixture
def pictures(tmp_path):
    return toy_dataset(tmp_path / "toy", {"nut": 3, "ring": 3}).squashed(32)


def test_a_false_alarm_is_high_where_nothing_is_damaged(pictures):
    found = study.false_alarms(Red(), pictures)
    for place, value in enumerate(found):
        sample = pictures[place]
        far = sample.image[0][~study.near(sample.mask)]
        assert value == pytest.approx(float(far.sort().values[-max(1, round(study.TOP * len(far))) :].mean()))


def test_hard_patches_are_the_highest_of_all_that_are_normal(pictures, backbone, monkeypatch):
    monkeypatch.setattr(study, "PATCH_SHARE", 0.1)
    red = zsas.load_model("april-gan", backbone)
    monkeypatch.setattr(type(red), "forward", lambda self, images, names: Red()(images, names))
    rows, columns = backbone.patches
    side = 32 // rows
    known = {}
    for place in range(len(pictures)):
        sample = pictures[place]
        for number in range(rows * columns):
            top, left = side * (number // columns), side * (number % columns)
            part = slice(top, top + side), slice(left, left + side)
            if not study.near(sample.mask)[part].any():
                known[place, number] = float(sample.image[0][part].mean())
    best = sorted(known, key=known.get, reverse=True)[: round(0.1 * len(known))]
    found = study.hard_patches(red, pictures)
    assert {(place, number) for place, own in enumerate(found) for number in own} == {*best}


def test_near_reaches_a_twentieth_of_the_side():
    mask = torch.zeros(40, 40, dtype=torch.bool)
    mask[10, 20] = True
    near = study.near(mask)
    assert near.sum() == 25 and near[8:13, 18:23].all() and not study.near(torch.zeros_like(mask)).any()


def test_the_hardest_quarter_weighs_four_times_and_by_chance_as_many():
    alarms = np.array([0.1, 0.9, 0.2, float("nan"), 0.8, 0.3, 0.0, 0.4])
    assert study.weights_of(alarms) == [1, 4, 1, 1, 4, 1, 1, 1]
    drawn = [study.weights_of(alarms, seed) for seed in range(3)]
    assert all(sorted(own) == sorted(study.weights_of(alarms)) for own in drawn) and drawn[0] != drawn[1]


@pytest.mark.slow
def test_arms_are_settings_of_a_second_training(backbone, pictures):
    plain = zsas.load_model("april-gan", backbone)
    zsas.fit(plain, pictures, epochs=1, training_batch_size=4, augment=False)
    of = {arm: study.settings_of(arm, plain, pictures, 0) for arm in study.ARMS}
    assert of[study.PLAIN] == {} and of[study.LONGER] == {"epochs": 2}
    assert of[study.HARD]["weights"] == study.weights_of(study.false_alarms(plain, pictures))
    assert sum(of[study.CHANCE]["weights"]) == sum(of[study.HARD]["weights"])
    log = zsas.fit(plain, pictures, epochs=1, training_batch_size=4, augment=False, **of[study.HARD])
    assert len(log) == 3, "as many steps"
    assert of[study.PATCHES] == {"hard": study.hard_patches(plain, pictures), "hard_weight": study.PATCH_WEIGHT}
    log = zsas.fit(plain, pictures, epochs=1, training_batch_size=4, augment=False, **of[study.PATCHES])
    assert len(log) == 3 and plain.trained["hard"] == of[study.PATCHES]["hard"]
    with pytest.raises(UnknownNameError, match="training 'harder'"):
        study.settings_of("harder", plain, pictures, 0)


def test_rates_are_those_of_a_threshold_from_other_pictures(pictures):
    """Red pixels above what one in a hundred normal ones of the auxiliary pictures exceeds."""
    rings = pictures.select(["ring"])
    found = study.alarm_rates(Red(), pictures, rings).set_index("category")
    samples = [rings[place] for place in range(len(rings))]
    normal = torch.cat([sample.image[0][~study.near(sample.mask)] for sample in samples])
    at = np.quantile(normal.numpy(), 0.99)
    damaged = torch.cat([sample.image[0][sample.mask] for sample in samples])
    assert list(found.index) == ["nut", "ring"]
    assert found["false alarms"]["ring"] == pytest.approx(float((normal > at).float().mean()), abs=1e-6)
    assert found["found"]["ring"] == pytest.approx(float((damaged > at).float().mean()), abs=1e-6)


def test_rates_of_runs_are_averaged_and_paired_by_category():
    tables = [
        pd.DataFrame({"category": ["a", "b"], "false alarms": own, "found": [0.5, 0.7]})
        for own in ([0.1, 0.3], [0.3, 0.3])
    ]
    both, first = study.mean_rates(tables), study.mean_rates(tables[:1])
    assert both["false alarms"].values[0] == pytest.approx(0.25) and first["found"].values[0] == pytest.approx(0.6)
    assert (both["false alarms"] - first["false alarms"]).difference().gap == pytest.approx(0.05)
    assert list(both["false alarms"].runs) == [2] and first["false alarms"].runs == {}
