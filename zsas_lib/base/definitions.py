"""The definitions of a module, read from its text without running it: what each one says and which names it uses.

A definition is written out as one line of text in which nothing is left that decides no result: comments, formatting,
docstrings, the wording of messages, and where a name is imported from. A name that stands for something at the top of a
module is resolved by whoever asks, see `written`.
"""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

Function = ast.FunctionDef | ast.AsyncFunctionDef
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
Scope = Mapping[str, list["Import"]]
"""The local names where a piece of code stands, and the imports that bind them: none for a variable."""
Resolve = Callable[["str | list[Import]", Sequence[str]], tuple[str, int] | None]
"""Says what stands for a name at the top of a module, or for the local imports of one, with the attributes that are
taken of it: a text, and how many of these attributes it covers. None for a builtin."""
Asked = tuple["str | list[Import]", Sequence[str], tuple[str, int] | None]
"""What `Resolve` is asked, and what it says."""

DYNAMIC_IMPORTS = ("importlib.import_module", "__import__")
NO_FIELDS = ("ctx", "kind", "type_comment")


@dataclass(frozen=True)
class Import:
    """What an import statement binds: a module, or what that module calls `name`."""

    module: str
    name: str | None = None


@dataclass
class Module:
    """The top of a module: its definitions by name, its imports by the name they bind, and the statements beside these,
    which have effects when it is imported and are called "*0", "*1" and so on."""

    name: str
    is_package: bool
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, list[Import]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    effects: list[ast.stmt] = field(default_factory=list)
    bound_by_effects: dict[str, list[str]] = field(default_factory=dict)
    written: dict[str, "tuple[list[Asked], Written]"] = field(default_factory=dict, repr=False, compare=False)
    """Of definitions that were written out before: what was asked meanwhile, with the answers, and what came of it."""

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    def statements(self, definition: str) -> list[ast.stmt]:
        if definition.startswith("*"):
            return [self.effects[int(definition[1:])]]
        return self.definitions[definition]


@lru_cache(maxsize=1000)
def parsed(name: str, is_package: bool, source: bytes, stub: bytes = b"") -> Module:
    """The module of this dotted name and text; a stub beside it says what a lazy package hands on."""
    module = Module(name, is_package)
    for statement in [*ast.parse(source, filename=name).body, *ast.parse(stub, filename=name).body]:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            _note_imports(module, [statement])
        elif isinstance(statement, Function | ast.ClassDef):
            module.definitions.setdefault(statement.name, []).append(statement)
            if any(_is_own(module, decorator) for decorator in statement.decorator_list):
                module.effects.append(statement)  # it may be registered somewhere
        elif names := _assigned(statement):
            for target in names:
                module.definitions.setdefault(target, []).append(statement)
        elif not (_says_nothing(statement) or _runs_as_a_program_only(statement)):
            module.effects.append(statement)
            for bound in _bound([statement], module.package):
                module.bound_by_effects.setdefault(bound, []).append(f"*{len(module.effects) - 1}")
            _note_imports(
                module, [node for node in ast.walk(statement) if isinstance(node, ast.Import | ast.ImportFrom)]
            )
    return module


def written(module: Module, definition: str, resolve: Resolve) -> "Written":
    """A definition, or a statement beside them, as text. Imports are left out; ``resolve`` says what stands for a name
    that they, or other definitions of the module, bind."""
    writer = _Writer(module.package, resolve)
    writer.value(module.statements(definition), {})
    rank = definition if definition.startswith("*") else ""  # in which order statements run may matter
    found = Written(rank + "".join(writer.text), writer.strings, writer.run_time_imports)
    module.written[definition] = writer.asked, found
    return found


def written_before(module: Module, definition: str, resolve: Resolve) -> "Written | None":
    """What `written` gave for the same module, if ``resolve``, which is asked the same, says the same of all names."""
    asked, found = module.written.get(definition, ((), None))
    return found if all(resolve(name, attributes) == answer for name, attributes, answer in asked) else None


@dataclass(frozen=True)
class Written:
    """A definition as text; the strings in it that are no wording; the packages of which it imports a module by a name
    that is known when it runs."""

    text: str
    strings: list[str]
    run_time_imports: list[str]


