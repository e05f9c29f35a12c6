"""How the definitions of a package use each other: all that some of them depend on, and digests that say what that
is."""

import ast
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePath
from typing import NamedTuple

from .definitions import Import, Module, parsed, registering, written, written_before

UNCOUNTED = ("base", "store")
DATA = (".csv", ".json")
FOUND = ("texts", "run", "needs", "changes", "counts", "places", "digests")
FIXED = (ast.Constant, ast.UnaryOp, ast.BinOp, ast.Subscript, ast.Name, ast.Attribute, ast.JoinedStr, ast.Lambda)
"""Values that nobody changes in place."""


class Node(NamedTuple):
    """A definition of a module, or one of its statements that define nothing, "*" and a number."""

    module: str
    name: str


class Place(NamedTuple):
    """Where a subject is defined: its module, its name in there (none: the whole module), its file if outside the
    package."""

    module: str
    name: str | None
    file: Path | None


Uses = dict[Node, tuple[str, list[list[Node]]]]
"""The text of each node, and the nodes that it uses."""


@dataclass(frozen=True)
class Contents:
    """The sources of a package, and files outside it by their modules' names; equal where their digests are."""

    digest: str
    package: str
    files: Mapping[str, bytes] = field(compare=False)
    outside: Mapping[str, bytes] = field(compare=False)


