"""Options that somebody gave: judged before anything runs, in one sentence that says what was expected."""

import math
from collections.abc import Iterable
from typing import Any, cast

import numpy as np

from .errors import OptionError


def whole_number(
    owner: str, name: str, value: object, low: int, high: int | None = None, expected: str = "a whole number"
) -> int:
    """``value``, if it is a whole number in low..high (None: no upper end).

    Raises OptionError, naming ``owner`` and the option's ``name``, for all else: fractions, NaN, text and booleans too.
    """
    if not is_whole(value, low, high):
        raise OptionError(f"{owner} got {name}={value!r}; expected {expected} {_range(low, high)}.")
    return int(cast(int, value))


def is_whole(value: object, low: int, high: int | None = None) -> bool:
    """Whether a value is a whole number in low..high (None: no upper end), numpy's too."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        return False
    return low <= int(value) and (high is None or int(value) <= high)


def number(
    owner: str,
    name: str,
    value: object,
    low: int | float,
    high: int | float | None = None,
    *,
    above: bool = False,
    expected: str = "a number",
) -> int | float:
    """``value``, if it is a finite number in low..high (None: no upper end), with ``above`` greater than ``low``.

    Raises OptionError as `whole_number` does.
    """
    fits = (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and (value > low if above else value >= low)
        and (high is None or value <= high)
    )
    if not fits:
        raise OptionError(f"{owner} got {name}={value!r}; expected {expected} {_range(low, high, above)}.")
    return value  # pyright: ignore[reportReturnType] a number, as was just asked


def plain(value: object) -> Any:
    """A number of numpy's as Python's own, which JSON knows; all else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def switch(owner: str, name: str, value: object) -> bool:
    """``value``, if it is True or False. Raises OptionError as `whole_number` does, for numbers and words too."""
    if not isinstance(value, bool):
        raise OptionError(f"{owner} got {name}={value!r}; expected True or False.")
    return value


def several(owner: str, name: str, value: object, kind: type | tuple[type, ...], expected: str) -> list[Any]:
    """``value`` as a list, if it is a list or a tuple of ``kind``; ``expected`` says of what, as in "class names".

    Raises OptionError as `whole_number` does, for a text too, which is no list of its letters.
    """
    if not isinstance(value, list | tuple) or not all(isinstance(own, kind) for own in value):
        raise OptionError(f"{owner} got {name}={value!r}; expected a list of {expected}.")
    return list(value)


def listed(value: str | Iterable[str]) -> list[str]:
    """Names as a list, one alone too, which is no list of its letters."""
    return [value] if isinstance(value, str) else list(value)


def _range(low: int | float, high: int | float | None, above: bool = False) -> str:
    if high is None:
        return f"above {low}" if above else f"of at least {low}"
    return f"above {low} and at most {high}" if above else f"in {low}..{high}"
