"""Types and shapes are checked in the tests by jaxtyping and beartype, at a third of the price.

jaxtyping's own decorator compiles three checks of each function while it is imported, and looks at all arguments twice
in each call, before it and after it. Here a function is made ready when it is first called, its arguments are looked at
once and its result once, and sizes are noted only for functions that name some. What is checked is the same, but for
arguments that a function changes while it runs.

Nearly all calls are of kinds that were seen before: arguments of the same types, and arrays of the same type and shape.
What was found right once is right again, so only the kinds are compared then (`_kind`).
"""

import functools
import inspect
from collections.abc import Callable, Collection, Hashable
from dataclasses import is_dataclass
from types import FunctionType
from typing import Any, get_args, get_type_hints

import jaxtyping
import numpy as np
import torch
from jaxtyping import AbstractArray
from jaxtyping._storage import pop_shape_memo, push_shape_memo

OWN_WAY = jaxtyping.jaxtyped
ARRAYS = (torch.Tensor, torch.nn.Parameter, np.ndarray)
PLAIN = (bool, int, float, str, type(None))
SEVERAL = (tuple, list)
MOST_PARTS, MOST_KINDS = 16, 2000


def install() -> None:
    """Before anything that is checked is imported: what jaxtyping writes into its sources is this module's."""
    jaxtyping.jaxtyped = jaxtyped


def jaxtyped(subject: Any = None, *, typechecker: Callable) -> Any:
    """As jaxtyping's: a function that is checked when called, a dataclass that is when one is made."""
    if subject is None:
        return functools.partial(jaxtyped, typechecker=typechecker)
    if inspect.isclass(subject):
        if is_dataclass(subject) and not hasattr(subject.__init__, "checked"):
            subject.__init__ = jaxtyped(subject.__init__, typechecker=typechecker)
        return subject
    if not isinstance(subject, FunctionType):
        return OWN_WAY(subject, typechecker=typechecker)
    if not subject.__annotations__ or hasattr(subject, "__no_type_check__"):
        return subject
    made: list[Callable] = []

    @functools.wraps(subject)
    def checked(*args, **kwargs):
        __tracebackhide__ = True
        if jaxtyping.config.jaxtyping_disable:
            return subject(*args, **kwargs)
        if not made:
            made.append(_checking(subject, typechecker))
        return made[0](*args, **kwargs)

    checked.checked = True
    return checked


def _checking(function: FunctionType, typechecker: Callable) -> Callable:
    """The function, checked; what is made bit by bit, or names a size by an argument, is left to jaxtyping."""
    kinds = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    hints = {name: _resolved(hint, function.__globals__) for name, hint in function.__annotations__.items()}
    arrays = [array for hint in hints.values() for array in _arrays(hint)]
    if any(kind(function) for kind in kinds) or any("{" in array.dim_str for array in arrays):
        return OWN_WAY(function, typechecker=typechecker)
    checked = typechecker(_with_hints(function, hints))
    if not arrays:
        return checked
    told: list[object] = []
    again = typechecker(_with_hints(_telling(function, told), hints))
    right: dict[Hashable, set[Hashable]] = {}

    def with_sizes(*args, **kwargs):
        __tracebackhide__ = True
        given = _kinds(args, kwargs)
        seen = right.get(given) if given is not None else None
        result = function(*args, **kwargs) if seen is not None else None
        if seen is not None and _kind(result) in seen:
            return result
        push_shape_memo({})
        try:
            if seen is None:
                result = checked(*args, **kwargs)
            else:
                told.append(result)
                again(*args, **kwargs)
        finally:
            told.clear()
            pop_shape_memo()
        if given is not None and (kind := _kind(result)) is not None and len(right) < MOST_KINDS:
            right.setdefault(given, set()).add(kind)
        return result

    return with_sizes


def _with_hints(function: FunctionType, hints: dict) -> FunctionType:
    same = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    same.__kwdefaults__, same.__qualname__, same.__module__ = (
        function.__kwdefaults__,
        function.__qualname__,
        function.__module__,
    )
    same.__annotations__ = hints
    return same


def _telling(function: FunctionType, told: list[object]) -> FunctionType:
    """A function with the parameters of another, which returns what it was told, so that it can be looked at."""
    signature = inspect.signature(function)
    bare = [each.replace(annotation=each.empty, default=each.empty) for each in signature.parameters.values()]
    names: dict = {"told": told}
    exec(f"def telling{inspect.Signature(bare)}: return told.pop()", names)
    telling = names["telling"]
    telling.__name__, telling.__qualname__, telling.__module__ = (
        function.__name__,
        function.__qualname__,
        function.__module__,
    )
    telling.__defaults__, telling.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    return telling


def _kind(value: object) -> Hashable:
    """What decides whether a value fits any hint: of arrays type, numbers and shape, of plain values these, of a list of
    one kind that kind, of others their class. None where more decides: of several things beartype looks at one."""
    own = type(value)
    if own in ARRAYS:
        return own, value.dtype, value.shape
    if own in PLAIN:
        return own, value
    if own in SEVERAL:
        kinds = {_kind(part) for part in value[:MOST_PARTS]}
        return None if len(kinds) != 1 or None in kinds or len(value) > MOST_PARTS else (own, *kinds)
    return None if isinstance(value, Collection | Callable) and not isinstance(value, torch.nn.Module) else own


def _kinds(args: tuple, kwargs: dict) -> Hashable:
    kinds = (*kwargs, *map(_kind, args), *map(_kind, kwargs.values()))
    return None if None in kinds else kinds


def _resolved(hint: object, names: dict) -> object:
    """A hint without strings in it; what they name cannot always be found here, and is anything then."""

    def holder(value): ...

    holder.__annotations__ = {"value": hint}
    try:
        return get_type_hints(holder, names, include_extras=True)["value"]
    except Exception:  # as jaxtyping does
        return Any


def _arrays(hint: object) -> list[type[AbstractArray]]:
    if inspect.isclass(hint) and issubclass(hint, AbstractArray):
        return [hint]
    return [array for part in get_args(hint) for array in _arrays(part)]
