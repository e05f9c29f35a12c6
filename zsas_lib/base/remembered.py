"""What was found of this package's own sources, kept beside what Python compiles of them for the processes that follow.

A digest follows hundreds of definitions, which takes a second, and every page of the book asks for some. What is found
depends on nothing but the sources' text and the code that follows them; the digests of both name the file, so that what
is kept is never stale. As with compiled code, nothing is kept where Python shall write none
(``PYTHONDONTWRITEBYTECODE``) or where the folder cannot be written, and nobody misses a file that is removed.
"""

import hashlib
import os
import pickle
import sys
from contextlib import suppress
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path

FOLLOWING = ("definitions.py", "graph.py", "sources.py")
SUFFIX = ".digests"
KEPT_STATES = 3
"""Of so many states of the sources, the last ones."""
DIGEST_BYTES = 32

Tables = dict[str, dict]


def recalled(sources: str) -> Tables:
    """What is kept of the sources of this digest: nothing where there is no file, or a damaged one."""
    with suppress(OSError):
        content = _file(sources).read_bytes()
        if hashlib.sha256(content[DIGEST_BYTES:]).digest() == content[:DIGEST_BYTES]:
            return pickle.loads(content[DIGEST_BYTES:])
    return {}


def keep(sources: str, tables: Tables) -> None:
    """Keep what was found, with what others kept meanwhile; of two that keep at once, one may be in vain."""
    if sys.dont_write_bytecode:
        return
    others = recalled(sources)
    content = pickle.dumps({name: others.get(name, {}) | table for name, table in tables.items()})
    file = _file(sources)
    unfinished = file.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(hashlib.sha256(content).digest() + content)
        unfinished.replace(file)
        if not others:
            states = sorted(file.parent.glob(f"*{SUFFIX}"), key=lambda each: each.stat().st_mtime, reverse=True)
            for old in states[KEPT_STATES:]:
                old.unlink(missing_ok=True)


def _file(sources: str) -> Path:
    place = Path(cache_from_source(__file__))
    return place.with_name(f"{place.stem}.{_following()[:8]}{sources[:24]}{SUFFIX}")


@cache
def _following() -> str:
    """SHA-256 of the code that follows the sources."""
    return hashlib.sha256(b"".join(Path(__file__).with_name(name).read_bytes() for name in FOLLOWING)).hexdigest()
