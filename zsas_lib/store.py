"""Where results are kept, and what this process has asked of them; without the packages that results are made with."""

import os
from pathlib import Path

FOLDER_VARIABLE = "ZSAS_RESULTS"

asked: dict[Path, bool] = {}
"""The files that hold what this process asked for so far, and whether it computed them itself."""


def results_folder() -> Path:
    """Where results are stored: the folder in $ZSAS_RESULTS, else ``results`` in the project that the current folder
    lies in (known by its ``chapters.yaml`` and ``pyproject.toml``), else ``results`` in the current folder."""
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "chapters.yaml").is_file() and (folder / "pyproject.toml").is_file():
            return folder / "results"
    return here / "results"


def note(path: Path, computed: bool) -> None:
    """Remember that this process asked for what is in ``path``."""
    asked[path] = computed or asked.get(path, False)
