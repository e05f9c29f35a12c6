"""The reference of the library's names: one page a room, made from the docstrings when the book is rendered.

What has an entry: every public name of ``zsas_lib/__init__.pyi`` (of a module among them, such as `metrics`, what it
holds), the models' classes with their options, and the functions and classes that a chapter imports from a room. The
pages are written from the sources alone, without importing them; Sphinx's autodoc fills them (see `signatures`).
"""

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import nbformat
import yaml

from .check import pages

PACKAGE = "zsas_lib"
ROOMS = {
    "backbones": "Frozen towers that turn pictures and sentences into vectors of one space.",
    "data": "Data sets in their official layouts.",
    "perturbations": "What is done to pictures: they are turned, or their hue or saturation is shifted.",
    "losses": "What the models that learn are trained with.",
    "metrics": "How good maps and scores are, for one category at a time.",
    "models": "The published models, all called as `model(images, class_names)`.",
    "evaluation": "A model over a data set.",
    "store": "Results, found again by what produced them.",
    "training": "Fitting what a model learns; the authors' checkpoints; models that are ready to predict.",
    "robustness": "How a model fares under perturbations: sweeps, and the search for the worst case.",
    "studies": "What single papers ask.",
    "papers": "The numbers that the papers print.",
}
"""The rooms that have a page, in reading order, and what each is for."""

ALSO = ("data.dataset.AnomalyDataset", "losses.focal_loss", "losses.dice_loss", "evaluation.tables.ResultTable")
"""What public names give or take, without being public names themselves."""

CODE = re.compile(
    r"(?ms)^ *(?P<fence>```+|~~~+).*?^ *(?P=fence)"  # left as it is
    r"|(?<![`}])`(?P<code>zsas\.(?P<name>[\w.]+)(?:\([^`<>\n]*\))?)`(?!`)"
)
"""Code in Markdown that is a name of the library; blocks of code, which stay as they are."""

INDEX = """\
Reference
=========

The functions and classes of the library, room by room, from their docstrings. What stands after ``zsas.`` is public
and stays. The examples begin after these lines and, on the embedded data and backbone, run anywhere:

.. code-block:: python

   import torch
   import zsas_lib as zsas

How to read a type
------------------

``Float[Tensor, "batch 3 height width"]`` is a tensor of floats with four axes, the second of length 3; ``Bool``,
``Int`` and ``np.ndarray`` likewise. An axis of the same name has the same length in all arguments and results of one
call, ``"..."`` is any number of axes and ``""`` none. Some types have names:

{types}
{rooms}
"""
ROOM = """\
{title}
{rule}

{purpose}

.. autosummary::
   :nosignatures:

{names}
"""


def public_names(root: Path) -> dict[str, str]:
    """Each public name as it is written after ``zsas.``, and the room that it lives in."""
    package = root / PACKAGE
    found = {}
    for statement in ast.parse((package / "__init__.pyi").read_text(encoding="utf-8")).body:
        for alias in statement.names:
            if statement.module:
                found[alias.name] = statement.module.partition(".")[0]
            else:
                found |= {f"{alias.name}.{name}": alias.name for name in _offered(_module(package, alias.name))}
    return {name: room for name, room in found.items() if "." not in name or name.rpartition(".")[2] not in found}


def entries(root: Path) -> dict[str, list[str]]:
    """The names below ``zsas_lib`` that have an entry, by room: public ones first. Only rooms whose page is in the
    book's table of contents are there."""
    package, public = root / PACKAGE, public_names(root)
    listed = pages(yaml.safe_load((root / "book" / "_toc.yml").read_text(encoding="utf-8")))
    by_room: dict[str, list[str]] = {room: [] for room in ROOMS if f"_made/reference/{room}" in listed}
    for name, room in public.items():
        if room in by_room:
            by_room[room].append(name)
    shown = {name.rpartition(".")[2] for name in public}
    also = [name for name in ALSO if (package / name.rpartition(".")[0].replace(".", "/")).with_suffix(".py").is_file()]
    for name in dict.fromkeys([*also, *_models(package), *_imported_by_chapters(root)]):
        room, last = name.split(".")[0], name.split(".")[-1]
        if room in by_room and last not in shown:
            by_room[room].append(name)
    return {room: names for room, names in by_room.items() if names}