class _Writer:
    def __init__(self, package: str, resolve: Resolve):
        self.package, self.resolve = package, resolve
        self.asked: list[Asked] = []
        self.text: list[str] = []
        self.strings: list[str] = []
        self.run_time_imports: list[str] = []
        self.in_message = False

    def value(self, value: object, scope: Scope) -> None:
        if isinstance(value, ast.AST):
            self.node(value, scope)
        elif isinstance(value, list):
            self.text.append("[")
            for item in value:
                if not _says_nothing(item):
                    self.value(item, scope)
                    self.text.append(",")
            self.text.append("]")
        else:
            self.text.append(repr(value))

    def node(self, node: ast.AST, scope: Scope) -> None:
        match node:
            case ast.Name() | ast.Attribute() if self._reference(node, scope):
                pass
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                self._function(node, scope)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self._comprehension(node, scope)
            case ast.Raise(exc=raised, cause=cause):
                self.text.append("Raise(")
                self._message([raised], scope)
                self.value(cause, scope)
                self.text.append(")")
            case ast.Assert(test=test, msg=message):
                self.text.append("Assert(")
                self.value(test, scope)
                self._message([message], scope)
                self.text.append(")")
            case ast.Call():
                self._call(node, scope)
            case ast.Constant(value=str()) if self.in_message:
                self.text.append("words[]")
            case ast.JoinedStr(values=values) if self.in_message:
                self.text.append("words")
                self.value([value.value for value in values if isinstance(value, ast.FormattedValue)], scope)
            case _:
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    self.strings.append(node.value)
                self._fields(node, scope)

    def _fields(self, node: ast.AST, scope: Scope, inner: Mapping[str, Scope] = {}) -> None:
        """Fields without content are left out, so that Python versions that add one say the same."""
        self.text.append(f"{type(node).__name__}(")
        for name, value in ast.iter_fields(node):
            if name not in NO_FIELDS and value is not None and value != []:
                self.text.append(f"{name}=")
                self.value(value, inner.get(name, scope))
        self.text.append(")")

    def _message(self, parts: list[ast.expr | None], scope: Scope) -> None:
        before, self.in_message = self.in_message, True
        self.value(parts, scope)
        self.in_message = before

    def _call(self, node: ast.Call, scope: Scope) -> None:
        begin = len(self.text)
        self.node(node.func, scope)
        called = "".join(self.text[begin:])
        if called == "<warnings.warn>":
            self._message([*node.args, *(keyword.value for keyword in node.keywords)], scope)
            return
        self.value(node.args, scope)
        self.value(node.keywords, scope)
        if called.strip("<>") in DYNAMIC_IMPORTS or called == "Name(id='__import__')":
            self.run_time_imports.append(_imported_at_run_time(node, self.package))

    def _function(self, node: Function | ast.Lambda, scope: Scope) -> None:
        """Decorators, defaults and annotations belong to the scope around the function; its own names to its body."""
        given = node.args
        parameters = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        body = node.body if isinstance(node.body, list) else [node.body]
        inside = {**scope, **{p.arg: [] for p in parameters if p}, **_bound(body, self.package)}
        for declared in (
            name for part in body for n in ast.walk(part) if isinstance(n, ast.Global) for name in n.names
        ):
            inside.pop(declared, None)
        self._fields(node, scope, {"body": inside})

    def _comprehension(self, node: Comprehension, scope: Scope) -> None:
        """All but the first iterable is in a scope with the targets."""
        inside = {**scope, **_bound([part.target for part in node.generators], self.package)}
        self.text.append(type(node).__name__)
        self.node(node.generators[0].iter, scope)
        self.value([part.iter for part in node.generators[1:]], inside)
        self.value([(part.is_async, len(part.ifs)) for part in node.generators], inside)
        self.value([part for each in node.generators for part in (each.target, *each.ifs)], inside)
        results = (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
        self.value(list(results), inside)

    def _reference(self, node: ast.Name | ast.Attribute, scope: Scope) -> bool:
        """Writes what a name, with attributes that are taken of it, stands for, if that lies outside the definition."""
        attributes: list[str] = []
        root: ast.expr = node
        while isinstance(root, ast.Attribute):
            attributes.insert(0, root.attr)
            root = root.value
        if not isinstance(root, ast.Name) or isinstance(root.ctx, ast.Store) or scope.get(root.id) == []:
            return False
        name = scope.get(root.id) or root.id
        self.asked.append((name, attributes, found := self.resolve(name, attributes)))
        if found is None:
            return False
        text, covered = found
        self.text.append(f"<{text}>" + "".join(f".{attribute}" for attribute in attributes[covered:]))
        return True


def _note_imports(module: Module, statements: Sequence[ast.Import | ast.ImportFrom]) -> None:
    for statement in statements:
        for name, imported in _bindings(statement, module.package):
            if imported.name == "*":
                module.stars.append(imported.module)
            else:
                module.imports.setdefault(name, []).append(imported)


def _bindings(statement: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, Import]]:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            yield (
                alias.asname or alias.name.split(".")[0],
                Import(alias.name if alias.asname else alias.name.split(".")[0]),
            )
        return
    home = statement.module or ""
    if statement.level:
        parents = package.split(".")
        home = ".".join([*parents[: len(parents) - statement.level + 1], *filter(None, [home])])
    for alias in statement.names:
        yield alias.asname or alias.name, Import(home, alias.name)


