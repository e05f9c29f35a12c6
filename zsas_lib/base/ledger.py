"""What this process has read and requested: library files, weights and stored results."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from .digests import PACKAGE

opened: set[Path] = set()
weights_read: dict[str, str] = {}
results_used: dict[str, Mapping[str, object]] = {}
watched: set[str] = set()
"""The folders that are watched (`watch_files`): none but in the process of one page or shard."""
requested: dict[Path, bool] = {}
"""The files of the store that hold what this process asked for, and whether it computed them itself."""


def note_requested(path: Path, computed: bool) -> None:
    """Remember that this process asked for the stored result in ``path``."""
    requested[path] = computed or requested.get(path, False)


def note_result(made: Mapping[str, object]) -> None:
    """From now on, `record` says where this result of the store was made: its device, commit and day."""
    results_used[str(made["file"])] = made


def watch_files(*folders: Path) -> None:
    """From now on, note which data files in these folders (None: the library's) this process opens, for
    `library_files`."""
    below = tuple(os.path.join(folder, "") for folder in folders or (PACKAGE,))
    watched.update(below)

    def note(event: str, arguments: tuple) -> None:
        if event == "open" and isinstance(arguments[0], str | os.PathLike):
            path = os.fspath(arguments[0])
            if isinstance(path, str) and path.startswith(below):
                opened.add(Path(path))

    sys.addaudithook(note)


def note_weights(path: Path) -> None:
    """Note that this process read its weights from a file, for `record`; those in the library are `library_files`."""
    if not path.is_relative_to(PACKAGE):
        weights_read[str(path.absolute())] = file_fingerprint(path)


def file_fingerprint(path: Path) -> str:
    """Size and time of a file, other whenever its content is."""
    status = path.stat()
    return f"{status.st_size} bytes of {status.st_mtime_ns}"
