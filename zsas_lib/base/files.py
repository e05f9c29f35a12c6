"""Files that appear whole or not at all, made by one process at a time; the removal of what killed writers left behind.

A file is written under a hidden name of its own beside its place and renamed when it is on the disk. Its writer holds a
lock on it until then, which ends with the process, however that ends. So a hidden file that is old and that nobody
holds has no writer any more, on whichever machine of a shared file system that was.
"""

import fcntl
import os
import socket
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

UNFINISHED = ".part"
OLD_S = 24 * 3600  # not needed where locks work; it covers file systems that pretend, and the moment before locking


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A new file to write into, which becomes `path` when the block ends well and is removed when it does not.

    Afterwards what killed writers left in the folder is removed. Raises OSError where the file cannot be written.
    """
    unfinished = path.with_name(f".{path.stem}.{uuid.uuid4().hex}{UNFINISHED}")
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
    _remove_left_behind(path.parent, now)


@contextmanager
def alone(*paths: Path) -> Iterator[None]:
    """Others that want to be alone with one of these files, which need not exist, wait until the block or its process ends.

    Whoever waited must look again: what it was to make may be there now. Where locks cannot be had (a file system without
    them, a full or read-only disk) nobody waits.
    """
    with ExitStack() as held:
        for path in sorted(set(paths)):
            held.enter_context(_locked(path.with_name(f".{path.name}.lock")))
        yield


@contextmanager
def only_one(lock: Path, words: str) -> Iterator[None]:
    """Waits, saying so in `words`, until no other process holds this lock file; it ends with the process, however that ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        with suppress(OSError):
            file = held.enter_context(lock.open("a+"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                print(f"{words} (process {file.read().strip()}); waiting for it to end.", file=sys.stderr, flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
            file.truncate(0)
            file.write(f"{os.getpid()} on {socket.gethostname()}\n")
            file.flush()
        yield


@contextmanager
def _locked(lock: Path) -> Iterator[None]:
    """The lock file is removed at the end, so one that was waited for may be another by now: then it is tried again."""
    with ExitStack() as held:
        with suppress(OSError):
            while True:
                file = held.enter_context(lock.open("ab"))
                fcntl.flock(file, fcntl.LOCK_EX)
                with suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                        held.callback(lock.unlink, missing_ok=True)
                        break
                file.close()
        yield


def _remove_left_behind(folder: Path, now: float) -> None:
    """Remove hidden files over a day old that no process holds; `now` is by the file system's own clock."""
    for left in folder.glob(f".*{UNFINISHED}"):
        with suppress(OSError):  # removed meanwhile, held, another user's, or no locks here: then it stays
            if left.stat().st_mtime < now - OLD_S:
                with left.open("r+b") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    left.unlink()
