"""The typed parameters of a notebook: read from its cell tagged ``parameters``, checked, coerced and shown.

Each line of that cell reads ``name: type = default  # help``, so that plain papermill, Jupyter and this module read
the same thing. Types are ``int``, ``float``, ``str``, ``bool`` and ``list[...]`` of them; a default of ``None`` allows
``None``. The help may end in what is allowed: ``(one of: a, b)``, ``(0 to 90 degrees)``, ``(at least 1)``, ``(at most
1)``, ``(above 0)`` or ``(above 0, at most 1)``, or what is named: ``(a data set)``, ``(a model)`` or another of
`kinds.KINDS`, which the library knows, ``(a folder)`` or another of `kinds.ELSEWHERE`. For a list this holds for each
item. A list has each item once, for what is named twice would count twice, and at least one, unless its default is
empty or its help says ``or none``. A notebook whose models no parameter names says which must run on its backbone, ``(a
backbone for anomalyclip, vcpclip+)``.
"""

import ast
import math
import re
import tokenize
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from io import StringIO
from typing import Any

from nbformat import NotebookNode

from zsas_lib.base.errors import UnknownNameError, meant

from .kinds import BACKBONE, DATASET, ELSEWHERE, FOLDER, KINDS, known_names

Scalar = int | float | str | bool
Value = Scalar | list | None