def write_reference(root: Path, made: Path) -> None:
    """Write the pages of the reference into the folder `made` of the staged sources."""
    by_room = entries(root)
    folder = made / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    classes = {kind.name for _, kind in _statements(root / PACKAGE) if isinstance(kind, ast.ClassDef)}
    for room, names in by_room.items():
        text = f"{room.capitalize()}\n{'=' * len(room)}\n\n{ROOMS[room]}\n\n" + "\n".join(
            _directive(name, classes) for name in names
        )
        (folder / f"{room}.rst").write_text(text, encoding="utf-8")
    rooms = []
    for room, names in by_room.items():
        title = f":doc:`{room.capitalize()} <reference/{room}>`"
        listed = "\n".join(f"   ~{PACKAGE}.{name}" for name in names)
        rooms.append(ROOM.format(title=title, rule="-" * len(title), purpose=ROOMS[room], names=listed))
    types = "\n".join(f".. py:type:: {name}\n   :canonical: {kind}\n" for name, kind in _types(root / PACKAGE).items())
    text = INDEX.format(types=types, rooms="\n".join(rooms))
    (made / "reference.rst").write_text(text, encoding="utf-8")


def entry_link(name: str, shown: str = "") -> str:
    """Markdown that leads to the entry of a name below ``zsas_lib``; mere code where the book has no reference."""
    return f"{{py:obj}}`{shown or name.rpartition('.')[2]} <{PACKAGE}.{name}>`"


def linked(text: str, names: Collection[str]) -> str:
    """Markdown in which code such as ```zsas.evaluate``` or ```zsas.fit(...)``` leads to that name's entry."""

    def link(found: re.Match) -> str:
        if found["name"] not in names:
            return found[0]
        return entry_link(found["name"], found["code"])

    return CODE.sub(link, text)


def used_names(notebook: nbformat.NotebookNode, known: Mapping[str, Sequence[str]]) -> list[str]:
    """The names among `known` entries that a notebook's code uses, in the reference's order."""
    used = set(_used(notebook))
    return [
        name
        for names in known.values()
        for name in names
        if name in used or any(one.endswith(f".{name}") for one in used)
    ]


def _used(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """What a notebook's code takes from the library: public names, what it imports from rooms, and what it takes from
    these (``from zsas_lib.robustness import suitability``, ``suitability.picture_table``)."""
    tree = ast.parse("\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code"))
    imported = {
        alias.asname or alias.name: f"{node.module.removeprefix(f'{PACKAGE}.')}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}.")
        for alias in node.names
    }
    yield from imported.values()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if found := re.fullmatch(r"zsas\.([\w.]+)", ast.unparse(node)):
                yield found[1]
            elif isinstance(node.value, ast.Name) and node.value.id in imported:
                yield f"{imported[node.value.id]}.{node.attr}"


def _directive(name: str, classes: Collection[str]) -> str:
    """What has autodoc write the entry of a class, a constant (by its capitals) or a function."""
    last = name.rpartition(".")[2]
    if last in classes:
        return f".. autoclass:: {PACKAGE}.{name}\n   :members:\n"
    if last.isupper():
        return f".. autodata:: {PACKAGE}.{name}\n   :no-value:\n"
    return f".. autofunction:: {PACKAGE}.{name}\n"


def _module(package: Path, name: str) -> ast.Module:
    path = package / name / "__init__.py"
    return ast.parse((path if path.is_file() else package / f"{name}.py").read_text(encoding="utf-8"))


def _offered(module: ast.Module) -> list[str]:
    """The functions and classes that a module defines or takes over under their own names (``import f as f``)."""
    names = []
    for statement in module.body:
        if isinstance(statement, ast.ImportFrom):
            names += [alias.name for alias in statement.names if alias.asname == alias.name]
        elif isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            names.append(statement.name)
    return [name for name in names if not name.startswith("_")]


def _models(package: Path) -> Iterator[str]:
    """The classes of the models: those that say under which name they are loaded."""
    for path, kind in _statements(package / "models"):
        if isinstance(kind, ast.ClassDef) and any(_names_itself(statement) for statement in kind.body):
            yield f"models.{path.stem}.{kind.name}"


def _names_itself(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assign):
        return [ast.unparse(target) for target in statement.targets] == ["name"]
    return isinstance(statement, ast.FunctionDef) and statement.name == "name"


def _imported_by_chapters(root: Path) -> Iterator[str]:
    """The functions and classes that chapters use of the rooms' modules."""
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        for name in _used(nbformat.read(path, as_version=4)):
            module, _, last = name.rpartition(".")
            if _is_module(root / PACKAGE, module) and not _is_module(root / PACKAGE, name) and not last.isupper():
                yield name


def _is_module(package: Path, name: str) -> bool:
    path = package.joinpath(*name.split("."))
    return bool(name) and (path.is_dir() or path.with_suffix(".py").is_file())


def _types(package: Path) -> dict[str, str]:
    """The named types of the library, as they are written."""
    statements = [
        statement
        for _, statement in _statements(package)
        if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.annotation) == "TypeAlias"
    ]
    return {ast.unparse(statement.target): ast.unparse(statement.value).replace("'", '"') for statement in statements}


def _statements(folder: Path) -> Iterator[tuple[Path, ast.stmt]]:
    """What the modules below a folder define, and where."""
    for path in sorted(folder.rglob("*.py")):
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            yield path, statement
