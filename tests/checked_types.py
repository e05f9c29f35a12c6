"""Types and shapes are checked in the tests by jaxtyping and beartype, at a third of the price.

jaxtyping's own decorator compiles three checks of each function while it is imported, and looks at all arguments twice
in each call, before it and after it. Here a function is made ready when it is first called, its arguments are looked at
once and its result once, and sizes are noted only for functions that name some. What is checked is the same, but for
arguments that a function changes while it runs.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from types import FunctionType
from typing import Any, get_args, get_origin, get_type_hints

import jaxtyping
from jaxtyping import AbstractArray
from jaxtyping._storage import pop_shape_memo, push_shape_memo

OWN_WAY = jaxtyping.jaxtyped
INSIDE = "<locals>"
"""In the name of a function that another defines anew in each of its calls."""


@dataclass(frozen=True)
class Inner:
    """Such a function's check, which others of its code, names and hints can have too; it keeps all of them alive."""

    function: FunctionType
    names: dict
    given: dict
    checked: Callable
    sized: bool


INNER: dict[tuple, Inner] = {}
"""By where their code and names are, and by type checker."""


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
    code, names = function.__code__, function.__globals__
    given = {name: _meant(hint) for name, hint in function.__annotations__.items()}
    place = id(code), id(names), typechecker
    if place in INNER and INNER[place].given == given:
        return _sized(_rebound(INNER[place], function), INNER[place].sized)
    kinds = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    hints = {name: _resolved(hint, names) for name, hint in function.__annotations__.items()}
    arrays = [array for hint in hints.values() for array in _arrays(hint)]
    if any(kind(function) for kind in kinds) or any("{" in array.dim_str for array in arrays):
        return OWN_WAY(function, typechecker=typechecker)
    same = FunctionType(code, names, function.__name__, function.__defaults__, function.__closure__)
    same.__kwdefaults__, same.__qualname__, same.__module__ = (
        function.__kwdefaults__,
        function.__qualname__,
        function.__module__,
    )
    same.__annotations__ = hints
    checked = typechecker(same)
    if INSIDE in function.__qualname__ and same in (checked.__kwdefaults__ or {}).values():
        INNER[place] = Inner(same, names, given, checked, bool(arrays))
    return _sized(checked, bool(arrays))


def _rebound(inner: Inner, function: FunctionType) -> Callable:
    """What a type checker made for one function, for another of the same code: it holds the one as a default."""
    made = inner.checked
    other = FunctionType(made.__code__, made.__globals__, made.__name__, made.__defaults__, made.__closure__)
    other.__kwdefaults__ = {
        name: function if value is inner.function else value for name, value in made.__kwdefaults__.items()
    }
    return other


def _sized(checked: Callable, sized: bool) -> Callable:
    """With a place of its own for the sizes that its arrays have, where it has some."""
    if not sized:
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


def _meant(hint: object) -> object:
    """What two hints have in common that say the same: jaxtyping makes a class anew whenever one is written."""
    if inspect.isclass(hint) and issubclass(hint, AbstractArray):
        return hint.dtype, hint.array_type, hint.dim_str
    parts = get_args(hint)
    return (get_origin(hint), *map(_meant, parts)) if parts else hint


def _arrays(hint: object) -> list[type[AbstractArray]]:
    if inspect.isclass(hint) and issubclass(hint, AbstractArray):
        return [hint]
    return [array for part in get_args(hint) for array in _arrays(part)]
