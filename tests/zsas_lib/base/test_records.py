"""JSON that is read by a schema: what fits is taken, what does not is named."""

import json
from dataclasses import dataclass, field
from typing import NotRequired, TypedDict

import pytest

from zsas_lib.base.records import RecordError, read_record


class Inner(TypedDict):
    a: int
    b: NotRequired[str]


@dataclass
class Entry:
    name: str
    count: int
    seconds: float
    whole: bool
    inner: Inner
    words: list[str]
    sizes: dict[str, int]
    inners: list[Inner]
    anything: object
    precision: str | None = None
    more: list[str] = field(default_factory=list)


WHOLE = {
    "name": "é",
    "count": 2,
    "seconds": 1,
    "whole": True,
    "inner": {"a": 1, "other": []},
    "words": [],
    "sizes": {"x": 3},
    "inners": [{"a": 1, "b": "c"}],
    "anything": [None, {}],
}


def test_what_fits_is_read_with_defaults_and_without_what_is_not_asked_for():
    assert read_record(Entry, json.dumps(WHOLE | {"unknown": 1})) == Entry(**WHOLE)
    assert read_record(Entry, json.dumps(WHOLE | {"precision": None, "more": ["a"]}).encode()).more == ["a"]


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"name": 3}, "name"),
        ({"count": True}, "count"),
        ({"count": 2.0}, "count"),
        ({"seconds": float("nan")}, "seconds"),
        ({"seconds": float("inf")}, "seconds"),
        ({"seconds": False}, "seconds"),
        ({"whole": 1}, "whole"),
        ({"inner": []}, "inner"),
        ({"inner": {"a": "1"}}, "inner.a"),
        ({"inner": {"a": 1, "b": None}}, "inner.b"),
        ({"words": "abc"}, "words"),
        ({"words": [1]}, "words"),
        ({"sizes": {"x": "3"}}, "sizes"),
        ({"inners": [{"a": 1}, {}]}, "inners"),
        ({"precision": 32}, "precision"),
        ({"more": None}, "more"),
    ],
)
def test_an_entry_of_another_type_is_named(changed, wrong):
    with pytest.raises(RecordError, match=f"^of another type than expected: {wrong}$"):
        read_record(Entry, json.dumps(WHOLE | changed))


def test_what_is_lacking_is_named_also_deeper():
    text = json.dumps({name: value for name, value in WHOLE.items() if name != "count"} | {"inner": {}, "words": 0})
    with pytest.raises(RecordError, match=r"^it lacks count, inner\.a; of another type than expected: words$"):
        read_record(Entry, text)


@pytest.mark.parametrize("text", ["", "{", "nul", b"\xff", "[" * 100_000, '{"name": "\\ud800"}', "1" * 5000])
def test_what_is_no_json_is_called_so(text):
    with pytest.raises(RecordError, match="^it is no JSON"):
        read_record(Entry, text)


@pytest.mark.parametrize("text", ["[]", "null", "3", '"a"'])
def test_what_is_no_object_is_called_so(text):
    with pytest.raises(RecordError, match="^expected a JSON object, got "):
        read_record(Entry, text)
