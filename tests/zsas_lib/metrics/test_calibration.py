"""Calibration against torchmetrics, netcal, scikit-learn and cases worked out by hand.

netcal brings pyro, gpytorch and tensorboard and is in no environment of the project: its numbers stand here as netcal
1.4.0 gave them for the same probabilities. Its bins are closed below and open above, ours the other way round, so that
it was given 1 less the binary probabilities and the opposite labels, of which the error is the same.
"""

import itertools

import numpy as np
import pytest
import torch
from sklearn.calibration import _sigmoid_calibration, calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from zsas_lib.metrics import calibration

RNG = np.random.default_rng(3)
SCORES = RNG.normal(0.4, 1.5, 400)
LABELS = RNG.random(400) < 1 / (1 + np.exp(-(0.5 * SCORES - 0.3)))
BELIEVED = 1 / (1 + np.exp(-SCORES))
CLASSES = RNG.integers(0, 5, 300)
LOGITS = RNG.normal(0, 2, (300, 5)) + 2 * np.eye(5)[CLASSES]
SHARES = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
KINDS = {"equal width": "uniform", "equal mass": "quantile"}
BEGUN = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def begun_anew():
    """What a test draws depends on no test before it."""
    RNG.bit_generator.state = BEGUN


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_the_positive_class_error_is_torchmetrics_of_binary(bins):
    theirs = binary_calibration_error(torch.tensor(BELIEVED), torch.tensor(LABELS).long(), n_bins=bins)
    assert calibration.calibration_error(BELIEVED, LABELS, bins=bins) == pytest.approx(float(theirs), abs=1e-9)


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_the_top_label_error_is_torchmetrics_of_several_classes(bins):
    theirs = multiclass_calibration_error(torch.tensor(SHARES), torch.tensor(CLASSES), 5, n_bins=bins)
    assert calibration.calibration_error(SHARES, CLASSES, bins=bins) == pytest.approx(
        float(theirs), abs=1e-6
    )  # theirs is float32


@pytest.mark.parametrize(
    ("bins", "kind", "binary", "several"),
    [
        (1, "equal width", 0.052533351219523294, 0.15926229979273565),
        (1, "equal mass", 0.052533351219523294, 0.15926229979273565),
        (10, "equal width", 0.10780000681733148, 0.1673135999451258),
        (10, "equal mass", 0.10834995592500106, 0.16220125677301553),
        (15, "equal width", 0.10858092235146435, 0.1646591548137469),
        (15, "equal mass", 0.10791585743182858, 0.17121886119545332),
    ],
)
def test_both_errors_are_netcals_in_both_kinds_of_bins(bins, kind, binary, several):
    """`ECE(bins, equal_intervals=...).measure`."""
    assert calibration.calibration_error(BELIEVED, LABELS, bins=bins, kind=kind) == pytest.approx(binary, abs=1e-12)
    assert calibration.calibration_error(SHARES, CLASSES, bins=bins, kind=kind) == pytest.approx(several, abs=1e-12)


def test_temperatures_are_netcals():
    """One over `TemperatureScaling().fit(...).temperature`, which holds what logits are multiplied by."""
    assert calibration.fitted_temperature(SCORES, LABELS) == pytest.approx(1.99160151, rel=1e-4)
    assert calibration.fitted_temperature(LOGITS, CLASSES) == pytest.approx(1.94633323, rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_bins_are_those_of_scikit_learn_ties_included(kind):
    values = np.round(BELIEVED, 1)  # on the ends of ten bins
    share, probability = calibration_curve(LABELS, values, n_bins=10, strategy=KINDS[kind])
    table = calibration.reliability(values, LABELS, bins=10, kind=kind)
    np.testing.assert_allclose(table[["share", "probability"]], np.stack([share, probability], 1), atol=1e-12)
    assert (
        table["images"].sum() == 400
        and ((table["low"] <= table["probability"]) & (table["high"] + 1e-12 >= table["probability"])).all()
    )


def test_an_error_worked_out_by_hand_of_both_definitions():
    # two classes, always 0.9 sure, right 8 times of 10: 3 of 5 that are called anomalous are, none of the others
    of_damage = np.array([0.9] * 5 + [0.1] * 5)
    labels = np.array([True] * 3 + [False] * 7)
    both = np.stack([1 - of_damage, of_damage], 1)
    assert calibration.calibration_error(of_damage, labels) == pytest.approx(0.5 * 0.3 + 0.5 * 0.1)
    assert calibration.calibration_error(both, labels.astype(int)) == pytest.approx(0.1)
    equal = calibration.reliability(of_damage, labels, bins=15, kind="equal mass")
    assert equal["images"].tolist() == [5, 5] and equal["share"].tolist() == [0.0, 0.6]


def test_proper_scores_are_those_of_scikit_learn():
    assert calibration.negative_log_likelihood(BELIEVED, LABELS) == pytest.approx(log_loss(LABELS, BELIEVED))
    assert calibration.negative_log_likelihood(SHARES, CLASSES) == pytest.approx(log_loss(CLASSES, SHARES))
    assert calibration.brier_score(BELIEVED, LABELS) == pytest.approx(brier_score_loss(LABELS, BELIEVED))
    assert calibration.brier_score(SHARES, CLASSES) == pytest.approx(
        brier_score_loss(CLASSES, SHARES, scale_by_half=False)
    )
    certain = calibration.negative_log_likelihood(np.array([1.0, 0.0]), np.array([False, True]))
    assert certain == pytest.approx(-np.log(calibration.SMALLEST))


def test_a_temperature_is_the_slope_of_a_regression_without_intercept():
    known = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-9).fit(SCORES[:, None], LABELS)
    assert 1 / calibration.fitted_temperature(SCORES, LABELS) == pytest.approx(known.coef_.item(), rel=1e-4)
    drawn = RNG.normal(0, 3, (20000, 4))
    classes = (drawn / 2.5 + RNG.gumbel(size=drawn.shape)).argmax(1)
    assert calibration.fitted_temperature(torch.tensor(drawn), torch.tensor(classes)) == pytest.approx(2.5, rel=0.03)
    low, high = calibration.TEMPERATURES
    assert calibration.fitted_temperature(np.array([1.0, -1.0]), np.array([True, False])) == pytest.approx(
        low, rel=1e-3
    )
    assert calibration.fitted_temperature(np.array([1.0, -1.0]), np.array([False, True])) == pytest.approx(
        high, rel=1e-3
    )


