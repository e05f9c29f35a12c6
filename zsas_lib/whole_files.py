"""Files that appear whole or not at all, and the removal of what killed writers left behind.

A file is written under a hidden name of its own beside its place and renamed when it is on the disk. Its writer holds a
lock on it until then, which ends with the process, however that ends. So a hidden file that is old and that nobody
holds has no writer any more, on whichever machine of a shared file system that was.
"""

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


def _remove_left_behind(folder: Path, now: float) -> None:
    """Remove hidden files over a day old that no process holds; `now` is by the file system's own clock."""
    for left in folder.glob(f".*{UNFINISHED}"):
        with suppress(OSError):  # removed meanwhile, held, another user's, or no locks here: then it stays
            if left.stat().st_mtime < now - OLD_S:
                with left.open("r+b") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    left.unlink()
