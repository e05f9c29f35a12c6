"""What plain papermill makes of parameters, and what the parameters cell makes of that."""

import pytest
from papermill.cli import _resolve_type

from zsas_book.project.given import settle
from zsas_book.project.parameters import ParameterError
from zsas_lib.base.errors import UnknownNameError

CELL = """\
category: str = "ring"  # of which (a category)
categories: list[str] = None  # which (a category)
values: list[float] = [0.0]  # angles (-90 to 90)
steps: int = 3
augment: bool = False"""


def settled(injected: str = "", **given) -> dict:
    names = {"category": "ring", "categories": None, "values": [0.0], "steps": 3, "augment": False, **given}
    names["In"] = ["", "%pip install x", CELL, *([injected] if injected else []), "settle(globals())"]
    settle(names)
    return names


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("categories", "ring", ["ring"]),
        ("categories", "ring, nut", ["ring", "nut"]),
        ("categories", "None", None),
        ("values", "45", [45.0]),
        ("values", "0, 45", [0.0, 45.0]),
        ("steps", "7", 7),
        ("augment", "True", True),
    ],
)
def test_the_declared_types_decide(name, text, value):
    found = settled(**{name: _resolve_type(text)})[name]
    assert found == value and type(found) is type(value)


def test_lists_of_numbers_are_numbers_of_their_type():
    found = settled(values=[-45, 0, "1e1"])["values"]
    assert found == [-45.0, 0.0, 10.0] and all(type(value) is float for value in found)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"category": 1}, r"'category' takes str, a category; got 1 \(int\).*with papermill: -r category 01\."),
        ({"categories": 2}, r"""'categories' takes .*; got 2 \(int\).*papermill: -y '{categories: \["01"\]}'\."""),
        ({"categories": [1, 2]}, r"got \[1, 2\] \(list\).*A name that looks like a number is text in quotes, '01'"),
        ({"values": [0, 91]}, r"'values' takes list\[float\] from -90 to 90; got \[0, 91\]"),
        ({"steps": 2.5}, r"'steps' takes int; got 2.5 \(float\)\. Its default is 3\.$"),
    ],
)
def test_what_has_lost_its_letters_or_is_not_allowed_is_one_sentence(given, message):
    with pytest.raises(ParameterError, match=message):
        settled(**given)


def test_a_misspelt_parameter_is_refused():
    assert settled("# Parameters\nsteps = 7\n", steps=7)["steps"] == 7
    with pytest.raises(UnknownNameError, match="Unknown parameter 'stepz'.*Did you mean 'steps'"):
        settled("# Parameters\nstepz = 7\n")


def test_without_a_cell_of_parameters_nothing_is_done():
    names = {"In": ["", "x = 1", "a: int", "import os"]}
    settle(names)
    assert list(names) == ["In"]
