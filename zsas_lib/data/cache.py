"""Where the library keeps what it can make again, such as the embedded data sets."""

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """The folder named by the environment variable ``ZSAS_CACHE``, or else this system's user cache of ``zsas_lib``.

    The folder is not created here: whoever writes into it does.
    """
    named = os.environ.get("ZSAS_CACHE")
    return Path(named).expanduser() if named else platformdirs.user_cache_path("zsas_lib", appauthor=False)
