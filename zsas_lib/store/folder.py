"""Where results are kept; without the packages that results are made with."""

import os
from pathlib import Path

from ..base.writable import UnwritableError, why_unwritable

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


def require_writable_store(store: Path | None = None) -> Path:
    """The folder of results, ``store`` or `results_folder`, if results can be kept in it.

    Raises UnwritableError where they cannot; nothing is made.
    """
    folder = store or results_folder()
    if reason := why_unwritable(folder):
        raise UnwritableError(
            f"Results cannot be kept in {folder} ({reason}). Name a folder that can be written in ${FOLDER_VARIABLE}."
        )
    return folder
