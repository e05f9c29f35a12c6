"""pyproject.toml, requirements.lock and environment.yml say the same, and nothing in them names a registry."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import metadata

import pytest
import yaml
from making import make
from mini_project import REPOSITORY
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
EXTRA = {name: list(map(Requirement, lines)) for name, lines in PROJECT["project"]["optional-dependencies"].items()}
BESIDE = ("hf",)
"""Extras that the book's environment does without."""
DECLARED = [
    *map(Requirement, PROJECT["project"]["dependencies"]),
    *(requirement for name, lines in EXTRA.items() if name not in BESIDE for requirement in lines),
]
LOCK = [
    Requirement(line)
    for line in (REPOSITORY / "requirements.lock").read_text().splitlines()
    if line.strip() and not line.startswith("#")
]
SYSTEMS = [
    {"sys_platform": system, "platform_machine": machine, "python_version": minor, "python_full_version": f"{minor}.9"}
    for system, machine in (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))
    for minor in ("3.11", "3.12", "3.13")
]


def locked(name: str, system: dict[str, str]) -> list[str]:
    """The versions that the lock gives a package on a system."""
    environment = {**default_environment(), **system}
    return [
        next(iter(pin.specifier)).version
        for pin in LOCK
        if canonicalize_name(pin.name) == canonicalize_name(name)
        and (pin.marker is None or pin.marker.evaluate(environment))
    ]


@pytest.mark.parametrize("requirement", DECLARED, ids=lambda requirement: requirement.name)
def test_each_declared_dependency_is_locked_once_on_each_system_at_a_version_it_allows(requirement):
    for system in SYSTEMS:
        (version,) = locked(requirement.name, system)
        assert version in requirement.specifier


def test_the_lock_pins_exactly_and_names_no_place():
    for pin in LOCK:
        assert [specifier.operator for specifier in pin.specifier] == ["=="], pin
        assert pin.url is None
    for name in ("requirements.lock", "environment.yml", "pyproject.toml", "Makefile"):
        assert not re.search(r"https?://|--index|--extra-index|--find-links", (REPOSITORY / name).read_text()), name


def test_what_is_locked_is_what_make_lock_compiles_and_no_more():
    recipe = (REPOSITORY / "Makefile").read_text().partition("\nlock:")[2].partition("\n\n")[0]
    assert set(re.findall(r"--extra (\w+)", recipe)) == set(EXTRA) - set(BESIDE) and "--all-extras" not in recipe
    for requirement in (requirement for name in BESIDE for requirement in EXTRA[name]):
        assert not any(locked(requirement.name, system) for system in SYSTEMS), requirement.name


def statements(node: ast.AST) -> Iterator[ast.stmt]:
    """All statements in a module, those in others too; no other nodes, of which there are ten times as many."""
    for inside in ("body", "orelse", "finalbody", "handlers", "cases"):
        for each in getattr(node, inside, ()):
            yield each
            yield from statements(each)


distributions = cache(metadata.packages_distributions)


def imported(folder: str) -> set[str]:
    """The distributions whose packages the Python files in `folder` import."""
    nodes = [node for path in (REPOSITORY / folder).rglob("*.py") for node in statements(ast.parse(path.read_text()))]
    names = {alias.name.partition(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module.partition(".")[0] for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    own = {"zsas_lib", "zsas_book"} | {path.stem for path in (REPOSITORY / folder).rglob("*.py")}
    providers = distributions()
    foreign = names - own - sys.stdlib_module_names
    return {canonicalize_name(providers[name][0]) for name in foreign if name in providers}


EXTRAS = {
    "zsas_lib": (),
    "zsas_book": ("book", "browser", "onnx"),
    "tests": ("book", "browser", "onnx", "test"),
    "benchmarks": ("book", "browser", "onnx", "test"),
}
"""The extras with which each folder's programs run, beside the science's own dependencies."""


@pytest.mark.slow
@pytest.mark.parametrize("folder", EXTRAS)
def test_what_is_imported_is_declared_where_it_is_needed(folder):
    optional = PROJECT["project"]["optional-dependencies"]
    lines = [*PROJECT["project"]["dependencies"], *(line for extra in EXTRAS[folder] for line in optional[extra])]
    assert imported(folder) - {canonicalize_name(Requirement(line).name) for line in lines} == set()


def test_torch_and_torchvision_are_a_pair():
    for system in SYSTEMS:
        assert (locked("torch", system), locked("torchvision", system)) == (["2.12.1"], ["0.27.1"])
    for name in ("torch", "torchvision"):
        assert metadata.version(name).partition("+")[0] == locked(name, SYSTEMS[0])[0]


def test_each_dependency_says_what_it_is_for():
    text = (REPOSITORY / "pyproject.toml").read_text()
    for requirement in (*DECLARED, *(requirement for name in BESIDE for requirement in EXTRA[name])):
        assert re.search(rf'^ +"{re.escape(requirement.name)}[^"]*", +# \S', text, re.MULTILINE), requirement.name


def test_conda_users_get_the_lock_and_a_python_that_the_project_allows():
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    assert pip == {"pip": ["-r requirements.lock", "-e ."]}
    (python,) = [line for line in conda if line.startswith("python")]
    assert SpecifierSet(python.removeprefix("python").strip()) == SpecifierSet(PROJECT["project"]["requires-python"])


def test_make_help_names_every_target():
    printed = make("help")
    phony = re.search(r"\.PHONY: (.*)", (REPOSITORY / "Makefile").read_text())[1].split()
    assert {line.split()[1] for line in printed.splitlines()} == set(phony) - {"help"}
