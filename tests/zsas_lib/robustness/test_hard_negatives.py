"""False alarms on pictures that are learned from, and what a second training makes of them."""

import numpy as np
import pytest
import torch
from toy import toy_dataset

import zsas_lib as zsas
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.models.prediction import AnomalyModel, Prediction
from zsas_lib.robustness import hard_negatives as study
from zsas_lib.robustness.thresholds import behind, thresholds


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


def test_arms_are_settings_of_a_second_training(backbone, pictures):
    plain = zsas.load_model("april-gan", backbone)
    zsas.fit(plain, pictures, epochs=1, training_batch_size=4, augment=False)
    of = {arm: study.settings_of(arm, plain, pictures, 0) for arm in study.ARMS}
    assert of[study.PLAIN] == {} and of[study.LONGER] == {"epochs": 2}
    assert of[study.HARD]["weights"] == study.weights_of(study.false_alarms(plain, pictures))
    assert sum(of[study.CHANCE]["weights"]) == sum(of[study.HARD]["weights"])
    log = zsas.fit(plain, pictures, epochs=1, training_batch_size=4, augment=False, **of[study.HARD])
    assert len(log) == 3, "as many steps"
    with pytest.raises(UnknownNameError, match="training 'harder'"):
        study.settings_of("harder", plain, pictures, 0)


def test_thresholds_come_from_the_auxiliary_pictures_of_the_same_run():
    names = ["ceramic_ring", "woven_sheet"]
    pictures = zsas.load_dataset("embedded-b", categories=names, image_size=36).select(per_category=4)
    one, other = (evaluate(zsas.load_model(n), pictures, resamples=6) for n in ("local-contrast", "median-colour"))
    found = study.alarms_behind([one, other], [other, other])
    expected = []
    for table in (one, other):
        own, known = (part.per_image.assign(image_score=part.per_image.map_top) for part in (table, other))
        expected.append(behind(own, thresholds(own, known, study.RULE, "auxiliary"))["false alarms"].values)
    assert found["false alarms"].values == pytest.approx(np.mean(expected, axis=0))
    assert list(found["false alarms"].runs) == [2] and set(found) == {"F1", "found", "false alarms"}
    assert study.alarms_behind([one], [one])["found"].runs == {}
