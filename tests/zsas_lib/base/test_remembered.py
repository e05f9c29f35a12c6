"""Digests of the package's sources that other processes found, and where they must be found anew."""

import sys
from pathlib import Path

import pytest

from zsas_lib.base import remembered as kept
from zsas_lib.base import sources, surroundings
from zsas_lib.base.remembered import remembered
from zsas_lib.evaluation.evaluate import evaluate

ONE, OTHER = "1" * 64, "2" * 64


def never() -> str:
    raise AssertionError("the digest was known")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """Where digests are kept: nothing, as in a new checkout."""
    monkeypatch.setattr(kept, "cache_from_source", lambda file: f"{tmp_path}/compiled/remembered.cpython.pyc")
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return tmp_path / "compiled"


def test_a_digest_is_found_once_for_each_question_and_state_of_the_sources(folder):
    assert remembered("a", "what?", lambda: ONE) == remembered("a", "what?", never) == ONE
    assert remembered("a", "who?", lambda: OTHER) == remembered("a", "who?", never) == OTHER
    assert remembered("a", "what?", never) == ONE
    assert remembered("b", "what?", lambda: OTHER) == OTHER
    assert len(list(folder.iterdir())) == 2


def test_other_code_that_finds_digests_finds_them_anew(monkeypatch):
    assert remembered("a", "what?", lambda: ONE) == ONE
    monkeypatch.setattr(kept, "_following", lambda: "another")
    assert remembered("a", "what?", lambda: OTHER) == OTHER


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"0" * 200, b"1" * 64, b"what? 1\n"])
def test_a_file_that_is_damaged_tells_nothing(folder, content):
    remembered("a", "what?", lambda: ONE)
    (file,) = folder.iterdir()
    file.write_bytes(content)
    assert remembered("a", "what?", lambda: OTHER) == OTHER


def test_nothing_is_kept_where_python_keeps_nothing_compiled(folder, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert remembered("a", "what?", lambda: ONE) == ONE and not folder.exists()


def test_a_place_that_cannot_be_written_is_no_matter(folder):
    folder.touch()
    assert remembered("a", "what?", lambda: ONE) == ONE and remembered("a", "what?", lambda: OTHER) == OTHER


def test_of_many_states_the_last_ones_are_kept(folder):
    for number in range(kept.KEPT_STATES + 3):
        remembered(f"{number:02}", "what?", lambda: ONE)
    assert len(list(folder.iterdir())) == kept.KEPT_STATES


def test_another_process_need_not_follow_the_sources(monkeypatch):
    sources._own_digest.cache_clear()
    found = sources.source_digest(evaluate)
    sources._own_digest.cache_clear()
    monkeypatch.setattr(sources, "_graph", lambda contents: never())
    assert sources.source_digest(evaluate) == found
    with pytest.raises(AssertionError, match="known"):
        sources.source_digest("zsas_lib.metrics")


def test_what_is_kept_is_nothing_that_a_result_depends_on(monkeypatch):
    beside = Path(sources.__file__).parent / "__pycache__"
    beside.mkdir(exist_ok=True)
    kept_file, data = beside / "a.digests", Path(sources.__file__).parents[1] / "data/tables/official_counts.csv"
    kept_file.touch()
    monkeypatch.setattr(surroundings, "opened", {kept_file, data})
    files = surroundings.library_files()
    kept_file.unlink()
    assert "zsas_lib/data/tables/official_counts.csv" in files
    assert not [name for name in files if name.endswith(kept.SUFFIX)]
