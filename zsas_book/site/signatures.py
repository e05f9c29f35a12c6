"""Sphinx extension of the book: entries of the reference whose signatures stand as they are written in the source.

autodoc would print what Python makes of a type: jaxtyping's shapes with the name of its module, every named type
spelled out, in three lines what the source says in one. A name of ``zsas_lib`` itself is shown as readers write it,
after ``zsas.``.
"""

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext import autosummary
from sphinx.pycode import ModuleAnalyzer
from sphinx.transforms import SphinxTransform
from sphinx.util.nodes import make_refnode

PACKAGE = "zsas_lib"
KINDS = ("function", "class", "data", "type")
ABBREVIATIONS = ("eq.", "eqs.", "sec.", "secs.", "Fig.", "Figs.", "App.", "cf.", "vs.")
"""Behind these a docstring's first sentence goes on."""
OPTION = re.compile(r"(?P<names>\w+(?:, \w+)*): (?P<meaning>\S.*)")
COLUMNS = re.compile(r"\w+(?:, \w+)* {2,}(?P<meaning>\S.*)")


def written_signature(thing: Callable) -> tuple[str, str]:
    """Arguments and result of a function, or of a class's construction, as in the source; types without quotes."""
    defined = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(thing)))).body[0]
    if isinstance(defined, ast.ClassDef):
        own = {statement.name: statement for statement in defined.body if isinstance(statement, ast.FunctionDef)}
        if "__init__" not in own:
            return _fields(defined), ""
        defined = own["__init__"]
    arguments = defined.args
    for argument in ast.walk(arguments):
        if isinstance(argument, ast.arg):
            argument.annotation = _unquoted(argument.annotation)
    if arguments.args and arguments.args[0].arg in ("self", "cls"):
        del arguments.args[0]
    result = _unquoted(defined.returns)
    return f"({ast.unparse(arguments)})", ast.unparse(result) if result and defined.name != "__init__" else ""


def data_docstring(name: str, value: object) -> list[str]:
    """The lines below the assignment of a module's `name`, found in the module of the library that holds this value."""
    for module in [module for key, module in sys.modules.items() if key.startswith(f"{PACKAGE}.")]:
        if vars(module).get(name) is value:
            lines = ModuleAnalyzer.for_module(module.__name__).find_attr_docs().get(("", name))
            if lines:
                return lines
    return []


def options_as_fields(lines: list[str]) -> list[str]:
    """The lines of a docstring, in which an option list (``name: meaning``, indented below a line that ends in a colon)
    stands as a field list, which Sphinx knows."""
    found: list[str] = []
    margin = None  # of the option list that the line is in
    for line in lines:
        option = OPTION.fullmatch(line.strip())
        if margin is None and option and found and found[-1].endswith(":") and _indent(line) > _indent(found[-1]):
            margin = _indent(line)
            found.append("")
        elif margin is not None and line.strip() and _indent(line) < margin:
            margin = None
            found.append("")
        found.append(_field(option, margin) if option and margin == _indent(line) else line)
    return found


def columns_as_fields(lines: list[str]) -> list[str]:
    """The same for options in two columns (``name    meaning``) between empty lines."""
    found: list[str] = []
    column = None  # where the meanings of the list begin that the line is in
    for line in lines:
        if not line.strip():
            column = None
        elif column is None and found and not found[-1] and (first := COLUMNS.fullmatch(line)):
            column = first.start("meaning")
        if column is not None:
            names, meaning = line[:column].strip(), line[column:]
            line = _field(OPTION.fullmatch(f"{names}: {meaning}"), 4) if names else f"{' ' * 8}{meaning}"
        found.append(line)
    return found


def _field(option: re.Match, margin: int) -> str:
    names = ", ".join(f"``{name}``" for name in option["names"].split(", "))
    return f"{' ' * margin}:{names}: {option['meaning']}"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _fields(defined: ast.ClassDef) -> str:
    """The construction of a dataclass: its fields."""
    fields = [statement for statement in defined.body if isinstance(statement, ast.AnnAssign)]
    if not (fields and any("dataclass" in ast.unparse(decorator) for decorator in defined.decorator_list)):
        return ""
    return f"({', '.join(ast.unparse(field) for field in fields)})"


def _unquoted(annotation: ast.expr | None) -> ast.expr | None:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return ast.parse(annotation.value, mode="eval").body
    return annotation


def _show_signature(app: Sphinx, what: str, name: str, thing: object, *others: object) -> tuple[str, str] | None:
    return written_signature(thing) if what in ("function", "method", "class") else None


def _show_docstring(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    if what == "data":
        lines[:] = data_docstring(name.rpartition(".")[2], thing)
    lines[:] = columns_as_fields(options_as_fields(lines))


def _lead_on(app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, shown: nodes.Node) -> nodes.Node | None:
    """A name of another room, or one after ``zsas.``, to the one entry that is called so."""
    if node.get("refdomain") != "py" or not node["reftarget"]:
        return None
    domain = env.domains["py"]
    name = node["reftarget"].removeprefix("zsas.")
    found = [entry for _, entry in domain.find_obj(env, None, None, name, None, searchmode=1) if entry.objtype in KINDS]
    if len(found) != 1:
        return None
    return make_refnode(app.builder, node["refdoc"], found[0].docname, found[0].node_id, shown, name)


class ReadableTypes(SphinxTransform):
    """Names of the package after ``zsas.``; shapes in double quotes, without the space before a single axis."""

    default_priority = 500

    def apply(self) -> None:
        for before in self.document.findall(addnodes.desc_addname):
            if before.astext() in (f"{PACKAGE}.", f"{PACKAGE}.metrics."):
                before[:] = [nodes.Text(before.astext().replace(PACKAGE, "zsas"))]
        for shape in self.document.findall(addnodes.desc_sig_literal_string):
            shape[:] = [nodes.Text(f'"{ast.literal_eval(shape.astext()).strip()}"')]


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.autosummary")
    autosummary.WELL_KNOWN_ABBREVIATIONS = tuple({*autosummary.WELL_KNOWN_ABBREVIATIONS, *ABBREVIATIONS})
    app.connect("autodoc-process-signature", _show_signature)
    app.connect("autodoc-process-docstring", _show_docstring)
    app.connect("missing-reference", _lead_on)
    app.add_transform(ReadableTypes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