@pytest.mark.parametrize("size", [0.1, 1.0, 30.0, 1000.0])
def test_what_is_never_wrong_has_the_lowest_temperature_however_large_its_scores_are(size):
    """Where the loss is 0 in float64 over a whole range of temperatures, too."""
    low, high = calibration.TEMPERATURES
    right = size * np.eye(3)[[0, 1, 2, 0]]
    assert calibration.fitted_temperature(right, np.array([0, 1, 2, 0])) == low
    assert calibration.fitted_temperature(right, np.array([1, 2, 0, 1])) == high
    labels = np.array([True, False])
    assert calibration.fitted_temperature(np.where(labels, size, -size), labels) == low
    assert calibration.fitted_temperature(np.where(labels, -size, size), labels) == high


@pytest.mark.parametrize("scores", [SCORES, 1000 + 40 * SCORES, np.where(LABELS, 2.0, -1.0), np.zeros(400)])
def test_platt_is_that_of_scikit_learn(scores):
    slope, intercept = _sigmoid_calibration(scores, LABELS.astype(float))
    found = calibration.fitted_platt(scores, LABELS)
    theirs = 1 / (1 + np.exp(slope * scores + intercept))
    np.testing.assert_allclose(found(torch.tensor(scores)), theirs, atol=2e-4)


def test_a_shifted_prior_is_bayes_and_is_found_again_without_labels():
    means = np.where(RNG.random(40000) < 0.8, 1.0, -1.0)  # 80 % damaged; scores are normal around 1 or -1
    scores = means + RNG.normal(size=len(means))
    at_half = 1 / (1 + np.exp(-2 * scores))  # the posterior where half are damaged
    likelihoods = [np.exp(-((scores - mean) ** 2) / 2) for mean in (1, -1)]
    posterior = 0.8 * likelihoods[0] / (0.8 * likelihoods[0] + 0.2 * likelihoods[1])
    np.testing.assert_allclose(calibration.shifted_prior(at_half, 0.5, 0.8), posterior, atol=1e-6)
    assert calibration.estimated_prior(at_half, 0.5) == pytest.approx(0.8, abs=0.01)
    with pytest.raises(ValueError, match=r"in \(0, 1\), got 0.5 and 1"):
        calibration.shifted_prior(at_half, 0.5, 1.0)


def test_what_chance_alone_shows_is_what_drawn_labels_show():
    values = BELIEVED[:40]
    drawn = [calibration.calibration_error(values, RNG.random(40) < values) for _ in range(400)]
    assert calibration.chance_error(values, draws=400) == pytest.approx(np.mean(drawn), abs=0.01)
    assert calibration.chance_error(np.array([0.0, 1.0])) == 0
    assert calibration.chance_error(SHARES, kind="equal mass") < calibration.chance_error(
        SHARES[:30], kind="equal mass"
    )


@pytest.mark.parametrize("kind", calibration.KINDS)
def test_chance_is_the_error_of_all_outcomes_by_their_probability(kind):
    """Of six images, some alone in their bin and some not, all 64 outcomes."""
    values = np.array([0.03, 0.05, 0.1, 0.11, 0.5, 0.97])
    expected = 0.0
    for truth in itertools.product([False, True], repeat=6):
        chance = np.prod(np.where(truth, values, 1 - values))
        expected += chance * calibration.calibration_error(values, np.array(truth), kind=kind)
    assert calibration.chance_error(values, kind=kind, draws=40_000) == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize(
    "probabilities, truth, options, said",
    [
        ([0.5, 1.2], [True, False], {}, r"in \[0, 1\], got 1.2 in image 1"),
        ([0.5, float("nan")], [True, False], {}, "finite numbers.*image 1"),
        ([0.5], [True, False], {}, r"\(1,\) and \(2,\)"),
        ([], [], {}, "at least one image"),
        ([0.5, 0.5], [1, 0], {}, "bool labels.*int64"),
        ([[0.5, 0.5]], [2], {}, "numbers of 2 classes"),
        ([[0.5, 0.5]], [True], {}, "numbers of 2 classes"),
        ([0.5], [True], {"bins": 0}, "at least one bin, got 0"),
        ([0.5], [True], {"kind": "equal"}, "Unknown kind of bins 'equal'.*equal mass"),
    ],
)
def test_what_is_refused_says_why(unchecked_types, probabilities, truth, options, said):
    with pytest.raises(ValueError, match=said):
        calibration.calibration_error(
            np.array(probabilities), np.array(truth, dtype=type(truth[0]) if truth else bool), **options
        )


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("classes", [[0.0, 1.0, 1.0], [0, 1.5, 1]])
@pytest.mark.parametrize("function", [calibration.calibration_error, calibration.brier_score])
def test_classes_are_whole_numbers(function, classes):
    with pytest.raises(ValueError, match="Expected numbers of 2 classes, from 0, got others"):
        function(torch.full((3, 2), 0.5), torch.tensor(classes))
