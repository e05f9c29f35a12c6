import pytest

from zsas_lib.base.errors import OptionError
from zsas_lib.base.options import listed, number, several, switch, whole_number


def test_numbers_that_can_be_are_given_back():
    assert whole_number("fit", "epochs", 3, 1) == 3 and whole_number("fit", "seed", 0, 0, 0) == 0
    assert number("fit", "zoom", 1, 0, 1) == 1 and number("fit", "rate", 1e-9, 0, above=True) == 1e-9


@pytest.mark.parametrize("value", [0, 6, 2.0, True, None, "3", float("nan")])
def test_whole_numbers_that_cannot_be(value):
    with pytest.raises(OptionError, match=r"fit got epochs=.*; expected a whole number in 1..5\."):
        whole_number("fit", "epochs", value, 1, 5)


@pytest.mark.parametrize("value", [0, -1.0, 2, float("nan"), float("inf"), True, None, "1", 1j])
def test_numbers_that_cannot_be(value):
    with pytest.raises(OptionError, match=r"fit got rate=.*; expected a rate above 0 and at most 1\."):
        number("fit", "rate", value, 0, 1, above=True, expected="a rate")


def test_the_range_is_told():
    with pytest.raises(OptionError, match="a number of at least 0"):
        number("model", "smoothing", -1, 0)
    with pytest.raises(OptionError, match="a number above 0"):
        number("model", "temperature", 0, 0, above=True)
    with pytest.raises(OptionError, match="a whole number of at least 1"):
        whole_number("model", "tokens", 0, 1)


@pytest.mark.parametrize("value", [1, 0, "no", None, 0.5, []])
def test_switches_that_cannot_be(value):
    assert switch("model", "relu", True) and not switch("model", "relu", False)
    with pytest.raises(OptionError, match=r"model got relu=.*; expected True or False\."):
        switch("model", "relu", value)


@pytest.mark.parametrize("value", ["wood", 3, None, {"wood": 1}, ["wood", 3], {"wood"}])
def test_lists_that_cannot_be(value):
    assert several("model", "textures", ("wood", "tile"), str, "class names") == ["wood", "tile"]
    with pytest.raises(OptionError, match=r"model got textures=.*; expected a list of class names\."):
        several("model", "textures", value, str, "class names")


def test_one_name_is_no_list_of_its_letters():
    assert listed("hue") == ["hue"] and listed(("hue", "rotation")) == ["hue", "rotation"] and listed([]) == []
