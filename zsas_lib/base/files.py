"""Atomic writes, outputs judged before them, locks between processes, and what killed writers left behind.

A file is written under a hidden name of its own beside its place and renamed when it is on the disk. Its writer holds a
lock on it until then, which ends with the process, however that ends. So a hidden file that is old and that nobody
holds is stale: it has no writer any more, on whichever machine of a shared file system that was.
"""

import fcntl
import os
import socket
import sys
import uuid
from collections.abc import Hashable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from filelock import FileLock, Timeout

from .errors import OptionError

UNFINISHED = ".part"
Name = TypeVar("Name")
OLD_S = 24 * 3600  # not needed where locks work; it covers file systems that pretend, and the moment before locking


def require_place(path: Path) -> None:
    """Judges, before it is computed, whether a file can be written at ``path``; its folder is made where there is none.

    What stands there is not touched. Raises OptionError, saying what is in the way.
    """
    if path.is_dir():
        raise OptionError(f"{path} is a folder; expected the name of a file to write.")
    if path.parent.exists() and not path.parent.is_dir():
        raise OptionError(f"{path.parent} is no folder, so that {path.name} cannot be written into it.")
    trial = _unfinished(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        trial.open("xb").close()
    except OSError as error:
        raise OptionError(f"No file can be written at {path} ({error.strerror}); name another place.") from error
    finally:
        with suppress(OSError):
            trial.unlink()


def require_new_file(path: Path) -> None:
    """Judges, as `require_place`, a file that must not be there yet, nor a link of its name. Raises OptionError."""
    if os.path.lexists(path) and not path.is_dir():
        raise OptionError(f"{path} is there already; remove it first, or name another file.")
    require_place(path)


@contextmanager
def write_atomically(path: Path) -> Iterator[BinaryIO]:
    """An atomic write: a new file that becomes `path` when the block ends well and is removed when it does not.

    Afterwards stale files of killed writers in the folder are removed. Raises OSError where the file cannot be written.
    """
    unfinished = _unfinished(path)
    try:
        with unfinished.open("xb") as file:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield file
            file.flush()
            os.fsync(file.fileno())
            now = os.fstat(file.fileno()).st_mtime
            unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    _remove_stale(path.parent, now)


@contextmanager
def locked(*paths: Path) -> Iterator[None]:
    """Hold an exclusive lock on each path, which need not exist, until the block or its process ends.

    Whoever waited for a lock must look again: what it was to make may be there now. Where locks cannot be had (a file
    system without them, a full or read-only disk) nobody waits.
    """
    with ExitStack() as held:
        for path in sorted(set(paths)):
            lock = path.with_name(f".{path.name}.lock")
            with suppress(OSError):
                held.enter_context(FileLock(lock, fallback_to_soft=False))
                held.callback(
                    lock.unlink, missing_ok=True
                )  # before it is released: who waits for it sees that it is gone
        yield


def free_first(places: Mapping[Name, Path | None], together: Mapping[Name, Hashable] | None = None) -> Iterator[Name]:
    """The names in their order, but one whose place another process has `locked` only when no other is left: who
    waits for nobody first does what is free, and processes that ask for the same share the work. None is never locked.

    Of names that are ``together``, by what they have in common, all are left to the process that does one of them, as
    long as there is something else.
    """
    left = list(places)
    groups = dict.fromkeys(left) if together is None else together

    def free(name: Name, others: bool) -> bool:
        group = [own for own in left if own == name or (others and groups[own] == groups[name])]
        return not any(_held(places[own]) for own in group)

    while left:
        alone = (name for others in (together is not None, False) for name in left if free(name, others))
        name = next(alone, left[0])
        left.remove(name)
        yield name


def _held(path: Path | None) -> bool:
    """Whether another process holds the lock of a path right now."""
    lock = None if path is None else path.with_name(f".{path.name}.lock")
    if lock is None or not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0, fallback_to_soft=False):
            lock.unlink(missing_ok=True)
    except Timeout:
        return True
    except OSError:  # where locks cannot be had
        return False
    return False


@contextmanager
def only_one(path: Path, words: str) -> Iterator[None]:
    """Hold this lock file, which stays and names its holder; while another process holds it, wait and say so in
    `words`.

    The lock ends with the process, however that ends. Where locks cannot be had nobody waits.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, fallback_to_soft=False)
    with ExitStack() as held:
        with suppress(OSError):
            try:
                held.enter_context(lock.acquire(blocking=False))
            except Timeout:
                print(
                    f"{words} (process {path.read_text().strip()}); waiting for it to end.", file=sys.stderr, flush=True
                )
                held.enter_context(lock)
            path.write_text(f"{os.getpid()} on {socket.gethostname()}\n")
        yield


def _unfinished(path: Path) -> Path:
    """The hidden name under which a file is written."""
    return path.with_name(f".{path.stem}.{uuid.uuid4().hex}{UNFINISHED}")


def _remove_stale(folder: Path, now: float) -> None:
    """Remove stale hidden files: over a day old, locked by no process; `now` is by the file system's own clock."""
    for left in folder.glob(f".*{UNFINISHED}"):
        with suppress(OSError):  # removed meanwhile, held, another user's, or no locks here: then it stays
            if left.stat().st_mtime < now - OLD_S:
                with left.open("r+b") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    left.unlink()
