"""Probabilities and thresholds that were set elsewhere: against scikit-learn, metrics of the library, and by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

import zsas_lib as zsas
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.metrics import calibration_error
from zsas_lib.metrics.image import image_f1_max, image_rates
from zsas_lib.robustness import thresholds as module

RNG = np.random.default_rng(2)
BEGUN = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def begun_anew():
    """What a test draws depends on no test before it."""
    RNG.bit_generator.state = BEGUN


def table_of(shift: float, share: float, categories: int = 4, images: int = 60, slope: float = 1.0) -> pd.DataFrame:
    """Scores whose true logit is ``slope`` x score + logit(share), from normals around 1 and -1 (x 0.5)."""
    labels = RNG.random(categories * images) < share
    logit = 2 * (np.where(labels, 1.0, -1.0) + RNG.normal(size=len(labels)))  # of equal shares
    facts = {"category": np.repeat([f"c{n}" for n in range(categories)], images), "is_anomalous": labels}
    values = 1 / (1 + np.exp(-(logit / slope + shift)))
    return pd.DataFrame(facts | {"path": [f"{n}.png" for n in range(len(labels))], "image_score": values})


@pytest.mark.slow
def test_the_scores_are_those_of_evaluate():
    pictures = zsas.load_dataset("embedded-b", categories=["ceramic_ring", "woven_sheet"], image_size=32).select(
        per_category=4
    )
    model = zsas.load_model("median-colour")
    found, table = module.image_scores(model, pictures), evaluate(model, pictures, resamples=2)
    pd.testing.assert_frame_equal(found, table.per_image[list(found)])
    assert 0 < found.image_score.max()


@pytest.mark.slow
def test_each_way_mends_what_it_is_meant_for():
    elsewhere, here = table_of(0, 0.5, images=4000, slope=4.0), table_of(0, 0.5, images=4000, slope=4.0)
    found = module.probabilities(here, elsewhere, native=True)
    assert tuple(found) == module.WAYS
    labels = here["is_anomalous"].to_numpy()
    error = {way: calibration_error(values, labels) for way, values in found.items()}
    assert error["as it is"] > 0.1 and error["temperature"] < 0.02 and error["Platt"] < 0.1
    elsewhere, here = table_of(0, 0.8, images=4000), table_of(0, 0.8, images=4000)
    found = module.probabilities(here, elsewhere, native=True)
    labels = here["is_anomalous"].to_numpy()
    error = {way: calibration_error(values, labels) for way, values in found.items()}
    assert error["prior shift"] < 0.02 < 0.08 < error["temperature"]  # a temperature cannot mend a prior
    elsewhere, here = table_of(0, 0.8, images=4000), table_of(0, 0.3, images=4000)
    found = module.probabilities(here, elsewhere, native=False)
    assert tuple(found) == module.WAYS[3:]
    errors = [calibration_error(found[way], here["is_anomalous"].to_numpy()) for way in module.WAYS[3:]]
    assert errors[1] < errors[0] / 2


@pytest.mark.slow
def test_other_categories_leave_ones_own_out():
    target = table_of(0, 0.5)
    changed = target.assign(is_anomalous=target.is_anomalous ^ (target.category == "c1"))
    for way in module.WAYS[:4]:
        one, other = (
            module.probabilities(t, t.iloc[:0], native=True, source="other categories")[way] for t in (target, changed)
        )
        own = (target.category == "c1").to_numpy()
        np.testing.assert_allclose(one[own], other[own])
        assert way == "as it is" or not np.allclose(one[~own], other[~own])
    with pytest.raises(ValueError, match="at least two categories"):
        module.probabilities(target[own], target, native=True, source="other categories")
    with pytest.raises(ValueError, match="one kind alone"):
        module.probabilities(target, target[target.is_anomalous], native=True)


@pytest.mark.slow
def test_calibration_is_paired_over_categories():
    target = table_of(0.5, 0.6)
    values = target["image_score"].to_numpy()
    one, other = module.calibration(target, values), module.calibration(target, values**2)
    labels = target["is_anomalous"].to_numpy()
    assert one["ECE"].values[0] == pytest.approx(calibration_error(values, labels))
    gap = (one["NLL"] - other["NLL"]).difference()
    assert gap.low < gap.gap < gap.high and one["Brier"].units == 4
    alone = module.calibration(target[target.category == "c0"], values[:60])
    assert len(alone["ECE"].values) == 1


def test_thresholds_are_the_best_and_the_lowest_allowed():
    scores, labels = RNG.normal(size=80).round(1), RNG.random(80) < 0.4
    at = module.best_threshold(scores, labels)
    assert f1_score(labels, scores >= at) == pytest.approx(image_f1_max(scores, labels))
    rates = image_rates(scores, labels)
    assert (scores[labels] >= at).mean() == pytest.approx(rates["tpr"]) and (
        scores[~labels] < at
    ).mean() == pytest.approx(rates["tnr"])
    distinct = np.arange(40.0)
    at = module.alarm_threshold(distinct, np.zeros(40, dtype=bool))
    assert (distinct >= at).sum() == 2 and (distinct >= np.nextafter(37.0, -np.inf)).sum() == 3
    with pytest.raises(ValueError, match="got none"):
        module.best_threshold(scores, np.zeros(80, dtype=bool))


@pytest.mark.slow
def test_what_a_threshold_gives_elsewhere_is_counted():
    target, auxiliary = table_of(0, 0.5), table_of(1.0, 0.5)
    labels, scores = target["is_anomalous"].to_numpy(), target["image_score"].to_numpy()
    for source in (*module.SOURCES, module.OWN):
        at = module.thresholds(target, auxiliary, "largest F1", source)
        found = module.behind(target, at)
        assert found["F1"].values[0] == pytest.approx(f1_score(labels, scores >= at))
        assert found["false alarms"].values[0] == pytest.approx((scores >= at)[~labels].mean())
    own = found["F1"].values[0]
    assert own == pytest.approx(image_f1_max(scores, labels))
    assert module.all_called(target)["F1"].values[0] == pytest.approx(2 * labels.mean() / (1 + labels.mean()))
    left = module.thresholds(target, auxiliary, "5 % false alarms", "other categories")
    others = target[target.category != "c2"]
    assert left[target.category == "c2"][0] == module.alarm_threshold(
        others.image_score.to_numpy(), others.is_anomalous.to_numpy()
    )


def test_the_band_is_around_the_share():
    target = table_of(0, 0.5)
    band = module.reliability_band(target, target["image_score"].to_numpy(), bins=5)
    assert len(band) == 5 and ((band.low_share <= band.share) & (band.share <= band.high_share)).all()
    assert band.images.sum() == len(target)


def test_the_band_of_few_categories_is_that_of_students_t():
    rng, covered = np.random.default_rng(0), []
    for _ in range(200):
        labels = np.concatenate([rng.random(20) < share for share in rng.beta(4, 4, 4)])
        target = pd.DataFrame({"category": np.repeat(list("abcd"), 20), "is_anomalous": labels})
        band = module.reliability_band(target, np.linspace(0.4, 0.6, 80), bins=1)
        covered.append(band.low_share[0] <= 0.5 <= band.high_share[0])
        assert 0 <= band.low_share[0] <= band.share[0] <= band.high_share[0] <= 1
    assert np.mean(covered) == pytest.approx(0.95, abs=0.04)
    alone = module.reliability_band(target[:20], np.linspace(0.4, 0.6, 20), bins=2)
    assert alone[["low_share", "high_share"]].isna().all(axis=None)


def test_a_share_of_false_alarms_counts_whole_pictures():
    sound = np.linspace(0.01, 1, 100)
    labels = np.zeros(100, dtype=bool)
    assert (sound >= module.alarm_threshold(sound, labels, 0.29)).sum() == 29  # 0.29 * 100 is 28.999...
    assert module.alarm_threshold(sound, labels, 1.0) == float("-inf")
    assert (sound >= module.alarm_threshold(sound, labels, 0.0)).sum() == 0
