"""The forward passes that a chapter says it takes, as ``costs`` of ``chapters.yaml`` write them.

A cost is a formula for each kind of model, "winclip" (with its windows), "learned", or "tower" (one that embeds a
picture once)::

    costs:
      winclip_vs_anomalyclip: {winclip: pictures, learned: seeds * (pictures + training)}

It holds whole numbers, names, ``+ - * //``, brackets and ``min(a, b)``. A name is a parameter of the notebook, a list
standing for its length and None for 0, or one of these:

pictures            how many pictures are looked at
training            passes of one training, 0 where another shard does it
adam                1 where the parameter ``search`` is "adam", which runs backward too, else 0
swept               different values of the parameter ``values`` together with 0; of an even grid, 13
models_that_learn   how many of the parameter ``models`` learn, and ``models_at_once`` how many do not
once                how many of ``models`` are in the list ``once``, where there is one

A trivial map takes no pass: it is none of ``models_at_once``, and where the parameter ``model`` names one all are 0.
"""

import ast
import operator
from collections.abc import Callable, Mapping

from zsas_lib.models import MODELS, list_trivial_maps

from ..project.chapters import ChaptersError

OPERATIONS: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}
GRID = 13
"""Values of a sweep's even grid."""


def passes(
    costs: Mapping[str, str | int], values: Mapping[str, object], pictures: int, training: int
) -> dict[str, int]:
    """The passes of each kind of model by its formula; ``values`` are the notebook's parameters.

    Raises ChaptersError for a formula that cannot be read, or a name in it that is none.
    """
    names = {name: number for name, value in values.items() if (number := _number(value)) is not None}
    names |= _facts(values) | {"pictures": pictures, "training": training}
    found = {kind: _value(formula, names) for kind, formula in costs.items()}
    return dict.fromkeys(found, 0) if values.get("model") in list_trivial_maps() else found


def _number(value: object) -> int | None:
    """A parameter as a formula sees it; None for what is no number: words, fractions, yes and no."""
    if value is None:
        return 0
    if isinstance(value, list):
        return len(value)
    return value if type(value) is int else None


def _facts(values: Mapping[str, object]) -> dict[str, int]:
    swept, models = values.get("values"), values.get("models") or []
    models = [name for name in models if name not in list_trivial_maps()]
    learn = sum(name in MODELS and MODELS[name].learns for name in models)
    return {
        "adam": int(values.get("search") == "adam"),
        "swept": len({*swept, 0.0}) if swept else GRID,
        "models_that_learn": learn,
        "models_at_once": len(models) - learn,
    } | ({"once": len({*models} & {*once})} if isinstance(once := values.get("once"), list) else {})


def _value(formula: str | int, names: Mapping[str, int]) -> int:
    try:
        return _evaluated(ast.parse(str(formula), mode="eval").body, names)
    except (SyntaxError, ValueError, ZeroDivisionError) as error:
        raise ChaptersError(f"The cost {formula!r} in chapters.yaml cannot be read: {error}") from None


def _evaluated(node: ast.expr, names: Mapping[str, int]) -> int:
    match node:
        case ast.Constant(value=int(number)) if type(number) is int:
            return number
        case ast.Name(id=name):
            if name not in names:
                raise ValueError(f"{name!r} is no number that is known; there are {', '.join(sorted(names))}.")
            return names[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATIONS:
            return OPERATIONS[type(op)](_evaluated(left, names), _evaluated(right, names))
        case ast.Call(func=ast.Name(id="min"), args=[first, second], keywords=[]):
            return min(_evaluated(first, names), _evaluated(second, names))
    raise ValueError(f"expected whole numbers, names, + - * // and min(a, b); got {ast.unparse(node)}.")
