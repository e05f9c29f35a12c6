"""Write into every notebooks/NAME.md the cell that installs the library where it is missing, as on Colab.

Where it is installed from is the repository that _config.yml names; where it names none, the cell says what to do. Run by
`make notebooks`, in the project's folder.
"""

import re
from pathlib import Path

from zsas_book.project.repository import repository

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
PARAMETERS = re.compile(r"```\{code-cell\} ipython3\n:tags: \[parameters\]\n")


def install_cell(address: dict[str, str]) -> str:
    """The cell, for a repository as `repository` gives it."""
    return CELL.format(remedy=INSTALL.format(**address) if address["url"] else EXPLAIN)


def with_install_cell(text: str, cell: str) -> str:
    """The notebook's text with `cell` before its parameters, in place of an older one."""
    text = OLD.sub("", text)
    return PARAMETERS.sub(lambda found: cell + found[0], text, count=1)


def main() -> None:
    cell = install_cell(repository(Path.cwd()))
    for path in sorted(Path("notebooks").glob("*.md")):
        before = path.read_text(encoding="utf-8")
        after = with_install_cell(before, cell)
        if after != before:
            path.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
