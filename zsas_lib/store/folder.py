"""Where results are kept; without the packages that results are made with."""

import os
from pathlib import Path

FOLDER_VARIABLE = "ZSAS_RESULTS"


def results_folder() -> Path:
    """Where results are stored: the folder in $ZSAS_RESULTS, else ``results`` in the project that the current folder
    lies in (known by its ``chapters.yaml`` and ``pyproject.toml``), else ``results`` in the current folder.

    >>> zsas.results_folder().name
    'results'
    """
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named).expanduser()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "chapters.yaml").is_file() and (folder / "pyproject.toml").is_file():
            return folder / "results"
    return here / "results"
