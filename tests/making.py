"""The project's ``make``, called from a test that another ``make`` may have started."""

import os
import subprocess
from pathlib import Path

from mini_project import REPOSITORY

KEPT = ("PATH", "HOME", "TMPDIR")


def make(*words: str, folder: Path = REPOSITORY) -> str:
    """What ``make WORDS`` prints in `folder`, with none of the options and variables of a make around it, which come
    as variables of the environment. Raises CalledProcessError where it fails."""
    own = {name: os.environ[name] for name in KEPT if name in os.environ}
    command = ["make", "--no-print-directory", *words]
    return subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=True).stdout
