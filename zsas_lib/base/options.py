"""Numbers that somebody gave: judged before anything runs, in one sentence that says what was expected."""

import math

from .errors import OptionError


def whole_number(
    owner: str, name: str, value: object, low: int, high: int | None = None, expected: str = "a whole number"
) -> int:
    """``value``, if it is a whole number in low..high (None: no upper end).

    Raises OptionError, naming ``owner`` and the option's ``name``, for all else: fractions, NaN, text and booleans too.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
        raise OptionError(f"{owner} got {name}={value!r}; expected {expected} {_range(low, high)}.")
    return value


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


def _range(low: int | float, high: int | float | None, above: bool = False) -> str:
    if high is None:
        return f"above {low}" if above else f"of at least {low}"
    return f"above {low} and at most {high}" if above else f"in {low}..{high}"
