"""Which parameters of a test `make test FAST=1` runs."""

from types import SimpleNamespace

import pytest
from quick import mark_slow_parameters
from small_towers import TOWERS


class Item:
    """A collected test with one parameter, as far as marks go."""

    def __init__(self, test, value, *marks):
        self.nodeid, self.callspec = f"{test}[{value}]", SimpleNamespace(params={"kind": value})
        self.marks = {mark.name: mark for mark in marks}

    def get_closest_marker(self, name):
        return self.marks.get(name)

    def add_marker(self, name):
        self.marks[name] = getattr(pytest.mark, name).mark


def quick(values, *marks):
    items = [Item("test_a", value, *(mark.mark for mark in marks)) for value in values]
    alone = Item("test_b", "alone")
    mark_slow_parameters([*items, alone])
    assert "slow" not in alone.marks
    return [item.callspec.params["kind"] for item in items if "slow" not in item.marks]


def test_a_few_parameters_that_lie_evenly_apart_are_quick():
    assert quick(range(3)) == [0, 1, 2] and quick(range(4)) == [0, 1, 2, 3]
    assert quick(range(5)) == [0, 2, 4] and quick(range(16)) == [0, 4, 8, 12] and len(quick(range(1000))) == 4


def test_marks_say_more():
    of_device = getattr(pytest.mark, "gpu")  # by its name: no test here is for one (test_gpu_check.py)
    assert quick(range(5), pytest.mark.slow_after(1)) == [0]
    assert quick(range(5), pytest.mark.every_parameter) == [0, 1, 2, 3, 4]
    assert quick(range(5), of_device) == [0, 1, 2, 3, 4] and quick(range(5), pytest.mark.slow) == []
    assert quick(range(5), pytest.mark.kernel) == [0, 1, 2, 3, 4], "long ones have marks of their own"


def test_no_wide_tower_is_quick():
    assert quick(["vitamin", "siglip", "fastvit", "resnet"]) == ["siglip", "resnet"] and quick(["vitamin"]) == []
    assert {"vitamin", "fastvit", "mobileclip-b"} < set(TOWERS)
