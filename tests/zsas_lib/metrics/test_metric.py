"""Records of metrics: complete, true to their functions, and refused where they cannot be computed."""

import numpy as np
import pytest

import zsas_lib as zsas
from zsas_lib.metrics import METRICS, Metric, metric
from zsas_lib.metrics.image import IMAGE_METRICS
from zsas_lib.metrics.metric import register
from zsas_lib.metrics.pixel import PIXEL_METRICS

RNG = np.random.default_rng(0)
BEGUN = RNG.bit_generator.state
MASKS = np.zeros((6, 16, 16), bool)
MASKS[3:, 2:6, 4:9] = True
LABELS = MASKS.any((1, 2))
FUNCTIONS = sorted(name for name, known in METRICS.items() if known.function)


@pytest.fixture(autouse=True)
def begun_anew():
    """What a test draws depends on no test before it."""
    RNG.bit_generator.state = BEGUN


def inputs(name: str, values) -> tuple:
    """Maps and masks, or scores and labels, as the metric takes them."""
    return (values, MASKS) if METRICS[name].level == "pixel" else (values[:, 0, 0], LABELS)


def test_the_registry_names_every_metric_that_is_computed_and_every_column_that_is_averaged():
    assert zsas.list_metrics() == sorted(
        [*PIXEL_METRICS, *IMAGE_METRICS, "legacy_reach", "loss", "picture_auroc", "tnr", "tpr"]
    )
    assert zsas.METRICS is METRICS and all(name == known.name for name, known in METRICS.items())
    shown = {name for name, known in METRICS.items() if known.function and known.evaluated}
    assert shown == {*PIXEL_METRICS, *IMAGE_METRICS}
    assert len({known.label for known in METRICS.values()}) == len(METRICS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_lie_in_the_range_that_is_said(name):
    low, high = METRICS[name].low, METRICS[name].high
    for maps in (RNG.random(MASKS.shape), MASKS + RNG.random(MASKS.shape), 0.5 * RNG.random(MASKS.shape) - MASKS):
        value = METRICS[name].function(*inputs(name, maps))
        assert np.isnan(value) or low <= value <= high


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if METRICS[name].chance is not None])
def test_chance_is_what_a_constant_map_has(name):
    assert METRICS[name].function(*inputs(name, np.ones(MASKS.shape))) == pytest.approx(METRICS[name].chance)


def test_chance_that_depends_on_the_data_is_what_the_words_say():
    constant, share = np.ones(MASKS.shape), MASKS.mean()
    for name, expected in {
        "pixel_ap": share,
        "pixel_iou": share,
        "pixel_f1_max": 2 * share / (1 + share),
        "image_ap": LABELS.mean(),
        "image_f1_max": 2 * LABELS.mean() / (1 + LABELS.mean()),
    }.items():
        assert METRICS[name].function(*inputs(name, constant)) == pytest.approx(expected)
        assert METRICS[name].chance is None and METRICS[name].chance_words
    assert zsas.metrics.image_rates(np.ones(6), LABELS) == {"tpr": 1.0, "tnr": 0.0}


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if METRICS[name].evaluated])
def test_the_better_direction_is_that_of_better_maps(name):
    noise = RNG.random(MASKS.shape)
    worse, better = (METRICS[name].function(*inputs(name, noise + gain * MASKS[:, 3:4, 5:6])) for gain in (0.0, 0.4))
    assert (better > worse) == (METRICS[name].better == "higher")


def test_axes_have_the_unit():
    assert METRICS["image_auroc"].axis == "image AUROC (%)" and METRICS["loss"].axis == "loss (x 100)"
    assert Metric("own", "own", level="pixel", unit="").axis == "own"
    assert METRICS["aupro_200"].axis == "AUPRO (legacy, %)"


def test_a_name_is_taken_once_and_a_function_must_be_one_that_evaluate_can_call(monkeypatch):
    monkeypatch.setattr(metric, "_registered", dict(METRICS))
    with pytest.raises(ValueError, match="'aupro' is registered already; give the new one another name"):
        register(Metric("aupro", "AUPRO", level="pixel"))
    with pytest.raises(ValueError, match="'own'.*level 'picture'.*expected level 'pixel'.*or evaluated=False"):
        register(Metric("own", "own", level="picture", function=len))
    assert register(Metric("own", "own", level="picture", function=len, evaluated=False)).name == "own"
