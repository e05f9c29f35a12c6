"""Whether a folder can be written, asked before anything is computed for it."""

import tempfile
from pathlib import Path


class UnwritableError(OSError):
    """A folder in which nothing can be written. The message names it, says why, and what to do."""


def why_unwritable(folder: Path) -> str:
    """Why nothing can be written in a folder, which need not exist yet, in a few words; "" where something can.

    A file without a name is made in it, or in the folder that it would be made in, which is surer than to look at
    modes: disks may be read-only, quotas used up, and some users may do everything.
    """
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        return f"{place} is a file"
    try:
        with tempfile.TemporaryFile(dir=place):
            return ""
    except OSError as error:
        return f"{place}: {error.strerror}"
