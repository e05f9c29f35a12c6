"""SHA-256 digests of the source code that a result depends on, at the granularity of single definitions.

From a function, class or module the names that its definition uses are followed, without running anything, to the
definitions that they stand for, and from these on. Where they lie is no matter: a definition is known by its own text
(`definitions.written`) and by those that it uses, so moving it, renaming its module or reordering a file changes
nothing, while another definition behind the same name does.

What cannot be told apart counts as a whole: a module that is passed around, the package of a module that is imported by
a computed name. A statement that defines nothing counts with all that imports its module; one that enters something
in a table of the package, such as a registry, only with what uses that table. A file of data of the package (`DATA`)
counts with the definition that names it. `UNCOUNTED` rooms do not count: they decide no result.
"""

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from .digests import PACKAGE
from .graph import DATA, UNCOUNTED, Contents, Graph, Place
from .remembered import keep, recalled

Subject = ModuleType | Callable | str

CLOCK_GRAIN_NS = 2_000_000_000

_contents_read: dict[tuple, Contents] = {}


def source_digest(*subjects: Subject, package: Path = PACKAGE) -> str:
    """SHA-256 of what `source_definitions` lists; the same wherever the definitions and the package lie.

    Of a module outside the package, such as a user's file, all definitions count, and what they use of the package.
    Raises ValueError for what is defined in a module without a source file, such as a notebook's cells, or for the name
    of a module that is not there.
    """
    places = [_located(subject, package) for subject in subjects]
    return _digest(_contents(package, places), tuple(places), package == PACKAGE)


def source_definitions(*subjects: Subject, package: Path = PACKAGE) -> list[str]:
    """The definitions that functions, classes and modules (or modules' dotted names) depend on, as "module:name",
    sorted; "module:*0" stands for a statement that defines nothing. Raises as `source_digest`."""
    places = [_located(subject, package) for subject in subjects]
    graph = _graph(_contents(package, places))
    found = graph.closure([node for place in places for node in graph.nodes_of(place)])
    return sorted(f"{node.module}:{node.name}" for node in found)


def _located(subject: Subject, package: Path) -> Place:
    if isinstance(subject, str | ModuleType):
        module, name = subject if isinstance(subject, str) else subject.__name__, None
    else:
        module, name = subject.__module__, subject.__qualname__
    if module.split(".")[0] == package.name:
        return Place(module, name, None)
    file = Path(getattr(sys.modules.get(module), "__file__", None) or "")
    if file.suffix != ".py":
        raise ValueError(f"{subject!r} is defined in {module!r}, which has no source file; put it into a module.")
    return Place(module, name, file)


def _contents(package: Path, places: Sequence[Place]) -> Contents:
    """The sources as they are now. They are read again only where one has changed, or is so young that it may change
    once more without its times showing it."""
    paths = {name: f"{package}/{name}" for name in _names(package)}
    outside = {place.module: str(place.file) for place in places if place.file}
    states, youngest = [], 0
    for path in (*paths.values(), *outside.values()):
        status = os.stat(path)
        states.append((path, status.st_size, status.st_mtime_ns))
        youngest = max(youngest, status.st_ctime_ns)
    if time.time_ns() - youngest < CLOCK_GRAIN_NS:
        return _read(package.name, paths, outside)
    key = (package.name, *outside, *states, youngest)
    if key not in _contents_read:
        _contents_read[key] = _read(package.name, paths, outside)
    return _contents_read[key]


def _names(package: Path) -> Iterator[str]:
    """The files of a package that count, below its folder, folder by folder."""
    for folder, folders, names in os.walk(package):
        top = Path(folder) == package
        folders[:] = sorted(name for name in folders if name != "__pycache__" and not (top and name in UNCOUNTED))
        below = "" if top else Path(folder).relative_to(package).as_posix() + "/"
        yield from (below + name for name in sorted(names) if name.endswith((".py", ".pyi", *DATA)))


def _read(package: str, paths: Mapping[str, str], paths_outside: Mapping[str, str]) -> Contents:
    files, outside = ({name: Path(path).read_bytes() for name, path in own.items()} for own in (paths, paths_outside))
    digest = hashlib.sha256(
        repr([(name, len(content)) for name, content in [*files.items(), *outside.items()]]).encode()
    )
    for content in [*files.values(), *outside.values()]:
        digest.update(content)
    return Contents(digest.hexdigest(), package, files, outside)


@lru_cache(maxsize=1000)
def _digest(contents: Contents, places: tuple[Place, ...], remember: bool) -> str:
    graph = _graph(contents)
    if remember and not graph.digests:
        graph.learn(recalled(contents.digest))
    if places in graph.digests:
        return graph.digests[places]
    found = graph.digest(places)
    if remember:
        keep(contents.digest, graph.tables)
    return found


@lru_cache(maxsize=8)
def _graph(contents: Contents) -> "Graph":
    """Kept by content: a page asks for many results that the same sources make."""
    return Graph(contents)
