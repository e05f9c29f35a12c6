"""Types and shapes are checked in the tests by jaxtyping and beartype, at a third of the price.

jaxtyping's own decorator compiles three checks of each function while it is imported, and looks at all arguments twice
in each call, before it and after it. Here a function is made ready when it is first called, its arguments are looked at
once and its result once, and sizes are noted only for functions that name some. What is checked is the same, but for
arguments that a function changes while it runs.

Whether an array fits a hint is found by `_fits`, which looks up what jaxtyping says of a dtype once for each, and notes
sizes as it goes.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from types import FunctionType
from typing import Any, get_args, get_type_hints

import jaxtyping
import numpy as np
import torch
from jaxtyping import AbstractArray
from jaxtyping import _array_types as axes
from jaxtyping import _storage as storage

OWN_WAY = jaxtyping.jaxtyped
FITS_IN_ITS_OWN_WAY = type(AbstractArray).__instancecheck__
ARRAYS = (torch.Tensor, np.ndarray)


def install() -> None:
    """Before anything that is checked is imported: what jaxtyping writes into its sources is this module's."""
    jaxtyping.jaxtyped = jaxtyped
    type(AbstractArray).__instancecheck__ = _fits


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
    made: Callable | None = None
    is_sized = False
    config, here = jaxtyping.config, storage._shape_storage

    @functools.wraps(subject)
    def checked(*args, **kwargs):
        nonlocal made, is_sized
        __tracebackhide__ = True
        if config.jaxtyping_disable:
            return subject(*args, **kwargs)
        if made is None:
            made, is_sized = _checking(subject, typechecker)
        if not is_sized:
            return made(*args, **kwargs)
        try:
            noted = here.memo_stack
        except AttributeError:  # the first in this thread
            noted = here.memo_stack = []
        noted.append(({}, {}, {}, {}))
        try:
            return made(*args, **kwargs)
        finally:
            noted.pop()

    checked.checked = True
    return checked


def _checking(function: FunctionType, typechecker: Callable) -> tuple[Callable, bool]:
    """The function, checked, and whether sizes are to be noted meanwhile; what is made bit by bit, or names a size by
    an argument, is left to jaxtyping."""
    kinds = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    hints = {name: _resolved(hint, function.__globals__) for name, hint in function.__annotations__.items()}
    arrays = [array for hint in hints.values() for array in _arrays(hint)]
    if any(kind(function) for kind in kinds) or any("{" in array.dim_str for array in arrays):
        return OWN_WAY(function, typechecker=typechecker), False
    same = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    same.__kwdefaults__, same.__qualname__, same.__module__ = (
        function.__kwdefaults__,
        function.__qualname__,
        function.__module__,
    )
    same.__annotations__ = hints
    return typechecker(same), bool(arrays)


@dataclass
class _Known:
    """Of a hint for arrays: its class of arrays, fixed sizes and names of others (None: any) before and behind an axis
    that stands for several (``rest``: its name, "" without one, None where there is no such axis), and which dtypes
    fit."""

    array_type: type
    before: tuple[int | str | None, ...]
    behind: tuple[int | str | None, ...]
    rest: str | None
    dtypes: dict[object, bool]


_known: dict[type, _Known | None] = {}
"""None: left to jaxtyping."""


def _fits(hint: Any, array: Any) -> bool:
    """Whether an array fits a hint, whose names then stand for its sizes."""
    try:
        known = _known[hint]
    except KeyError:
        known = _known[hint] = _read(hint)
    if known is None:
        return FITS_IN_ITS_OWN_WAY(hint, array)
    if not isinstance(array, known.array_type):
        return False
    dtype, shape = array.dtype, array.shape
    if dtype not in known.dtypes:
        known.dtypes[dtype] = FITS_IN_ITS_OWN_WAY(hint.dtype[hint.array_type, "..."], array)
    if not known.dtypes[dtype]:
        return False
    sizes, rests = storage.get_shape_memo()[:2]
    before, count = known.before, len(sizes)
    if known.rest is None:
        if len(shape) == len(before) and _noted(sizes, before, shape):
            return True
    elif known.rest in rests and rests[known.rest][0]:  # it may be broadcast
        return FITS_IN_ITS_OWN_WAY(hint, array)
    elif (end := len(shape) - len(known.behind)) >= len(before):
        noted = _noted(sizes, before, shape) and _noted(sizes, known.behind, shape[end:])
        rest = False, tuple(shape[len(before) : end])
        if noted and (not known.rest or rests.setdefault(known.rest, rest) == rest):
            return True
    while len(sizes) > count:
        sizes.popitem()
    return False


def _noted(sizes: dict[str, int], expected: tuple, shape: Any) -> bool:
    for one, size in zip(expected, shape):
        if one.__class__ is str:
            if sizes.setdefault(one, size) != size:
                return False
        elif one is not None and one != size:
            return False
    return True


def _read(hint: Any) -> _Known | None:
    """What is known of a hint that names arrays of which no more is asked than fixed sizes and equal ones."""
    if hint is AbstractArray or hint._skip_instancecheck or hint.array_type not in ARRAYS:
        return None
    found: list[int | str | None] = []
    for axis in hint.dims:
        if axis in (axes._anonymous_dim, axes._anonymous_variadic_dim):
            found.append(None)
        elif isinstance(axis, axes._SymbolicDim) or axis.broadcastable or getattr(axis, "treepath", False):
            return None
        else:
            found.append(axis.size if isinstance(axis, axes._FixedDim) else axis.name)
    if (at := hint.index_variadic) is None:
        return _Known(hint.array_type, tuple(found), (), None, {})
    return _Known(hint.array_type, tuple(found[:at]), tuple(found[at + 1 :]), str(found[at] or ""), {})


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
