"""Digests of sources on a toy package: what changes one, what does not, and which definitions count."""

from pathlib import Path

import pytest
from toy_package import FILES, digest, edit, subject, write

from zsas_lib.base import sources
from zsas_lib.base.sources import source_definitions, source_digest


@pytest.fixture
def package(tmp_path) -> Path:
    return write(tmp_path / "book", FILES)


@pytest.mark.parametrize(
    "name, file, old, new",
    [
        ("top.public", "top.py", "+ later(x)", "- later(x)"),
        ("top.public", "top.py", "int = 3", "int = 4"),
        ("top.public", "top.py", "at most {most}", "at most {most + 1}"),
        ("top.public", "top.py", "x > most", "x >= most"),
        ("top.public", "top.py", "sin as wave", "cos as wave"),
        ("top.public", "top.py", "helper, other", "other as helper, other"),
        ("top.public", "inner.py", "STEP = 2", "STEP = 3"),
        ("top.public", "tools.py", "-x", "x"),
        ("top.public", "lazy.py", "x + 1", "x + 2"),
        ("top.public", "groups/parts.py", "return 1", "return 3"),
        ("top.public", "groups/__init__.py", "one", "two"),
        ("top.aside", "inner.py", "STEP = 5", "STEP = 6"),
        ("top.Child", "top.py", "value() + 1", "value() + 2"),
        ("top.Child", "top.py", "Child(Parent)", "Child(Parent, dict)"),
        ("top.Child", "inner.py", "odd(n - 1)", "odd(n - 3)"),
        ("top.Child", "inner.py", "n != 0", "n != 1"),
        ("inner.kept", "inner.py", "cache", "lru_cache"),
        ("inner.kept", "inner.py", "x * STEP", "x / STEP"),
        ("whole.by_name", "tools.py", "return x", "return 2 * x"),
        ("absolute.f", "inner.py", "STEP = 2", "STEP = 3"),
        ("absolute.f", "__init__.pyi", "public as public", "aside as public"),
        ("absolute.g", "tools.py", "-x", "x"),
        ("absolute.h", "tools.py", "return x", "return 2 * x"),
        ("star.f", "tools.py", "-x", "x"),
        ("registry.ask", "registry.py", "return 7", "return 8"),
        ("entering.asking", "entering.py", "return 9", "return 8"),
        ("entering.asking", "entering.py", 'NAMES["apart"] = apart', 'NAMES["apart"] = mist'),
        ("entering.also", "entering.py", "return 9", "return 8"),
        ("settings.f", "settings.py", "raise", "ignore"),
        ("effects.look", "effects.py", "range(3)", "range(4)"),
        ("effects_user.f", "effects.py", "range(3)", "range(4)"),
        ("effects_user.f", "lazy.py", "x + 1", "x + 2"),
        ("fallback.f", "tools.py", "-x", "x"),
        ("fallback.f", "fallback.py", "fast import", "faster import"),
        ("scopes.leaves", "tools.py", "-x", "x"),
        ("scopes.nested", "tools.py", "-x", "x"),
        ("scopes.first", "tools.py", "return x", "return 2 * x"),
        ("tables.read", "data/groups.csv", "1,2", "1,3"),
        ("tables.read_all", "data/groups.csv", "1,2", "1,3"),
        ("models.load", "models/plain.py", "return 1", "return 2"),
        ("raiser.f", "raiser.py", "raise Trouble", "return Trouble"),
        ("raiser.f", "raiser.py", "import Trouble", "import Bother as Trouble"),
    ],
)
def test_what_a_definition_uses_changes_its_digest(package, name, file, old, new):
    before = digest(package, name)
    edit(package, file, old, new)
    assert digest(package, name) != before


