"""The rooms of both packages: what lies in them, and that they depend one way (contracts in pyproject.toml)."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from mini_project import REPOSITORY

LINT = Path(sys.executable).with_name("lint-imports")
CONTRACTS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


TOP = {".ci", ".github", "benchmarks", "book", "findings", "notebooks", "tests", "zsas_book", "zsas_lib"} | {
    *(".gitignore", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "_config.yml"),
    *("chapters.yaml", "environment.yml", "pyproject.toml", "requirements.lock"),
}


def lint(root: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [LINT, "--no-cache"],
        cwd=root,
        env={"PATH": "", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_rooms_depend_one_way():
    outcome = lint(REPOSITORY)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in outcome.stdout


def test_nothing_else_lies_beside_the_rooms():
    known = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if known.returncode:
        pytest.skip("no checkout of git")
    assert {line.split("/")[0].strip('"') for line in known.stdout.splitlines()} == TOP


def package(root: Path, name: str, modules: dict[str, str]) -> None:
    for module, source in modules.items():
        path = root / name / module
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder in (root / name, path.parent):
            (folder / "__init__.py").touch()
        path.write_text(source)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("zsas_lib/models/plain.py", "from zsas_book import provenance"),
        ("zsas_lib/models/plain.py", "from ..evaluation import tables"),
        ("zsas_lib/metrics/plain.py", "def late():\n    from ..perturbations import rotation"),
        ("zsas_book/jobs/plain.py", "from ..site import staging"),
        ("zsas_book/tables/plain.py", "from ..figures import style"),
    ],
)
def test_an_import_against_the_order_is_found(tmp_path, module, source):
    """The contracts, tried on empty rooms and one import that must not be."""
    (tmp_path / "pyproject.toml").write_bytes((REPOSITORY / "pyproject.toml").read_bytes())
    for name in ("zsas_lib", "zsas_book"):
        rooms = [path for path in sorted((REPOSITORY / name).iterdir()) if path.suffix == ".py" or is_room(path)]
        for room in rooms:
            package(tmp_path, name, {room.name if room.suffix else f"{room.name}/__init__.py": ""})
    for used in ("evaluation/tables", "perturbations/rotation"):
        package(tmp_path, "zsas_lib", {f"{used}.py": ""})
    for used in ("site/staging", "figures/style"):
        package(tmp_path, "zsas_book", {f"{used}.py": ""})
    assert lint(tmp_path).returncode == 0
    (tmp_path / module).write_text(source)
    outcome = lint(tmp_path)
    assert outcome.returncode == 1 and f"{len(CONTRACTS) - 1} kept, 1 broken" in outcome.stdout


def is_room(path: Path) -> bool:
    return path.is_dir() and (path / "__init__.py").is_file()


def test_no_module_of_the_library_lies_outside_a_room_but_the_losses():
    flat = {path.name for path in (REPOSITORY / "zsas_lib").glob("*.py")}
    assert flat == {"__init__.py", "losses.py"}


def test_every_room_says_what_it_is_for():
    for name in ("zsas_lib", "zsas_book"):
        for room in filter(is_room, (REPOSITORY / name).iterdir()):
            assert ast.get_docstring(ast.parse((room / "__init__.py").read_text())), room


@pytest.mark.slow
def test_the_book_takes_no_private_name_of_the_library():
    for path in (REPOSITORY / "zsas_book").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("zsas_lib"):
                names = [*node.module.split("."), *(alias.name for alias in node.names)]
                assert not [name for name in names if name.startswith("_")], path


def test_the_rooms_mirror_the_tests():
    for name in ("zsas_lib", "zsas_book"):
        rooms = {path.name for path in (REPOSITORY / name).iterdir() if path.is_dir()}
        tested = {path.name for path in (REPOSITORY / "tests" / name).iterdir() if path.is_dir()}
        assert tested - {"__pycache__"} <= rooms
