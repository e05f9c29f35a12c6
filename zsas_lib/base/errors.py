"""Errors that name what was expected, what came, and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class UnknownNameError(ValueError):
    """A name that nothing is registered under. The message lists the known names and the closest match."""

    def __init__(self, kind: str, name: object, known: Iterable[str], remedy: str = ""):
        known = sorted(known)
        hint = meant(name, known)
        super().__init__(
            f"Unknown {kind} {name!r}; known: {', '.join(known) or 'none'}.{hint}{' ' + remedy if remedy else ''}"
        )


def meant(name: object, known: Iterable[str]) -> str:
    """A sentence with the one of the ``known`` names that ``name`` is most like, behind a space; "" where none is."""
    close = get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


class DataError(ValueError):
    """A data set or weights file that is missing, incomplete or unreadable. The message names it and the remedy."""


class OptionError(ValueError):
    """An option's value that cannot be, or cannot go with the others. The message says what was expected and what
    came."""
