"""Where the library keeps what it can make again, such as the embedded data sets."""

import os
from pathlib import Path

import platformdirs

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
