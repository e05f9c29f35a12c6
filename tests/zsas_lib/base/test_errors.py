"""Errors that name what was expected, what came, and what to do."""

from zsas_lib.base.errors import UnknownNameError, meant


def test_the_closest_name_is_the_one_meant_and_none_where_none_is_close():
    assert meant("embeded", ["embedded", "vit-l-14"]) == " Did you mean 'embedded'?"
    assert meant("xyz", ["embedded"]) == meant("x", []) == ""
    error = UnknownNameError("backbone", "embeded", ["vit-l-14", "embedded"], "Or give a pair.")
    assert str(error) == (
        "Unknown backbone 'embeded'; known: embedded, vit-l-14. Did you mean 'embedded'? Or give a pair."
    )


def test_where_nothing_is_known_that_is_said():
    assert str(UnknownNameError("shard of sweep", "x", [])) == "Unknown shard of sweep 'x'; known: none."
