"""What masks say nothing, kept in the cache folder for the processes that follow.

To look at a mask takes milliseconds, and every page of the book loads whole data sets of hundreds or thousands. What is
found depends on nothing but the file and the code that looks at it; size, times and place of the one and the digest of
the other are part of what is kept, so that it is never stale. Nothing is kept where the folder cannot be written, and
nobody misses a file that is removed.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import PIL

from .cache import cache_folder, keep_last, put

MANY = 20
"""Of so many masks at least that a process looked at, it keeps what it found."""
LOOKING = ("extreme_masks.py", "masks.py", "pictures.py", "soft_masks.py")
KEPT_FOLDERS = 20
"""Of so many data sets, the last ones."""
SUFFIX = ".json"

Known = dict[tuple, str | None]
"""By the rule and the states of a picture's masks."""


def recalled(root: Path) -> Known:
    """What is kept of the masks of a data set: nothing where there is no file, or a damaged one."""
    with suppress(OSError, ValueError, TypeError):
        found = json.loads(_file(root).read_bytes())
        return {(rule, *map(tuple, states)): kind for rule, states, kind in found}
    return {}


def keep(root: Path, known: Mapping[tuple, str | None]) -> None:
    """Keep what was found, beside what is kept of other masks; of two that keep at once, one may be in vain."""
    anew = {_named(key) for key in known}
    others = {key: kind for key, kind in recalled(root).items() if _named(key) not in anew}
    content = [[key[0], key[1:], kind] for key, kind in {**others, **known}.items()]
    with suppress(OSError):
        file = _file(root)
        put(file, json.dumps(content).encode())
        keep_last(file.parent.glob(f"*{SUFFIX}"), KEPT_FOLDERS)


def _named(key: tuple) -> tuple:
    """The rule and the masks, in whatever state."""
    return key[0], *(state[0] for state in key[1:])


def _file(root: Path) -> Path:
    name = hashlib.sha256(looking().encode() + os.fsencode(os.path.abspath(root))).hexdigest()
    return cache_folder() / "masks" / f"{name[:32]}{SUFFIX}"


@cache
def looking() -> str:
    """SHA-256 of the code that looks at masks."""
    code = b"".join(Path(__file__).with_name(name).read_bytes() for name in LOOKING)
    return hashlib.sha256(code + PIL.__version__.encode()).hexdigest()