@pytest.mark.parametrize(
    "name, file, old, new",
    [
        ("top.public", "top.py", "Expected at most {most}, got {x}.", "At most {most:g}, not {x!r}!"),
        ("top.public", "top.py", "Expected something.", "Nothing."),
        ("top.public", "top.py", "Slow: {x}", "{x} is slow"),
        ("top.public", "top.py", "    from .lazy", '    """Says what."""\n    # and why\n    from .lazy'),
        ("top.public", "top.py", "(x, most=LIMIT)", "(\n    x,\n    most=LIMIT,\n)"),
        ("top.public", "top.py", "import math\n", ""),
        ("top.public", "top.py", "def aside():\n    return other(LIMITS)\n", ""),
        ("top.public", "top.py", "(1, LIMIT)", "(2, LIMIT)"),
        ("top.public", "inner.py", "# half a comment\n", "# a whole one\n"),
        ("top.public", "inner.py", "STEP = 5", "STEP = 6"),
        ("top.public", "tools.py", "return x", "return 2 * x"),
        ("top.public", "groups/parts.py", "return 2", "return 3"),
        ("top.public", "errors_of_its_own.py", "pass", "wrong = 1"),
        ("top.aside", "lazy.py", "x + 1", "x + 2"),
        ("top.Child", "lazy.py", "x + 1", "x + 2"),
        ("entering.apart", "entering.py", "return 9", "return 8"),
        ("entering.apart", "tables_of_names.py", "= function", "= name"),
        ("registry.known", "registry.py", "return NAMES[name]", "return NAMES"),
        ("scopes.shadowed", "tools.py", "-x", "x"),
        ("scopes.local", "tools.py", "return x", "return 2 * x"),
        ("effects.look", "tools.py", "-x", "x"),
        ("tables.read", "data/other.csv", "a,b", "a,c"),
        ("tables.read", "tables.py", "'data'", '"data"'),
        ("raiser.f", "base/errors.py", "pass", "sorry = True"),
        ("raiser.f", "raiser.py", "'Expected' ' nothing.'", "f'Nothing, please.'"),
    ],
)
def test_what_it_does_not_use_and_what_decides_no_result_does_not(package, name, file, old, new):
    before = digest(package, name)
    edit(package, file, old, new)
    assert digest(package, name) == before


def test_where_a_definition_lies_is_no_matter(package):
    names = ("top.public", "top.Child", "registry.ask")
    before = [digest(package, name) for name in names]
    (package / "inner.py").rename(package / "innermost.py")
    edit(package, "top.py", ".inner import", ".innermost import")
    (package / "tools.py").rename(package / "groups" / "turns.py")
    edit(package, "top.py", "from . import tools", "from .groups import turns as tools")
    edit(package, "innermost.py", "STEP = 2\n", "")
    write(package, {"steps.py": "STEP = 2\n"})
    edit(package, "innermost.py", "OTHER_STEP = 5", "from .steps import STEP\nOTHER_STEP = 5")
    (package / "lazy.py").unlink()
    edit(package, "top.py", "    from .lazy import later\n", "")
    edit(package, "top.py", "LIMIT: int = 3\n", "")
    with (package / "top.py").open("a") as file:
        file.write("\n\ndef later(x):\n    return x + 1\n\nLIMIT: int = 3\n")
    assert [digest(package, name) for name in names] == before


def test_the_place_of_the_package_and_the_way_a_name_is_imported_are_no_matter(package, tmp_path):
    before = digest(package, "top.public")
    (tmp_path / "elsewhere").mkdir()
    package = package.rename(tmp_path / "elsewhere" / "book")
    assert digest(package, "top.public") == before
    edit(package, "top.py", "from torch import sin as wave\n", "import torch as t\n")
    edit(package, "top.py", "wave(x)", "t.sin(x)")
    edit(package, "top.py", "from . import tools\n", "from .tools import turned\n")
    edit(package, "top.py", "tools.turned(x)", "turned(x)")
    assert digest(package, "top.public") == before


def test_two_definitions_that_change_places_are_another_source(package):
    """The same definitions are used by the same ones; only who uses which differs."""
    write(package, {"pair.py": "from .tools import turned, unused\n\ndef f(x):\n    return turned(unused(x))\n"})
    before = digest(package, "pair.f")
    edit(package, "pair.py", "import turned, unused", "import unused as turned, turned as unused")
    assert digest(package, "pair.f") != before


