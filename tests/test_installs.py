"""The science needs nothing of the book: every module of it is imported with the base dependencies alone in reach."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from mini_project import REPOSITORY
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
PROGRAM = """\
import importlib, sys

class Within:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in refused else self.finder.find_spec(name, path, target)

refused = set(sys.argv[1].split(","))
sys.meta_path[:] = map(Within, sys.meta_path)
for name in sys.argv[2:]:
    importlib.import_module(name)
print(len(sys.argv[2:]), "modules")
"""
"""Imports modules while no finder of modules finds what is refused, as where it is not installed."""


def closure(lines: list[str]) -> set[str]:
    """The distributions that these requirements bring, each with its own, on this machine."""
    waiting, found = [Requirement(line) for line in lines], set()
    while waiting:
        requirement = waiting.pop()
        key = (canonicalize_name(requirement.name), *sorted(requirement.extras))
        if key in found:
            continue
        try:
            further = metadata.requires(requirement.name) or []
        except metadata.PackageNotFoundError:
            continue  # such as what only another system needs
        found.add(key)
        for line in map(Requirement, further):
            if line.marker is None or any(
                line.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)
            ):
                waiting.append(line)
    return {name for name, *_ in found}


def out_of_reach() -> set[str]:
    """The importable packages here that installing the science alone does not bring, and the book."""
    brought = closure(PROJECT["dependencies"])
    providers = {name: {canonicalize_name(one) for one in by} for name, by in metadata.packages_distributions().items()}
    foreign = providers.keys() - {"zsas_lib"} - sys.stdlib_module_names
    return {name for name in foreign if not providers[name] & brought} | {"zsas_book"}


def modules() -> list[str]:
    paths = sorted((REPOSITORY / "zsas_lib").rglob("*.py"))
    dotted = [".".join(path.relative_to(REPOSITORY).with_suffix("").parts) for path in paths]
    return [name.removesuffix(".__init__") for name in dotted if not name.endswith("__main__")]


def import_all(names: list[str], tmp_path: Path) -> subprocess.CompletedProcess:
    arguments = [sys.executable, "-c", PROGRAM, ",".join(sorted(out_of_reach())), *names]
    return subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_book_is_out_of_reach_and_the_science_is_not():
    refused = out_of_reach()
    assert {
        "snakemake",
        "jupyter_book",
        "papermill",
        "jupytext",
        "matplotlib",
        "seaborn",
        "sphinx",
        "pytest",
    } <= refused
    assert not {"torch", "open_clip", "numpy", "pandas", "PIL", "sklearn", "skimage", "typing_extensions"} & refused


@pytest.mark.slow
def test_every_module_of_the_science_is_imported_without_the_book(tmp_path):
    names = modules()
    assert len({name.split(".")[1] for name in names if "." in name}) > 10
    outcome = import_all(names, tmp_path)
    assert (outcome.stdout, outcome.returncode) == (f"{len(names)} modules\n", 0), outcome.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["matplotlib", "zsas_book", "snakemake"])
def test_what_is_out_of_reach_cannot_be_imported(name, tmp_path):
    outcome = import_all([name], tmp_path)
    assert outcome.returncode == 1 and f"No module named '{name}'" in outcome.stderr


@pytest.mark.parametrize("name", ["snakemake", "jupyter-book", "matplotlib", "typer", "pyyaml"])
def test_what_only_the_book_needs_is_declared_there(name):
    declared = {
        kind: [re.split(r"[<>=]", line)[0] for line in lines]
        for kind, lines in PROJECT["optional-dependencies"].items()
    }
    assert name in declared["book"] and name not in [Requirement(line).name for line in PROJECT["dependencies"]]
