"""SHA-256 digests of what a result is made from: library sources, files and configurations."""

import ast
import hashlib
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path, PurePath
from types import ModuleType

import numpy as np

PACKAGE = Path(__file__).resolve().parents[1]


def source_digest(*subjects: ModuleType | Callable | str, package: Path = PACKAGE) -> str:
    """SHA-256 over the names and contents of `source_files`; the same wherever the library lies."""
    lines = []
    for path in source_files(*subjects, package=package):
        name = path.relative_to(package.parent) if path.is_relative_to(package) else Path(path.name)
        lines.append(f"{name.as_posix()} {file_digest(path)}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def source_files(*subjects: ModuleType | Callable | str, package: Path = PACKAGE) -> list[Path]:
    """The source files that modules, or the modules of functions and classes, depend on within a package, sorted.

    Imports are followed as they are written, without running anything: relative and absolute ones, also inside
    functions, and ``package.name`` where the stub ``__init__.pyi`` says which module a public name comes from. A
    package's ``__init__.py`` counts where a name is imported from it, not where it is merely passed through. Of a
    module outside the package, its own file counts, and what that imports from the package.

    Raises ValueError for a module without a file, such as a notebook's cells.
    """
    found: set[Path] = set()
    waiting = [path for subject in subjects for path in _starting_points(subject, package)]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting.extend(_imported_files(path, package))
    return sorted(found)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def configuration_digest(configuration: Mapping[str, object]) -> str:
    """SHA-256 of a configuration as canonical JSON, see `canonical`: equal settings, equal digest."""
    return hashlib.sha256(json.dumps(canonical(configuration), sort_keys=True, allow_nan=False).encode()).hexdigest()


def canonical(value: object) -> object:
    """`value` as JSON holds it, one way to write each: 45.0 is 45, tuples and arrays are lists, paths are strings.

    Raises TypeError for anything else and ValueError for nan and infinity, which are equal to nothing or anything.
    """
    match value:
        case np.ndarray() | np.generic():
            return canonical(value.tolist())
        case bool() | int() | str() | None:
            return value
        case float():
            if not math.isfinite(value):
                raise ValueError(f"Expected finite numbers in a configuration, got {value}.")
            return int(value) if value.is_integer() else value
        case PurePath():
            return value.as_posix()
        case Mapping():
            return {str(key): canonical(item) for key, item in value.items()}
        case list() | tuple():
            return [canonical(item) for item in value]
    raise TypeError(
        f"Expected numbers, strings, paths, lists or mappings in a configuration, got {type(value).__name__} {value!r}."
    )


def _starting_points(subject: ModuleType | Callable | str, package: Path) -> list[Path]:
    if isinstance(subject, str):
        name = subject
    else:
        name = subject.__name__ if isinstance(subject, ModuleType) else subject.__module__
    if name.split(".")[0] == package.name:
        return _module_files(name, package)
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None:
        raise ValueError(f"{subject!r} is defined in {name!r}, which has no source file; put it into a module.")
    return [Path(file)]


def _imported_files(path: Path, package: Path) -> Iterator[Path]:
    for name in _names_in(path.read_bytes(), path, package):
        if name.split(".")[0] == package.name:
            yield from _module_files(name, package)


@lru_cache(maxsize=1000)
def _names_in(source: bytes, path: Path, package: Path) -> tuple[str, ...]:
    """Kept by content: a page asks for many results that the same sources make."""
    return tuple(dict.fromkeys(_imported_names(ast.parse(source, filename=str(path)), path, package)))


def _imported_names(tree: ast.Module, path: Path, package: Path) -> Iterator[str]:
    """Dotted names of all that a module imports, and of the attributes that it takes from the package itself."""
    aliases = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
                if (alias.name if alias.asname else alias.name.split(".")[0]) == package.name:
                    aliases.add(alias.asname or package.name)
        elif isinstance(node, ast.ImportFrom):
            base = [node.module] if node.module else []
            if node.level:
                base = [*path.parts[len(package.parent.parts) : -node.level], *base]
            yield from (".".join([*base, alias.name]) for alias in node.names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            yield f"{package.name}.{node.attr}"


def _module_files(name: str, package: Path) -> list[Path]:
    """The file of the longest leading part of a dotted name that is a module; through the stub for public names."""
    parts = name.split(".")[1:]
    for end in range(len(parts), 0, -1):
        path = package.joinpath(*parts[:end])
        for file in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
            if file.is_file():
                return [file]
    home = _public_names(package).get(parts[0]) if parts else None
    return _module_files(home, package) if home else []


def _public_names(package: Path) -> dict[str, str]:
    stub = package / "__init__.pyi"
    tree = ast.parse(stub.read_bytes()) if stub.is_file() else ast.Module([], [])
    return {
        alias.asname or alias.name: f"{package.name}.{node.module}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module
        for alias in node.names
    }
