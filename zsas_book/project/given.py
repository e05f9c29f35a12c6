"""Parameters that plain papermill sets: its command line guesses their types, here the parameters cell's own decide.

``-p category 01`` is the number 1 for papermill, ``-p categories ring`` a word where a list is declared. The cell that
`notebooks.main` writes behind every notebook's parameters calls `settle`.
"""

import ast
from collections.abc import MutableMapping, Sequence
from typing import Any

from zsas_lib.base.errors import UnknownNameError

from .parameters import Parameter, ParameterError, Value, declarations
from .suited import unsuited

INJECTED = "# Parameters"  # how papermill begins the cell that it writes behind the parameters


def settle(names: MutableMapping[str, object]) -> None:
    """Check what the parameters of the notebook that runs here are now, and give each its declared type.

    ``names`` are the notebook's ``globals()``, with IPython's ``In``, the cells that have run. Raises UnknownNameError
    for a parameter that papermill set and the notebook does not have, and ParameterError for a value that is not
    allowed, or a backbone that a model cannot run on, before its weights are fetched. Without a cell of parameters
    among those that have run nothing is done.
    """
    cells: Sequence[str] = names["In"]
    place, declared = next(
        ((place, found) for place in range(len(cells) - 1, -1, -1) if (found := declarations(cells[place]))), (0, ())
    )
    known = {parameter.name for parameter in declared}
    for cell in cells[place + 1 :] if declared else ():
        if cell.startswith(INJECTED):
            for name in _assigned(cell):
                if name not in known:
                    raise UnknownNameError("parameter", name, known)
    for parameter in declared:
        names[parameter.name] = _settled(parameter, names[parameter.name])
    values: dict[str, Any] = {parameter.name: names[parameter.name] for parameter in declared}
    for problem in unsuited(declared, values, fetch=True):
        raise ParameterError(problem)


def _settled(parameter: Parameter, value: object) -> Value:
    """A number or a truth value alone is a list of one where a list of such is declared."""
    alone = parameter.is_list and parameter.scalar != "str" and isinstance(value, int | float)
    return parameter.coerce([value] if alone else value)


def _assigned(cell: str) -> list[str]:
    return [
        target.id
        for line in ast.parse(cell).body
        if isinstance(line, ast.Assign)
        for target in line.targets
        if isinstance(target, ast.Name)
    ]