TAG = "parameters"
SCALARS = {"int": int, "float": float, "str": str, "bool": bool}
ITEM = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([^,]*?))\s*(?:,|$)""")
OR_NONE = re.compile(r"\bor none\b")
PAIRED = (DATASET, FOLDER)  # kinds whose lists go together item by item, so that one may be there twice
NUMBER = r"[-+]?[\d.]+(?:e[-+]?\d+)?"
ALLOWED = re.compile(
    rf"\((?:one of: (?P<choices>[^()]+)|(?P<low>{NUMBER}) to (?P<high>{NUMBER})(?: [^()]+)?"
    rf"|at least (?P<least>{NUMBER})(?: [^()]+)?|at most (?P<most>{NUMBER})(?: [^()]+)?"
    rf"|above (?P<above>{NUMBER})(?:, at most (?P<top>{NUMBER}))?"
    r"|an? (?P<kind>[a-z ]+?)(?: for (?P<models>[a-z][a-z+, -]*))?)\)$"
)


class ParameterError(ValueError):
    """A parameter whose value or declaration is wrong. The message names it, what it takes and what came."""


@dataclass(frozen=True)
class Parameter:
    """One parameter as a notebook declares it; `choices`, `low` and `high` are what its help allows, ``above``
    whether `low` itself is not, `kind` what its value names, `models` those that run on a backbone, ``repeats`` whether
    its list may name one thing twice."""

    name: str
    scalar: str
    is_list: bool
    default: Value
    help: str = ""
    choices: tuple[Scalar, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    kind: str = ""
    models: tuple[str, ...] = ()
    repeats: bool = False

    @property
    def names(self) -> tuple[Scalar, ...]:
        """The choices: those written out, or those of its kind that the registries have; () where all is allowed."""
        return tuple(known_names(self.kind)) if self.kind in KINDS else self.choices

    @property
    def type(self) -> str:
        """The type as people write it, such as ``list[float]`` or ``str | None``."""
        return (f"list[{self.scalar}]" if self.is_list else self.scalar) + (" | None" if self.default is None else "")

    @property
    def allowed(self) -> str:
        """Type, choices and range in words."""
        if names := self.names:
            meant = f" ({self._a_kind})" if re.search(" (?:that|with) ", self.kind) else ""
            return f"{self.type}, one of {', '.join(map(str, names))}{meant}"
        if self.kind:
            models = f" for {', '.join(self.models)}" if self.models else ""
            return f"{self.type}, {self._a_kind}{models}"
        if math.isfinite(self.low) and math.isfinite(self.high):
            between = "above {:g}, at most {:g}" if self.above else "from {:g} to {:g}"
            return f"{self.type} {between.format(self.low, self.high)}"
        if math.isfinite(self.low):
            return f"{self.type} {'above' if self.above else 'of at least'} {self.low:g}"
        return f"{self.type} of at most {self.high:g}" if math.isfinite(self.high) else self.type

    @property
    def _a_kind(self) -> str:
        return f"{'an' if self.kind[0] in 'aeiou' else 'a'} {self.kind}"

    def check(self, value: object) -> Value:
        """`value` as this parameter's type (an int becomes a float where one is asked for).

        Raises ParameterError when it has another type or is not allowed.
        """
        if value is None and self.default is None:
            return None
        if self.is_list != isinstance(value, list | tuple):
            raise self._refusal(value)
        return self._check_list(value) if isinstance(value, list | tuple) else self._check_item(value, value)

    def coerce(self, value: object) -> Value:
        """As `check`, and a string, from a command line or YAML's ``1e-4``, is read as the declared type."""
        if isinstance(value, str):
            if self.default is None and value.strip() in ("None", "null"):
                return None
            if self.is_list:
                value = _listed(value.strip())
        if self.is_list and isinstance(value, list | tuple):
            return self.check([self._read(item, value) for item in value])
        return self.check(self._read(value, value))

    def _read(self, item: object, whole: object) -> object:
        if not isinstance(item, str) or self.scalar == "str":
            return item
        try:
            return _read_bool(item) if self.scalar == "bool" else SCALARS[self.scalar](item)
        except ValueError:
            raise self._refusal(whole) from None

    def _check_list(self, value: Sequence[object]) -> list[Scalar]:
        items = [self._check_item(item, value) for item in value]
        if not items and self.default != [] and not OR_NONE.search(self.help):
            raise self._refusal(value, " Give at least one.")
        for place, item in enumerate(items):
            if item in items[:place] and not self.repeats:
                raise self._refusal(value, f" It has {item!r} more than once, which would count more than once.")
        return items

    def _check_item(self, item: object, whole: object) -> Scalar:
        if self.scalar == "float" and type(item) is int:
            item = float(item)
        if type(item) is not SCALARS[self.scalar]:
            raise self._refusal(whole)
        if self.scalar in ("int", "float"):
            high_enough = item > self.low if self.above else item >= self.low
            if not (math.isfinite(item) and high_enough and item <= self.high):
                raise self._refusal(whole)
        if (names := self.names) and item not in names:
            raise self._refusal(whole, meant(item, map(str, names)))
        return item

    def _refusal(self, value: object, remedy: str = "") -> ParameterError:
        if self.scalar == "str" and any(isinstance(item, int | float) for item in items_of(value)):
            quoted = f"-y '{{{self.name}: [\"01\"]}}'" if self.is_list else f"-r {self.name} 01"
            remedy = f" A name that looks like a number is text in quotes, '01'; with papermill: {quoted}."
        return ParameterError(
            f"Parameter {self.name!r} takes {self.allowed}; got {value!r} ({type(value).__name__}). "
            f"Its default is {self.default!r}.{remedy}"
        )


def read_parameters(notebook: NotebookNode) -> tuple[Parameter, ...]:
    """The parameters a notebook declares, in its order; none without a cell tagged ``parameters``.

    Raises ParameterError when a line of that cell is not ``name: type = default  # help``.
    """
    cell = parameters_cell(notebook)
    return _declared(cell.source) if cell is not None else ()


def declarations(source: str) -> tuple[Parameter, ...]:
    """The parameters that a cell's source declares; none for a cell that is no cell of parameters.

    Raises ParameterError as `read_parameters`, for a cell that holds nothing but annotated names with values.
    """
    try:
        lines = ast.parse(source).body
    except (SyntaxError, ValueError):  # a magic, a null character
        return ()
    annotated = [isinstance(line, ast.AnnAssign) and line.value is not None for line in lines]
    return _declared(source) if annotated and all(annotated) else ()


def parameters_cell(notebook: NotebookNode) -> NotebookNode | None:
    """The cell tagged ``parameters``."""
    return next((cell for cell in notebook.cells if TAG in cell.metadata.get("tags", ())), None)


