"""Types and shapes are checked in the tests by jaxtyping and beartype, at a third of the price.

jaxtyping's own decorator compiles three checks of each function while it is imported, and looks at all arguments twice
in each call, before it and after it. Here a function is made ready when it is first called, its arguments are looked at
once and its result once, and sizes are noted only for functions that name some. What is checked is the same, but for
arguments that a function changes while it runs.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from types import FunctionType
from typing import Any, get_args, get_type_hints

import jaxtyping
from jaxtyping import AbstractArray
from jaxtyping._storage import pop_shape_memo, push_shape_memo

OWN_WAY = jaxtyping.jaxtyped


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
    same = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    same.__kwdefaults__, same.__qualname__, same.__module__ = (
        function.__kwdefaults__,
        function.__qualname__,
        function.__module__,
    )
    same.__annotations__ = hints
    checked = typechecker(same)
    if not arrays:
        return checked

    def with_sizes(*args, **kwargs):
        __tracebackhide__ = True
        push_shape_memo({})
        try:
            return checked(*args, **kwargs)
        finally:
            pop_shape_memo()

    return with_sizes


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
