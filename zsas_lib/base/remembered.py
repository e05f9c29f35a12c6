"""Digests of this package's own sources, kept beside what Python compiles of them for the processes that follow.

A digest follows hundreds of definitions, which takes a second, and every page of the book asks for some. It depends on
nothing but the sources' text and the code that follows them, whose digests name the file, so that a kept one is never
stale. As with compiled code, nothing is kept where Python shall write none (``PYTHONDONTWRITEBYTECODE``) or where the
folder cannot be written, and nobody misses a file that is removed.
"""

import hashlib
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path

FOLLOWING = ("definitions.py", "graph.py", "sources.py")
SUFFIX = ".digests"
KEPT_STATES = 10
"""Of so many states of the sources, the last ones."""


def remembered(sources: str, question: str, answer: Callable[[], str]) -> str:
    """The digest that ``answer`` finds for a ``question`` to the sources of this digest, or found before."""
    file = _file(sources)
    asked = hashlib.sha256(question.encode()).hexdigest()
    with suppress(OSError, UnicodeDecodeError):
        if known := re.search(rf"^{asked} ([0-9a-f]{{64}})$", file.read_text("ascii"), re.MULTILINE):
            return known[1]
    found = answer()
    if not sys.dont_write_bytecode:
        with suppress(OSError):
            _keep(file, f"{asked} {found}\n")
    return found


def _file(sources: str) -> Path:
    place = Path(cache_from_source(__file__))
    return place.with_name(f"{place.stem}.{_following()[:8]}{sources[:24]}{SUFFIX}")


@cache
def _following() -> str:
    """SHA-256 of the code that finds the digests."""
    return hashlib.sha256(b"".join(Path(__file__).with_name(name).read_bytes() for name in FOLLOWING)).hexdigest()


def _keep(file: Path, line: str) -> None:
    """One line more, in one write, which others' lines do not come between."""
    is_new = not file.exists()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="ascii") as kept:
        kept.write(line)
    if is_new:
        states = sorted(file.parent.glob(f"*{SUFFIX}"), key=lambda each: each.stat().st_mtime, reverse=True)
        for old in states[KEPT_STATES:]:
            old.unlink(missing_ok=True)
