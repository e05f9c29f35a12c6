"""What other processes found of the package's sources, and where it must be found anew."""

import sys
from pathlib import Path

import pytest

from zsas_lib.base import graph, sources, surroundings
from zsas_lib.base import remembered as kept
from zsas_lib.base.graph import Graph
from zsas_lib.base.remembered import keep, recalled
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.models.trivial import CentreDistance
from zsas_lib.models.winclip import WinCLIP


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """Where it is kept: nothing, as in a new checkout."""
    monkeypatch.setattr(kept, "cache_from_source", lambda file: f"{tmp_path}/compiled/remembered.cpython.pyc")
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return tmp_path / "compiled"


def test_what_several_keep_of_one_state_is_kept_together(folder):
    keep("a", {"digests": {1: "one"}, "texts": {}})
    keep("a", {"digests": {2: "two"}, "texts": {3: "three"}})
    assert recalled("a") == {"digests": {1: "one", 2: "two"}, "texts": {3: "three"}}
    assert recalled("b") == {} and len(list(folder.iterdir())) == 1


def test_other_code_that_follows_sources_finds_nothing(monkeypatch):
    keep("a", {"digests": {1: "one"}})
    monkeypatch.setattr(kept, "_following", lambda: "another")
    assert recalled("a") == {}


@pytest.mark.parametrize(
    "change", [lambda c: b"", lambda c: c[:-1], lambda c: c[:40] + b"0" + c[41:], lambda c: c[32:]]
)
def test_a_file_that_is_damaged_tells_nothing(folder, change):
    keep("a", {"digests": {1: "one"}})
    (file,) = folder.iterdir()
    file.write_bytes(change(file.read_bytes()))
    assert recalled("a") == {}


def test_nothing_is_kept_where_python_keeps_nothing_compiled(folder, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    keep("a", {"digests": {1: "one"}})
    assert recalled("a") == {} and not folder.exists()


def test_a_place_that_cannot_be_written_is_no_matter(folder):
    folder.touch()
    keep("a", {"digests": {1: "one"}})
    assert recalled("a") == {}


def test_of_many_states_the_last_ones_are_kept(folder):
    for number in range(kept.KEPT_STATES + 3):
        keep(f"{number:02}", {"digests": {1: "one"}})
    assert len(list(folder.iterdir())) == kept.KEPT_STATES


def as_in_another_process() -> None:
    sources._digest.cache_clear()
    sources._graph.cache_clear()


@pytest.mark.slow
def test_another_process_need_not_follow_the_sources_and_finds_the_same(monkeypatch):
    alone = Graph(sources._contents(sources.PACKAGE, []))
    places = [tuple(sources._located(each, sources.PACKAGE) for each in asked) for asked in ([evaluate], [WinCLIP])]
    expected = [alone.digest(each) for each in places]
    as_in_another_process()
    assert sources.source_digest(evaluate) == expected[0]
    as_in_another_process()
    assert sources.source_digest(WinCLIP) == expected[1], "with what was found for the other"
    as_in_another_process()
    monkeypatch.setattr(Graph, "loaded", lambda *_: pytest.fail("a module was read again"))
    assert [sources.source_digest(evaluate), sources.source_digest(WinCLIP)] == expected


@pytest.mark.slow
def test_another_process_reads_no_module_for_what_it_imports_alone(monkeypatch):
    as_in_another_process()
    sources.source_digest(WinCLIP)
    as_in_another_process()
    read, parse = set(), graph.parsed
    monkeypatch.setattr(graph, "parsed", lambda name, *rest: (read.add(name), parse(name, *rest))[1])
    sources.source_digest(CentreDistance)
    assert CentreDistance.__module__ in read
    assert not [name for name in read if name.startswith("zsas_lib.backbones")], "which its module's imports import"


def test_what_is_kept_is_nothing_that_a_result_depends_on(monkeypatch):
    beside = Path(sources.__file__).parent / "__pycache__"
    beside.mkdir(exist_ok=True)
    file, data = beside / f"a{kept.SUFFIX}", Path(sources.__file__).parents[1] / "data/tables/official_counts.csv"
    file.touch()
    monkeypatch.setattr(surroundings, "opened", {file, data})
    files = surroundings.library_files()
    file.unlink()
    assert "zsas_lib/data/tables/official_counts.csv" in files
    assert not [name for name in files if name.endswith(kept.SUFFIX)]
