"""Notebooks as files: the one reader of ``NAME.ipynb``, and the two cells of ``NAME.md`` that nobody writes by hand.

``python -m zsas_book.project.notebooks``, in the project's folder, writes them into every ``notebooks/NAME.md``. The
one before the parameters installs the library where it is missing, as on Colab, from the repository that
``_config.yml`` names; where none is named, it says what to do. The one behind them checks what plain papermill was
given (see `given`). `make notebooks` runs it.
"""

import json
import re
from functools import lru_cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from .repository import repository

KERNEL = "python3"
FORBIDDEN = {"raises-exception", "skip-execution"}
"""Tags of cells by which a notebook would end well though not all of it ran well."""
CELL = """\
```{{code-cell}} ipython3
:tags: [remove-cell]

import importlib.util

if importlib.util.find_spec("zsas_lib") is None:  # on Colab, say
    {remedy}
```

"""
INSTALL = '%pip install --quiet "zsas-lib @ git+{url}@{branch}"'
EXPLAIN = (
    'raise ModuleNotFoundError("zsas_lib is not installed: pip install PATH, where PATH is a checkout of this book.")'
)
OLD = re.compile(
    r"```\{code-cell\} ipython3\n:tags: \[remove-cell\]\n\nimport importlib\.util\n.*?\n```\n\n", re.DOTALL
)
PARAMETERS = re.compile(r"```\{code-cell\} ipython3\n:tags: \[parameters\]\n.*?\n```\n\n", re.DOTALL)
CHECK = """\
```{code-cell} ipython3
:tags: [remove-cell]

from zsas_book.project.given import settle

settle(globals())  # what papermill was given is checked, and becomes of the types above
```

"""


class NotebookError(ValueError):
    """A notebook that cannot be read or is not for this environment's kernel. The message names it, and why."""


def read_notebook(path: Path) -> NotebookNode:
    """The notebook in `path`, parsed once while the file stays as it is: copy it before changing it.

    Raises NotebookError where there is none, it is none, a cell of it may fail without ending it (``raises-exception``)
    or is never run (``skip-execution``), or it is not for the kernel ``python3``.
    """
    try:
        status = path.stat()
        notebook = _parsed(path, status.st_mtime_ns, status.st_size)
    except FileNotFoundError:
        raise NotebookError(f"No notebook {path}; expected a .ipynb file.") from None
    except OSError as error:
        raise NotebookError(f"{path} cannot be read: {error.strerror}.") from None
    for cell in notebook.cells:
        if forbidden := sorted(FORBIDDEN & set(cell.metadata.get("tags", ()))):
            line = next((line for line in cell.source.splitlines() if line.strip()), "")
            raise NotebookError(
                f"{path}: the cell `{line}` is tagged {forbidden[0]!r}, but a page comes from a notebook that ran to "
                "its end, all of it; take the tag away."
            )
    named = notebook.metadata.get("kernelspec", {}).get("name", "none")
    if named != KERNEL:
        raise NotebookError(f"{path} asks for kernel {named!r}; expected {KERNEL!r}, the environment's own.")
    return notebook


@lru_cache(maxsize=100)
def _parsed(path: Path, modified: int, size: int) -> NotebookNode:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if not isinstance(found := json.loads(text), dict):
            raise ValueError(f"expected a JSON object, got {type(found).__name__}")
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
    except OSError:
        raise
    except Exception as error:  # whatever nbformat makes of what is no notebook
        cause = f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
        raise NotebookError(f"{path} cannot be read as a notebook in UTF-8 ({cause}).") from None
    return notebook


def install_cell(address: dict[str, str]) -> str:
    """The cell that installs the library, for a repository as `repository` gives it."""
    return CELL.format(remedy=INSTALL.format(**address) if address["url"] else EXPLAIN)


def with_own_cells(text: str, cell: str) -> str:
    """The notebook's text with `cell` before its parameters, in place of an older one, and their check behind them."""
    text = OLD.sub("", text).replace(CHECK, "")
    return PARAMETERS.sub(lambda found: cell + found[0] + CHECK, text, count=1)


def main() -> None:
    cell = install_cell(repository(Path.cwd()))
    for path in sorted(Path("notebooks").glob("*.md")):
        before = path.read_text(encoding="utf-8")
        after = with_own_cells(before, cell)
        if after != before:
            path.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
