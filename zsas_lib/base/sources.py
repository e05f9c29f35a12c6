"""SHA-256 digests of the source code that a result depends on, at the granularity of single definitions.

From a function, class or module the names that its definition uses are followed, without running anything, to the
definitions that they stand for, and from these on. Where they lie is no matter: a definition is known by its own text
(`definitions.written`) and by those that it uses, so moving it, renaming its module or reordering a file changes
nothing, while another definition behind the same name does.

What cannot be told apart counts as a whole: a module that is passed around, the package of a module that is imported by
a computed name. The statements of a module that define nothing count with everything that imports it. A file of data of
the package (`DATA`) counts with the definition that names it. `UNCOUNTED` rooms do not count: they decide no result.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path, PurePath
from types import ModuleType
from typing import NamedTuple

from .definitions import EFFECTS, Import, Module, parsed, written
from .digests import PACKAGE

Subject = ModuleType | Callable | str
UNCOUNTED = ("base", "store")
DATA = (".csv", ".json")


def source_digest(*subjects: Subject, package: Path = PACKAGE) -> str:
    """SHA-256 of what `source_definitions` lists; the same wherever the definitions and the package lie.

    Of a module outside the package, such as a user's file, all definitions count, and what they use of the package.
    Raises ValueError for what is defined in a module without a source file, such as a notebook's cells, or for the name
    of a module that is not there.
    """
    places = [_located(subject, package) for subject in subjects]
    return _graph(_contents(package, places)).digest(tuple(places))


def source_definitions(*subjects: Subject, package: Path = PACKAGE) -> list[str]:
    """The definitions that functions, classes and modules (or modules' dotted names) depend on, as "module:name",
    sorted; "module:" stands for the statements of a module that define nothing. Raises as `source_digest`."""
    places = [_located(subject, package) for subject in subjects]
    graph = _graph(_contents(package, places))
    found = graph.closure([node for place in places for node in graph.nodes_of(place)])
    return sorted(f"{node.module}:{node.name}" for node in found)


class _Node(NamedTuple):
    """A definition of a module."""

    module: str
    name: str


class _Place(NamedTuple):
    """Where a subject is defined: its module, its name in there (none: the whole module), its file if outside the
    package."""

    module: str
    name: str | None
    file: Path | None


@dataclass(frozen=True)
class _Contents:
    """The sources of a package, and files outside it by their modules' names; equal where their digests are."""

    digest: str
    package: str
    files: Mapping[str, bytes] = field(compare=False)
    outside: Mapping[str, bytes] = field(compare=False)


def _located(subject: Subject, package: Path) -> _Place:
    if isinstance(subject, str | ModuleType):
        module, name = subject if isinstance(subject, str) else subject.__name__, None
    else:
        module, name = subject.__module__, subject.__qualname__
    if module.split(".")[0] == package.name:
        return _Place(module, name, None)
    file = Path(getattr(sys.modules.get(module), "__file__", None) or "")
    if file.suffix != ".py":
        raise ValueError(f"{subject!r} is defined in {module!r}, which has no source file; put it into a module.")
    return _Place(module, name, file)


def _contents(package: Path, places: Sequence[_Place]) -> _Contents:
    files = {}
    for folder, folders, names in os.walk(package):
        top = Path(folder) == package
        folders[:] = sorted(name for name in folders if name != "__pycache__" and not (top and name in UNCOUNTED))
        for name in sorted(names):
            if name.endswith((".py", ".pyi", *DATA)):
                path = Path(folder, name)
                files[path.relative_to(package).as_posix()] = path.read_bytes()
    outside = {place.module: place.file.read_bytes() for place in places if place.file}
    digest = hashlib.sha256(
        repr([(name, len(content)) for name, content in [*files.items(), *outside.items()]]).encode()
    )
    for content in [*files.values(), *outside.values()]:
        digest.update(content)
    return _Contents(digest.hexdigest(), package.name, files, outside)


@lru_cache(maxsize=8)
def _graph(contents: _Contents) -> "_Graph":
    """Kept by content: a page asks for many results that the same sources make."""
    return _Graph(contents)


class _Graph:
    """The definitions of a package and how they use each other, found on demand."""

    def __init__(self, contents: _Contents):
        self.package = contents.package
        self.sources: dict[str, tuple[bool, bytes, bytes]] = {
            name: (False, source, b"") for name, source in contents.outside.items()
        }
        self.data: dict[str, bytes] = {}
        for path, content in contents.files.items():
            place = PurePath(path)
            if place.suffix == ".py":
                is_package = place.stem == "__init__"
                stub = contents.files.get(f"{path}i", b"") if is_package else b""
                parts = [self.package, *(place.parent if is_package else place.with_suffix("")).parts]
                self.sources[".".join(parts)] = (is_package, content, stub)
            elif place.suffix in DATA:
                self.data[place.name] = self.data.get(place.name, b"") + content
        self.texts: dict[_Node, tuple[str, list[list[_Node]]]] = {}
        self.run: dict[str, list[_Node]] = {}
        self.digests: dict[tuple[_Place, ...], str] = {}

    def digest(self, places: tuple[_Place, ...]) -> str:
        if places not in self.digests:
            nodes = [self.nodes_of(place) for place in places]
            colours = self.colours(self.closure([node for own in nodes for node in own]))
            lines = [*sorted(colours.values()), *("".join(colours[node] for node in own) for own in nodes)]
            lines += [f"outside {place.name}" for place in places if place.file]
            self.digests[places] = _sha256("\n".join(lines))
        return self.digests[places]

    def nodes_of(self, place: _Place) -> list[_Node]:
        module = self.module(place.module)
        if module is None:
            raise ValueError(f"Package {self.package} has no module {place.module}; expected a dotted name of one.")
        found = self.named(module, place.name.split(".")[0]) if place.name and not place.file else []
        return self.nodes(found or [module])

    def closure(self, subjects: Sequence[_Node]) -> dict[_Node, tuple[str, list[list[_Node]]]]:
        """All nodes that some nodes depend on, themselves included: the text of each and the nodes that it uses."""
        found: dict[_Node, tuple[str, list[list[_Node]]]] = {}
        waiting = list(subjects)
        while waiting:
            node = waiting.pop()
            if node not in found:
                found[node] = self.content(node)
                waiting += [used for group in found[node][1] for used in group] + self.effects(node.module)
        return found

    @staticmethod
    def colours(closure: Mapping[_Node, tuple[str, list[list[_Node]]]]) -> dict[_Node, str]:
        """A digest for each node that says what it and all below it are, and not where they are (cycles are no matter):
        that of its text, refined by those of the nodes that it uses until no two more are told apart."""
        colours = {node: _sha256(text) for node, (text, _) in closure.items()}
        count = 0
        while len(set(colours.values())) > count:
            count = len(set(colours.values()))
            colours = {
                node: _sha256(repr([colours[node], [[colours[used] for used in group] for group in groups]]))
                for node, (_, groups) in closure.items()
            }
        return colours

    def content(self, node: _Node) -> tuple[str, list[list[_Node]]]:
        """The text of a definition and of the data files that it names, and the nodes that it uses, in their order."""
        if node not in self.texts:
            module = self.module(node.module)
            used: list[list[_Node]] = []

            def resolve(name: str | list[Import], attributes: Sequence[str]) -> tuple[str, int] | None:
                targets = self.named(module, name) if isinstance(name, str) else self.all_imported(name)
                covered = 0
                while covered < len(attributes) and any(isinstance(target, Module) for target in targets):
                    modules = [target for target in targets if isinstance(target, Module)]
                    if not (further := [t for each in modules for t in self.named(each, attributes[covered])]):
                        break
                    targets, covered = further, covered + 1
                outside = sorted(target for target in targets if isinstance(target, str))
                if nodes := self.nodes(targets):
                    used.append(nodes)
                    return "|".join(outside), covered
                return (
                    ("|".join(".".join([each, *attributes]) for each in outside), len(attributes)) if outside else None
                )

            definition = written(module, node.name, resolve)
            used += [self.nodes(self.below(package)) for package in definition.run_time_imports]
            named = {name for string in definition.strings for name in self.data if _names(string, name)}
            digests = sorted(hashlib.sha256(self.data[name]).hexdigest() for name in named)
            self.texts[node] = " ".join([definition.text, *digests]), used
        return self.texts[node]

    def module(self, name: str) -> Module | None:
        return parsed(name, *self.sources[name]) if name in self.sources else None

    def below(self, package: str) -> list[Module]:
        return [self.module(name) for name in sorted(self.sources) if f"{name}.".startswith(f"{package}.")]

    def named(self, module: Module, name: str, seen: tuple = ()) -> list[_Node | Module | str]:
        """What a name at the top of a module stands for: definitions, modules, or names outside the counted sources."""
        if (module.name, name) in seen:
            return []
        seen = (*seen, (module.name, name))
        found: list[_Node | Module | str] = [_Node(module.name, name)] if name in module.definitions else []
        if name in module.bound_by_effects:
            found.append(_Node(module.name, EFFECTS))
        for imported in module.imports.get(name, ()):
            found += self.imported(imported, seen)
        if not found and (inner := self.module(f"{module.name}.{name}")):
            return [inner]
        for star in [] if found else module.stars:
            if source := self.module(star):
                found += self.named(source, name, seen)
        return found

    def all_imported(self, imports: Sequence[Import]) -> list[_Node | Module | str]:
        return [target for each in imports for target in self.imported(each)]

    def imported(self, what: Import, seen: tuple = ()) -> list[_Node | Module | str]:
        top, _, rest = what.module.partition(".")
        if top != self.package:
            return [".".join(filter(None, what.__dict__.values()))]
        if (rest or what.name or "").split(".")[0] in UNCOUNTED:
            return [what.name or rest]
        module = self.module(what.module)
        if what.name is None:
            return [module] if module else []
        if found := self.named(module, what.name, seen) if module else []:
            return found
        return [inner] if (inner := self.module(f"{what.module}.{what.name}")) else [module] if module else []

    def nodes(self, targets: Sequence[_Node | Module | str], seen: tuple = ()) -> list[_Node]:
        """The nodes of targets; of a module all that it defines or, in a fixed order, imports from the package."""
        nodes = []
        for target in targets:
            if isinstance(target, _Node):
                nodes.append(target)
            elif isinstance(target, Module) and target.name not in seen:
                inside = (*seen, target.name)
                for name in sorted({*target.definitions, *target.imports}):
                    nodes += self.nodes(self.named(target, name), inside)
                for star in target.stars:
                    nodes += self.nodes([inner] if (inner := self.module(star)) else [], inside)
        return list(dict.fromkeys(nodes))

    def effects(self, module: str) -> list[_Node]:
        """The statements that run when a module is imported, with all that this imports."""
        if module not in self.run:
            found, waiting = set(), [module]
            while waiting:
                name = waiting.pop()
                if name in self.sources and name not in found:
                    found.add(name)
                    is_package, source, _ = self.sources[name]
                    own = parsed(name, is_package, source)  # without its stub: what that lists is imported when used
                    imported = [each for imports in own.imports.values() for each in imports]
                    waiting += [name.rpartition(".")[0], *own.stars]
                    waiting += [each.module for each in imported] + [f"{each.module}.{each.name}" for each in imported]
            self.run[module] = [_Node(name, EFFECTS) for name in sorted(found) if self.module(name).effects]
        return self.run[module]


def _names(string: str, file: str) -> bool:
    pattern = PurePath(string)
    return pattern.suffix in DATA and fnmatch(file, pattern.name)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