class Graph:
    """The definitions of a package and how they use each other, found on demand."""

    def __init__(self, contents: Contents):
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
        self.texts: Uses = {}
        self.run: dict[str, set[str]] = {}
        self.needs: dict[str, list[str]] = {}
        self.changes: dict[Node, list[Node] | None] = {}
        self.counts: dict[str, int] = {}
        self.places: dict[Place, list[Node]] = {}
        self.digests: dict[tuple[Place, ...], str] = {}

    @property
    def tables(self) -> dict[str, dict]:
        """All that was found so far, which follows from the contents alone."""
        return {name: getattr(self, name) for name in FOUND}

    def learn(self, tables: Mapping[str, dict]) -> None:
        """Take over the `tables` of another graph of the same contents."""
        for name, table in tables.items():
            getattr(self, name).update(table)

    def digest(self, places: tuple[Place, ...]) -> str:
        if places not in self.digests:
            nodes = [self.nodes_of(place) for place in places]
            colours = self.colours(self.closure([node for own in nodes for node in own]))
            lines = [*sorted(colours.values()), *("".join(colours[node] for node in own) for own in nodes)]
            lines += [f"outside {place.name}" for place in places if place.file]
            self.digests[places] = _sha256("\n".join(lines))
        return self.digests[places]

    def nodes_of(self, place: Place) -> list[Node]:
        if place not in self.places:
            module = self.module(place.module)
            if module is None:
                raise ValueError(f"Package {self.package} has no module {place.module}; expected a dotted name of one.")
            found = self.named(module, place.name.split(".")[0]) if place.name and not place.file else []
            self.places[place] = self.nodes(found or [module])
        return self.places[place]

    def closure(self, subjects: Sequence[Node]) -> Uses:
        """All nodes that some nodes depend on, themselves included."""
        found = self.followed(subjects)
        while effects := [node for node in self.effects(found) if node not in found]:
            found |= self.followed(effects)
        return found

    def followed(self, nodes: Sequence[Node]) -> Uses:
        found: Uses = {}
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            if node not in found:
                found[node] = self.content(node)
                waiting += [used for group in found[node][1] for used in group]
        return found

    def effects(self, found: Uses) -> Iterator[Node]:
        """The statements that define nothing and that run when the modules of some nodes are imported: all but those
        that enter something in tables which none of these nodes uses."""
        for module in dict.fromkeys(name for node in found for name in self.run_by(node.module)):
            if module not in self.counts:
                self.counts[module] = len(self.loaded(module).effects)
            for node in [Node(module, f"*{number}") for number in range(self.counts[module])]:
                if (changed := self.changed(node)) is None or any(table in found for table in changed):
                    yield node

    def changed(self, node: Node) -> list[Node] | None:
        """The definitions that a statement changes; None where it may have other effects than that."""
        if node not in self.changes:
            module = self.loaded(node.module)
            (statement,) = module.statements(node.name)
            called = [self.nodes(self.reached(module, name, rest)[0]) for name, rest in registering(module, statement)]
            uses = self.followed([each for nodes in called for each in nodes])
            is_definition = isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            given = [] if is_definition else [each for group in self.content(node)[1] for each in group]
            tables = [each for each in [*uses, *given] if self.is_changeable(each)]
            hidden = any(isinstance(part, ast.Global) for each in uses for part in self.parts(each))
            self.changes[node] = tables if all(called) and tables and not hidden else None
        return self.changes[node]

    def parts(self, node: Node) -> Iterator[ast.AST]:
        for statement in self.loaded(node.module).statements(node.name):
            yield from ast.walk(statement)

    def is_changeable(self, node: Node) -> bool:
        """Whether a definition holds a list, a dictionary or another object that may be changed in place."""
        statements = self.loaded(node.module).statements(node.name)
        inside = [part for each in statements for part in (each.body if isinstance(each, ast.ClassDef) else [each])]
        values = [getattr(part, "value", None) for part in inside if not isinstance(part, ast.Expr)]
        return any(value is not None and not isinstance(value, FIXED) for value in values)

    @staticmethod
    def colours(closure: Uses) -> dict[Node, str]:
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

    def content(self, node: Node) -> tuple[str, list[list[Node]]]:
        """The text of a definition and of the data files that it names, and the nodes that it uses, in their order."""
        if node not in self.texts:
            module = self.loaded(node.module)
            used: list[list[Node]] = []

            def resolve(name: str | list[Import], attributes: Sequence[str]) -> tuple[str, int] | None:
                targets, covered = self.reached(module, name, attributes)
                outside = sorted(target for target in targets if isinstance(target, str))
                if nodes := self.nodes(targets):
                    used.append(nodes)
                    return "|".join(outside), covered
                text = "|".join(".".join([each, *attributes]) for each in outside)
                return (text, len(attributes)) if outside else None

            if (definition := written_before(module, node.name, resolve)) is None:
                used.clear()
                definition = written(module, node.name, resolve)
            used += [self.nodes(self.below(package)) for package in definition.run_time_imports]
            named = {name for string in definition.strings for name in self.data if _names(string, name)}
            digests = sorted(hashlib.sha256(self.data[name]).hexdigest() for name in named)
            self.texts[node] = " ".join([definition.text, *digests]), used
        return self.texts[node]

    def module(self, name: str) -> Module | None:
        return self.loaded(name) if name in self.sources else None

    def loaded(self, name: str) -> Module:
        return parsed(name, *self.sources[name])

    def below(self, package: str) -> list[Module]:
        return [self.loaded(name) for name in sorted(self.sources) if f"{name}.".startswith(f"{package}.")]

    def reached(
        self, module: Module, name: str | list[Import], attributes: Sequence[str]
    ) -> tuple[list[Node | Module | str], int]:
        """What a name, or some imports, with attributes stand for, and how many of these lead there through modules."""
        targets = self.named(module, name) if isinstance(name, str) else [t for i in name for t in self.imported(i)]
        covered = 0
        while covered < len(attributes) and any(isinstance(target, Module) for target in targets):
            modules = [target for target in targets if isinstance(target, Module)]
            if not (further := [t for each in modules for t in self.named(each, attributes[covered])]):
                break
            targets, covered = further, covered + 1
        return targets, covered

    def named(self, module: Module, name: str, seen: tuple = ()) -> list[Node | Module | str]:
        """What a name at the top of a module stands for: definitions, modules, or names outside the counted sources."""
        if (module.name, name) in seen:
            return []
        seen = (*seen, (module.name, name))
        found: list[Node | Module | str] = [Node(module.name, name)] if name in module.definitions else []
        found += [Node(module.name, effect) for effect in module.bound_by_effects.get(name, ())]
        for imported in module.imports.get(name, ()):
            found += self.imported(imported, seen)
        if not found and (inner := self.module(f"{module.name}.{name}")):
            return [inner]
        for star in [] if found else module.stars:
            if source := self.module(star):
                found += self.named(source, name, seen)
        return found

    def imported(self, what: Import, seen: tuple = ()) -> list[Node | Module | str]:
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

    def nodes(self, targets: Sequence[Node | Module | str], seen: tuple = ()) -> list[Node]:
        """The nodes of targets; of a module all that it defines or, in a fixed order, imports from the package."""
        nodes = []
        for target in targets:
            if isinstance(target, Node):
                nodes.append(target)
            elif isinstance(target, Module) and target.name not in seen:
                inside = (*seen, target.name)
                for name in sorted({*target.definitions, *target.imports}):
                    nodes += self.nodes(self.named(target, name), inside)
                for star in target.stars:
                    nodes += self.nodes([inner] if (inner := self.module(star)) else [], inside)
        return list(dict.fromkeys(nodes))

    def run_by(self, module: str) -> set[str]:
        """The modules that run when one is imported, itself included."""
        if module not in self.run:
            found, waiting = set(), [module]
            while waiting:
                name = waiting.pop()
                if name in self.sources and name not in found:
                    found.add(name)
                    waiting += self.needed(name)
            self.run[module] = found
        return self.run[module]

    def needed(self, name: str) -> list[str]:
        """The modules of the package that a module's import runs at once: that it is in, and that it names."""
        if name not in self.needs:
            is_package, source, _ = self.sources[name]
            own = parsed(name, is_package, source)  # without its stub: what that lists is imported when used
            imported = [each for imports in own.imports.values() for each in imports]
            modules = [name.rpartition(".")[0], *own.stars, *(each.module for each in imported)]
            modules += [f"{each.module}.{each.name}" for each in imported]
            self.needs[name] = [each for each in dict.fromkeys(modules) if each in self.sources]
        return self.needs[name]


def _names(string: str, file: str) -> bool:
    if not any(suffix in string for suffix in DATA):  # nearly always
        return False
    pattern = PurePath(string)
    return pattern.suffix in DATA and fnmatch(file, pattern.name)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
