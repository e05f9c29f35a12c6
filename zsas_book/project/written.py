"""Parameters and their values as text: Python source, a table, options of papermill."""

import ast
import math
import shlex
from collections.abc import Mapping, Sequence

import yaml

from ..escape import in_code, in_markdown
from .parameters import Parameter, ParameterError, Value


def parameters_source(parameters: Sequence[Parameter], values: Mapping[str, Value]) -> str:
    """The source of a parameters cell that declares the same parameters with `values` as their defaults."""
    return "\n".join(
        f"{parameter.name}: {parameter.type.removesuffix(' | None')} = {values[parameter.name]!r}"
        + (f"  # {parameter.help}" if parameter.help else "")
        for parameter in parameters
    )


def with_default(source: str, name: str, value: Value) -> str:
    """A parameters cell's source with another default for one of its parameters, all else as it stands there."""
    lines = source.encode().splitlines(keepends=True)
    (node,) = [line.value for line in ast.parse(source).body if line.target.id == name]
    if node.lineno != node.end_lineno:
        raise ParameterError(f"The default of {name!r} runs over several lines; write it in one.")
    line = lines[node.lineno - 1]
    lines[node.lineno - 1] = line[: node.col_offset] + literal(value).encode() + line[node.end_col_offset :]
    return b"".join(lines).decode()


def literal(value: Value) -> str:
    """A value as Python source that gives it again, text in double quotes where that needs no escape."""
    plain = isinstance(value, str) and value.isprintable() and not set('"\\') & set(value)
    return f'"{value}"' if plain else repr(value)


def parameters_table(parameters: Sequence[Parameter], values: Mapping[str, Value]) -> str:
    """A Markdown table of the parameters: name, type, default, value used (bold where it is another), meaning."""
    rows = ["| parameter | type | default | used here | meaning |", "|---|---|---|---|---|"]
    for parameter in parameters:
        value = values[parameter.name]
        name, kind, default, used = (
            in_code(text, cell=True) for text in (parameter.name, parameter.type, repr(parameter.default), repr(value))
        )
        used = used if value == parameter.default else f"**{used}**"
        rows.append(f"| {name} | {kind} | {default} | {used} | {in_markdown(parameter.help)} |")
    return "\n".join(rows)


def papermill_options(parameters: Sequence[Parameter], values: Mapping[str, Value]) -> str:
    """The options that make plain papermill use `values`, quoted for a shell; defaults are left out."""
    options = []
    for parameter in parameters:
        name, value = parameter.name, values[parameter.name]
        if value == parameter.default:
            continue
        if isinstance(value, list):
            text = yaml.safe_dump({name: value}, default_flow_style=True, width=math.inf).strip()
            options += ["-y", shlex.quote(text)]
        else:
            looks_like_text = not isinstance(value, str) or _papermill_keeps(value)
            options += ["-p" if looks_like_text else "-r", name, shlex.quote(str(value))]
    return " ".join(options)


def _papermill_keeps(text: str) -> bool:
    """Whether papermill's ``-p`` leaves `text` a string, as it does unless the text reads as something else."""
    if text in ("True", "False", "None"):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False