def _bound(nodes: Iterable[ast.AST], package: str) -> dict[str, list[Import]]:
    """The names that code binds in its own scope, not in those within it, and the imports that bind them."""
    names: dict[str, list[Import]] = {}
    outer: set[str] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        match node:
            case ast.Import() | ast.ImportFrom():
                for name, imported in _bindings(node, package):
                    names.setdefault(name, []).append(imported)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.setdefault(node.name, [])
            case ast.Lambda():
                pass
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                waiting += [inner.target for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr)]
            case ast.Global() | ast.Nonlocal():
                outer.update(node.names)
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                names.setdefault(name, [])
            case _:
                if isinstance(
                    own := getattr(node, "rest" if isinstance(node, ast.MatchMapping) else "name", None), str
                ):
                    names.setdefault(own, [])  # except ... as name, case ... as name
                waiting += ast.iter_child_nodes(node)
    return {name: imports for name, imports in names.items() if name not in outer}


def _assigned(statement: ast.stmt) -> list[str]:
    """The names that an assignment gives a value, if it does nothing else."""
    match statement:
        case ast.Assign(targets=targets):
            pass
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            targets = [target]
        case _:
            targets = (
                [name] if isinstance(name := getattr(statement, "name", None), ast.Name) else []
            )  # type NAME = ...
    parts = [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
    names = [part.id for part in parts if isinstance(part, ast.Name)]
    return names if len(names) == len(parts) else []


def _says_nothing(statement: object) -> bool:
    """Docstrings, and imports, for which stands what they bind."""
    docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return docstring or isinstance(statement, ast.Pass | ast.Import | ast.ImportFrom)


def _runs_as_a_program_only(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and ast.unparse(statement.test) == "__name__ == '__main__'"


def registering(module: Module, statement: ast.stmt) -> Iterator[tuple[str, list[str]]]:
    """What a statement calls or changes, as a name and its attributes, if it is no more than a call, an assignment of
    an item or attribute, or a definition with decorators of the module's own package. An empty name: something else."""
    match statement:
        case ast.Expr(value=ast.Call(func=called)):
            changed = [called]
        case ast.Assign(targets=targets):
            changed = targets
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            changed = [decorator for decorator in statement.decorator_list if _is_own(module, decorator)]
        case _:
            changed = []
    for expression in changed or [ast.Name("")]:
        yield _root(expression)


def _is_own(module: Module, decorator: ast.expr) -> bool:
    """Whether a decorator is, or belongs to, something that the module defines or imports from its own package."""
    name, _ = _root(decorator)
    top = module.name.split(".")[0]
    return name in module.definitions or any(i.module.split(".")[0] == top for i in module.imports.get(name, ()))


def _root(expression: ast.expr) -> tuple[str, list[str]]:
    attributes: list[str] = []
    while isinstance(expression, ast.Attribute | ast.Call | ast.Subscript):
        if isinstance(expression, ast.Attribute):
            attributes.insert(0, expression.attr)
        expression = expression.func if isinstance(expression, ast.Call) else expression.value
    return expression.id if isinstance(expression, ast.Name) else "", attributes


def _imported_at_run_time(call: ast.Call, package: str) -> str:
    """The package below which the module lies that a call of `import_module` may import: the whole one if not known."""
    first = call.args[0] if call.args else None
    if isinstance(first, ast.JoinedStr) and first.values:
        first = first.values[0]
    named = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
    if named.startswith("."):
        return package
    return named if named and first in call.args else package.split(".")[0]
