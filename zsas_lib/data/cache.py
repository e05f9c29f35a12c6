"""Where the library keeps what it can make again, such as the embedded data sets."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import platformdirs

from ..base.files import write_atomically
from ..base.places import expanded, private_folder


def cache_folder() -> Path:
    """The folder named by the environment variable ``ZSAS_CACHE``, or else this system's user cache of ``zsas_lib``.

    For a user without a home folder, or with one that is not there and cannot be made, it is one in the system's
    temporary folder.

    The folder is not created here: whoever writes into it does. Raises PermissionError as `private_folder`.
    """
    if named := os.environ.get("ZSAS_CACHE"):
        return expanded(named)
    try:
        folder = platformdirs.user_cache_path("zsas_lib", appauthor=False)
    except RuntimeError:  # no home; older ones give a path from the folder ~ in the current one
        folder = Path("~")
    there = next((place for place in (folder, *folder.parents) if place.is_dir()), None)
    made = there == folder or (there and folder.is_absolute() and os.access(there, os.W_OK))
    return folder if made else private_folder("zsas-cache")


def put(file: Path, content: bytes) -> None:
    """Write what later processes may read. Raises OSError where it cannot be written."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(file) as opened:
        opened.write(content)


def keep_last(entries: Iterable[Path], count: int) -> None:
    """Remove files and folders but the last ``count`` that were changed. Raises OSError where one is gone meanwhile."""
    for old in sorted(entries, key=lambda each: each.stat().st_mtime, reverse=True)[count:]:
        if old.is_dir():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.unlink(missing_ok=True)
