"""Folders in which something is made before it takes its place, and whose process still runs.

A work folder is hidden, has a random name, and a lock file beside it that its process holds until it ends, however it
ends. So a lock that nobody holds is that of a killed process, in whichever container that ran: numbers of processes and
names of machines would not tell, as containers share them.
"""

import fcntl
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = ".work-lock"


@contextmanager
def work_folder(place: Path, name: str) -> Iterator[Path]:
    """A new hidden folder for `name` in the folder `place`, removed at the end, by its absolute path.

    `place` is made where it is not there. What killed processes left there under the same name is removed first.
    """
    place.mkdir(parents=True, exist_ok=True)
    remove_left(place, name)
    lock = (place / f".{name}.{uuid.uuid4().hex}{LOCK}").absolute()
    with ExitStack() as held:
        with suppress(OSError):  # a file system without locks: then what killed processes leave behind stays
            held.enter_context(FileLock(lock, fallback_to_soft=False))
        held.callback(_remove, lock)
        work = lock.with_suffix("")
        work.mkdir()
        yield work


def remove_left(place: Path, name: str) -> None:
    """Remove the work folders for `name` in `place` that killed processes left behind."""
    for left in _locks(place, name):
        with suppress(Timeout, OSError), FileLock(left, blocking=False, fallback_to_soft=False):
            _remove(left)


def killed_since(place: Path, name: str, when: float = 0.0) -> bool:
    """Whether a process with a work folder for `name` in `place`, begun after the time `when`, was killed.

    It is known until the next one begins. `when` is in seconds, as of `time.time`.
    """
    return any(_is_left(lock, when) for lock in _locks(place, name))


def _locks(place: Path, name: str) -> list[Path]:
    if not place.is_dir():
        return []
    wanted = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{32}}{re.escape(LOCK)}")
    return sorted(path for path in place.iterdir() if wanted.fullmatch(path.name))


def _is_left(lock: Path, when: float) -> bool:
    try:
        with lock.open("rb") as file:
            if lock.stat().st_mtime <= when:
                return False
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:  # held, removed meanwhile, another user's, or no locks here
        return False
    return True


def _remove(lock: Path) -> None:
    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
    lock.unlink(missing_ok=True)
