"""Backbones that parameters name: whether there are such, before anything runs."""

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from nbformat import NotebookNode

from zsas_lib.base.errors import UnknownNameError

from .kinds import BACKBONE
from .parameters import Parameter, Value, items_of

REGISTER = "register_backbone"
WEIGHTS = "weights"


def unknown_backbones(
    declared: Sequence[Parameter], values: Mapping[str, Value], root: Path, registered: Collection[str] | None
) -> Iterator[str]:
    """Which backbones of the values `load_backbone` does not know, a sentence each; nothing is read or fetched.

    ``registered`` are names that the notebook itself registers, as `registered_in` has them; with None nothing is said.
    A file of weights may stand for a tag, relative to the project's folder ``root``.
    """
    for parameter in declared if registered is not None else ():
        for name in items_of(values[parameter.name]) if parameter.kind == BACKBONE else ():
            if name in registered or (root / str(name).partition(":")[2]).is_file():
                continue
            from zsas_lib.backbones.registry import require_backbone  # here: pages without a backbone do not need it

            try:
                require_backbone(str(name), other_weights=values.get(WEIGHTS) is not None)
            except UnknownNameError as error:
                yield f"Parameter {parameter.name!r}: {error}"


def registered_in(notebook: NotebookNode, root: Path) -> set[str] | None:
    """The names that the notebook's own cells give to backbones; None where reading the cells does not tell: a name
    that is computed, or a module of the project's folder that the notebook imports, which may register some."""
    names: set[str] = set()
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        try:
            nodes = list(ast.walk(ast.parse(cell.source)))
        except (SyntaxError, ValueError):  # a magic, a null character
            if REGISTER in cell.source:
                return None
            continue
        for node in nodes:
            if isinstance(node, ast.Import | ast.ImportFrom) and any(_is_own(name, root) for name in _modules(node)):
                return None
            if isinstance(node, ast.Call) and REGISTER in (
                getattr(node.func, "id", ""),
                getattr(node.func, "attr", ""),
            ):
                given = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "name")]
                if not given or not isinstance(given[0], ast.Constant):
                    return None
                names.add(str(given[0].value))
    return names


def _modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]


def _is_own(module: str, root: Path) -> bool:
    """Whether a module lies in the project's folder, the book's own packages aside."""
    first = module.partition(".")[0]
    return (
        bool(first)
        and first not in ("zsas_lib", "zsas_book")
        and ((root / f"{first}.py").is_file() or (root / first).is_dir())
    )
