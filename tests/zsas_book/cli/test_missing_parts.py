"""Where the book's packages are not installed, one sentence says what to install."""

import json
import sys

import pytest
from mini_project import REPOSITORY, run_in

from zsas_book.parts import MissingPartError, require

BLOCKED = """
import sys
from importlib.abc import MetaPathFinder

class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
{code}
"""
EXTRA = (
    *("jsonschema", "nbformat", "nbclient", "papermill", "ipykernel", "yaml", "matplotlib", "seaborn", "typer"),
    *("jupytext", "jupyter_book", "snakemake", "sphinx", "docutils"),
)
COMMANDS = (["run", "uniform_sweep"], ["status"], ["plan"], ["fork", "x", "--as", "y", "--backbone", "z"])


def without(names: tuple[str, ...], code: str):
    """Run code in a process in which packages cannot be imported."""
    return run_in(REPOSITORY, "-c", BLOCKED.format(names=names, code=code))


SAID = """
import contextlib, io, json
from zsas_book.cli import main

said = []
for command in {commands!r}:
    with contextlib.redirect_stderr(io.StringIO()) as error, contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            main(command)
            status = 0
        except SystemExit as end:
            status = end.code
    said.append([status, error.getvalue(), printed.getvalue()])
print(json.dumps(said))
"""


@pytest.mark.kernel
@pytest.mark.parametrize("names", [("papermill",), ("nbformat", "yaml"), ("typer",), EXTRA])
def test_without_the_books_packages_one_sentence_says_what_to_install(names):
    outcome = without(names, SAID.format(commands=COMMANDS))
    assert (outcome.returncode, outcome.stderr) == (0, "")
    for command, (status, said, printed) in zip(COMMANDS, json.loads(outcome.stdout), strict=True):
        assert (status, printed) == (2, ""), command
        assert said.startswith("zsas: The book needs ")
        assert said.endswith(' not installed here: pip install "zsas-lib[book]"\n')
        assert said.count("\n") == 1


NEEDED = {
    "zsas_book.project.chapters": "jsonschema, nbformat, yaml",
    "zsas_book.figures": "matplotlib, seaborn",
    "zsas_book.cli.commands": "typer",
    "zsas_book.site.chromium": "jupyter_book, jupytext, nbformat, sphinx, yaml",
    "zsas_book.pages.compute": "ipykernel, nbclient, nbformat, papermill",
}


@pytest.mark.kernel
@pytest.mark.parametrize("module", NEEDED)
def test_without_the_books_packages_python_users_read_the_same(module):
    outcome = without(EXTRA, f"import {module}")
    assert outcome.returncode == 1
    assert outcome.stderr.splitlines()[-1] == (
        f"zsas_book.parts.MissingPartError: The book needs {NEEDED[module]}, which "
        f'{"are" if "," in NEEDED[module] else "is"} not installed here: pip install "zsas-lib[book]"'
    )


@pytest.mark.kernel
def test_without_the_books_packages_the_rest_works():
    outcome = without(EXTRA, "from zsas_book import record; print(sorted(record().facts))")
    assert outcome.returncode == 0 and "commit" in outcome.stdout, outcome.stderr
    tools = tuple(name for name in EXTRA if name != "typer")
    outcome = without(tools, SAID.format(commands=[["data", "check", "mvtec", "no_such_folder"], ["doctor"]]))
    (status, said, _), (found, _, printed) = json.loads(outcome.stdout)
    assert status == 2 and "No folder no_such_folder" in said
    assert found == 1
    assert "book tools  amiss: The book needs jupyter_book, papermill, jupytext, snakemake, which are" in printed
    assert "project     amiss: The book needs jsonschema, nbformat, yaml, which are not installed" in printed


def test_what_is_there_is_not_missed(monkeypatch):
    require("json", "papermill")
    monkeypatch.setitem(sys.modules, "papermill", None)
    with pytest.raises(MissingPartError, match="needs papermill, which is not installed here") as raised:
        require("json", "papermill")
    assert raised.value.name == "papermill"
