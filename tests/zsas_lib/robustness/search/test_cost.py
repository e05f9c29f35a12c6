"""The cost of a study before it is run: counted exactly, timed roughly."""

import pytest
from toy import Glow, toy_dataset

from zsas_lib.base.errors import UnknownNameError
from zsas_lib.robustness.search.cost import Cost, study_cost
from zsas_lib.robustness.search.whole_sets import worst_cases


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("data"), {"bolt": 2, "nut": 1}, normal=1)


@pytest.mark.slow
@pytest.mark.parametrize("in_place", [None, 3, 9])
@pytest.mark.parametrize("search", ["grid", "random"])
def test_the_passes_counted_are_those_that_the_study_takes(data, tmp_path, search, in_place):
    options = {"search": search, "steps": 5, "restarts": 2, "combinations": [("rotation",), ("hue", "saturation")]}
    options |= {"steps_in_place": in_place}
    model = Glow()
    worst_cases(model, data, **options, store=tmp_path)
    cost = study_cost(Glow(), data, **options)
    assert (cost.passes, cost.points) == (model.seen, len(data) * (5 + min(5, in_place or 5)))
    assert cost.seconds > 0


@pytest.mark.slow
def test_a_step_of_adam_is_a_point_and_two_passes(data, tmp_path):
    options = {"search": "adam", "steps": 7, "restarts": 3, "combinations": [("rotation",)]}
    model = Glow()
    cases = worst_cases(model, data, **options, store=tmp_path)
    cost = study_cost(Glow(), data, **options)
    assert cost.points == len(data) * 6
    assert model.seen == cost.points + len(data)  # forward passes; the backward ones are not seen
    assert cost.passes == cases.passes.sum() + len(data)


@pytest.mark.parametrize(("search", "batches"), [("grid", 2), ("adam", 4)])
def test_the_calibration_takes_few_passes_and_leaves_no_gradient(data, search, batches):
    model = Glow()
    study_cost(model, data, search=search, steps=1000, batch_size=4)
    assert model.seen == 4 * batches
    assert model.gain.grad is None


def test_an_unknown_search_is_named(data):
    with pytest.raises(UnknownNameError, match="adma.*adam"):
        study_cost(Glow(), data, search="adma")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "about 1 seconds"), (90, "about 90 seconds"), (200, "about 3 minutes"), (20 * 3600, "about 20 hours")],
)
def test_durations_in_words(seconds, words):
    assert Cost(1, 1, seconds).duration == words