def resolve(parameters: Sequence[Parameter], given: Mapping[str, object]) -> dict[str, Value]:
    """Every parameter's value: the given one, coerced and checked, or the default.

    Raises UnknownNameError for a name that is not declared and ParameterError for a value that is not allowed.
    """
    known = {parameter.name for parameter in parameters}
    for name in given:
        if name not in known:
            raise UnknownNameError("parameter", name, known)
    return {
        parameter.name: parameter.coerce(given[parameter.name]) if parameter.name in given else copy(parameter.default)
        for parameter in parameters
    }


def _listed(text: str) -> list[object]:
    """A list as people write it: ``a, b``, ``[a, b]``, with quotes around what holds a comma, or Python's own way."""
    if text.startswith("[") and text.endswith("]"):
        try:
            items = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            items = [None]
        if all(isinstance(item, str) for item in items):
            return items
        text = text[1:-1]
    return [next(filter(None, found.groups()), "") for found in ITEM.finditer(text) if found[0]]


def items_of(value: object) -> Sequence[object]:
    """What a value names: the items of a list, none of None, else itself."""
    return value if isinstance(value, list | tuple) else [] if value is None else [value]


def _read_bool(text: str) -> bool:
    if text.strip().lower() not in ("true", "false"):
        raise ValueError(text)
    return text.strip().lower() == "true"


@lru_cache(maxsize=100)
def _declared(source: str) -> tuple[Parameter, ...]:
    """Kept by content: each of a page's many shards asks for the same."""
    try:
        lines = ast.parse(source).body
    except (SyntaxError, ValueError) as error:  # ValueError: a null character
        raise ParameterError(f"The parameters cell is no Python: {error}.") from None
    comments = {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    return tuple(
        _read_declaration(line, comments.get(line.end_lineno, ""), ast.get_source_segment(source, line))
        for line in lines
    )


def _read_declaration(statement: ast.stmt, comment: str, source: str) -> Parameter:
    if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value):
        raise ParameterError(
            f"The parameters cell holds only lines such as `steps: int = 9  # how many (1 to 90)`; got `{source}`."
        )
    declared = re.fullmatch(r"(?:list\[(\w+)\]|(\w+))(?: \| None)?", ast.unparse(statement.annotation))
    scalar = declared and (declared[1] or declared[2])
    if scalar not in SCALARS:
        raise ParameterError(f"`{source}` has an unknown type; write one of {', '.join(SCALARS)} or list[...] of one.")
    try:
        default = ast.literal_eval(statement.value)
    except ValueError:
        raise ParameterError(f"The default in `{source}` must be written out, not computed.") from None
    is_list = declared[1] is not None
    bare = Parameter(statement.target.id, scalar, is_list, default, comment)
    allowed = _allowed(comment, bare, source)
    bare = replace(bare, repeats=allowed.get("kind") in PAIRED)
    parameter = replace(bare, default=bare.check(default), **allowed)
    if not parameter.kind:
        parameter.check(parameter.default)
    return parameter


def _allowed(comment: str, parameter: Parameter, source: str) -> dict[str, Any]:
    """The fields of `Parameter` that a help text ends in: choices, limits, or a kind of names."""
    found = ALLOWED.search(comment)
    if found is None:
        return {}
    if found["choices"]:
        choices = tuple(parameter._read(item.strip(), comment) for item in found["choices"].split(","))
        return {"choices": choices}
    if found["kind"]:
        if parameter.scalar != (dict.fromkeys(KINDS, "str") | ELSEWHERE).get(found["kind"]):
            raise ParameterError(
                f"The help of `{source}` ends in what no registry has, ({found['kind']}); expected a str, and one of "
                f"{', '.join([*KINDS, *ELSEWHERE])}. Write other remarks without brackets."
            )
        models = tuple(found["models"].split(", ")) if found["models"] else ()
        if models and found["kind"] != BACKBONE:
            raise ParameterError(
                f"The help of `{source}` names models behind a {found['kind']}; expected a {BACKBONE}."
            )
        return {"kind": found["kind"], "models": models}
    low = found["low"] or found["least"] or found["above"]
    high = found["high"] or found["most"] or found["top"]
    above = found["above"] is not None
    return {"low": float(low or -math.inf), "high": float(high or math.inf), "above": above}