def test_an_unchanged_module_is_followed_anew_where_its_names_come_to_stand_for_something_else(package):
    write(package, {"user.py": "from .names import *\n\ndef f(x):\n    return len(x)\n", "names.py": ""})
    builtin, found = digest(package, "user.f"), []
    for number in (1, 2, 1):
        write(package, {"names.py": f"def len(x):\n    return {number}\n"})
        found.append(digest(package, "user.f"))
    assert len({builtin, *found}) == 3 and found[0] == found[2]
    write(package, {"names.py": ""})
    assert digest(package, "user.f") == builtin


def test_which_definition_is_asked_for_matters_and_so_does_the_order(package):
    digests = {
        digest(package, *names)
        for names in (["inner.even"], ["inner.odd"], ["inner.odd", "inner.even"], ["inner.even", "inner.odd"])
    }
    assert len(digests) == 4


@pytest.mark.parametrize(
    "name, expected",
    [
        ("inner.even", "inner:even inner:odd"),
        ("inner.kept", "inner:STEP inner:helper inner:kept"),
        ("scopes.leaves", "scopes:leaves tools:turned"),
        ("scopes.shadowed", "scopes:shadowed"),
        ("effects_user.f", "effects:*0 effects:TABLE effects:look effects_user:f lazy:later"),
        ("whole.by_name", "tools:turned tools:unused whole:by_name"),
        ("groups.grouped", "groups.parts:one"),
        ("tables.read", "tables:FILE tables:read"),
        ("raiser.f", "raiser:f"),
        ("dynamic.load", None),
    ],
)
def test_the_definitions_that_count_are_listed(package, name, expected):
    found = [line.removeprefix("book.") for line in source_definitions(subject(name), package=package)]
    if expected is None:
        assert {"models.plain:run", "tools:turned", "top:public", "dynamic:load"} <= set(found)
    else:
        assert found == expected.split()


def test_a_module_counts_whole(package):
    found = source_definitions("book.inner", package=package)
    names = ["Base", "OTHER_STEP", "STEP", "even", "helper", "kept", "odd", "other"]
    assert found == ["book.errors_of_its_own:Wrong", *(f"book.inner:{name}" for name in names)]
    assert source_digest("book.groups", package=package) == digest(package, "groups.parts.one")


def test_a_module_that_is_not_there_is_refused(package):
    with pytest.raises(ValueError, match="book has no module book.nowhere"):
        source_digest("book.nowhere", package=package)


def test_a_module_outside_counts_whole_with_what_it_uses_of_the_package(tmp_path, package, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "users_file.py").write_text(
        "import math\n\n\ndef use():\n    from book.tools import turned\n    return turned(1)\n\n\n"
        "def apart():\n    return 1\n"
    )
    import users_file

    found = source_definitions(users_file.apart, package=package)
    assert found == ["book.tools:turned", "users_file:apart", "users_file:use"]
    apart, use = (source_digest(f, package=package) for f in (users_file.apart, users_file.use))
    assert apart != use
    edit(package, "tools.py", "return x", "return 2 * x")
    assert source_digest(users_file.apart, package=package) == apart
    edit(package, "tools.py", "-x", "x")
    assert source_digest(users_file.apart, package=package) != apart


@pytest.mark.parametrize("module", ["cells_of_a_notebook", "math"])
def test_a_module_without_a_source_file_is_refused(module):
    cell = eval("lambda: 0", {"__name__": module})
    with pytest.raises(ValueError, match=f"'{module}', which has no source file; put it into a module"):
        source_digest(cell)


def test_sources_are_read_again_where_one_has_changed_and_else_not(package, monkeypatch):
    monkeypatch.setattr(sources, "CLOCK_GRAIN_NS", -1)  # none is too young
    before = digest(package, "top.public")
    monkeypatch.setattr(sources, "_read", lambda *_: pytest.fail("read again"))
    assert digest(package, "top.public") == before
    monkeypatch.undo()
    monkeypatch.setattr(sources, "CLOCK_GRAIN_NS", -1)
    edit(package, "inner.py", "STEP = 2", "STEP = 3")  # of the same size
    assert digest(package, "top.public") != before
    edit(package, "inner.py", "STEP = 3", "STEP = 2")
    assert digest(package, "top.public") == before
