"""A book of two small pages, each on a toy library module of its own, with this project's real machinery."""

import os
import shutil
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from zsas_book.machine.warm import SOCKET_VARIABLE, serving

SHARDED = """\
  squares:
    notebook: notebooks/squares.ipynb
    shards: [seeds, numbers]
    parameters: {embedded: {numbers: [1, 2, 3], seeds: [0, 1]}, smoke: {numbers: [4], seeds: [0]}}
"""
KEPT_NUMBERS = """\
import os
import time
from pathlib import Path

from .base.files import locked, write_atomically
from .base.ledger import note_requested
from .store.folder import results_folder


def kept(kind, name, value, seconds):
    path = results_folder() / kind / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        computed = not path.is_file()
        if computed:
            time.sleep(seconds)
            with write_atomically(path) as file:
                file.write(f"{value}\\n".encode())
            with (results_folder() / "computed.log").open("a") as log:
                log.write(f"{kind}/{name}\\n")
    note_requested(path, computed)
    return int(path.read_text())
"""

REPOSITORY = Path(__file__).resolve().parents[1]
ROOMS = ("base", "store", "data", "models", "backbones", "metrics", "evaluation")
CHAPTERS = """\
profiles:
  embedded: {notice: These numbers show the method at work.}
  smoke: {}
pages:
  first: {notebook: notebooks/first.ipynb, parameters: {embedded: {rows: 2}, smoke: {}}}
  second: {notebook: notebooks/second.ipynb, parameters: {embedded: {}}}
"""
WARM = "zsas_book.machine.warm"
OFTEN = (
    "snakemake.cli",
    "jupyter_book.cli.main",
    "jupyter_book.sphinx",
    "sphinx.builders.html",
    "myst_nb.sphinx_ext",
    "sphinx_book_theme",
    "sphinx_external_toc",
    "sphinx_design",
    "sphinxcontrib.bibtex",
)
"""What the tests' server imports beside what pages need: they start Snakemake and render small books many times."""
SHARED = "ZSAS_TESTS_SERVER"
SNAKEMAKE = ("-m", "snakemake", "--snakefile", "zsas_book/workflow/Snakefile", "--cores", "2")
CONTENTS = """\
format: jb-book
root: intro
chapters:
  - file: _computed/first
  - file: _computed/second
  - file: _made/results
  - file: _made/claims
  - file: _made/status
  - file: _made/benchmarks
  - file: _made/towers
  - file: _made/reference
  - file: _made/reference/store
  - file: data_and_weights
  - file: references
"""
CLAIMS = """\
paper,place,claim,pages,test,printed,note
S,Table 1,The count grows,first,first:counts[category=b][count] > first:counts[category=a][count],,
S,Table 2,The second is there,second,second:counts[category=b][count] > 0,,
"""
COUNTS = """\
import os
from pathlib import Path

if folder := os.environ.get("ZSAS_PAGE_FILES"):
    Path(folder, "counts.csv").write_text(f"category,count\\na,{rows}\\nb,{2 * rows}\\n")
"""


def copy_sources(source: Path, target: Path, *without: str) -> None:
    """Copy a folder of sources, but for names like `without`, and what python compiled of them, which need not be done
    again in every copy: files of the tests' own checks, and those that are being written, stay behind."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*jaxtyping*", "*.pyc.*", *without))


def make(root: Path, *, sharded: bool = False, seconds: float = 0.0) -> Path:
    """Write the project into `root`, which must not exist yet.

    With `sharded` it has a third page, whose numbers are kept in the store and take `seconds` each; the file
    ``computed.log`` there names each one whenever it is computed.
    """
    library = root / "zsas_lib"
    library.mkdir(parents=True)
    for name in ROOMS:
        copy_sources(REPOSITORY / "zsas_lib" / name, library / name, "*.safetensors")
    shutil.copy(REPOSITORY / "zsas_lib" / "__init__.py", library)
    (library / "__init__.pyi").write_text("from .store.folder import results_folder as results_folder\n")
    (library / "alpha.py").write_text("def value():\n    return 1\n")
    (library / "beta.py").write_text("from .gamma import base\n\n\ndef value():\n    return base + 1\n")
    (library / "gamma.py").write_text("base = 10\n")
    copy_sources(REPOSITORY / "zsas_book", root / "zsas_book")
    (library / "papers").mkdir()
    shutil.copy(REPOSITORY / "zsas_lib" / "papers" / "__init__.py", library / "papers")
    (library / "papers" / "claims.csv").write_text(CLAIMS)
    for name in ("_static", "_extra", "_templates"):
        shutil.copytree(REPOSITORY / "book" / name, root / "book" / name)
    shutil.copy(REPOSITORY / "_config.yml", root)
    (root / "chapters.yaml").write_text(CHAPTERS)
    (root / "book" / "_toc.yml").write_text(CONTENTS)
    (root / "book" / "intro.md").write_text("# A small book\n\nTwo pages, $x^2$.\n")
    (root / "book" / "references.bib").write_text(
        "@misc{stangl2024, title = {A paper}, author = {Stangl, K.}, year = {2024}}\n"
    )
    (root / "book" / "references.md").write_text("# References\n\n```{bibliography}\n```\n")
    (root / "book" / "data_and_weights.md").write_text("# Data and weights\n\nIn `zsas.results_folder`.\n")
    write_notebook(
        root / "notebooks" / "first.ipynb", "from zsas_lib import alpha", "print(alpha.value() * rows)", COUNTS
    )
    write_notebook(root / "notebooks" / "second.ipynb", "from zsas_lib import beta", "print(beta.value() * rows)")
    if sharded:
        add_sharded(root, seconds)
    return root


def add_sharded(root: Path, seconds: float) -> None:
    (root / "pyproject.toml").touch()
    (root / "zsas_lib" / "kept_numbers.py").write_text(KEPT_NUMBERS)
    (root / "chapters.yaml").write_text(CHAPTERS + SHARDED)
    (root / "book" / "_toc.yml").write_text(CONTENTS + "  - file: _computed/squares\n")
    parameters = "numbers: list[int] = [1, 2]  # what is squared\nseeds: list[int] = [0]  # of the trainings"
    cells = [
        new_markdown_cell("# Squares\n\nA page in pieces."),
        new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        new_code_cell(
            "from zsas_lib.kept_numbers import kept\n"
            "from zsas_book.provenance import record\n\n"
            f"trained = [kept('trained', seed, 10 * seed, {seconds}) for seed in seeds]",
            metadata={"tags": ["shard"]},
        ),
        new_code_cell("print('not in a shard')"),
        new_code_cell(
            "squares = {}\n"
            "for number in numbers:\n"
            "    kept_ones = []\n"
            "    for seed, lesson in zip(seeds, trained):\n"
            f"        kept_ones.append(kept('squares', f'{{number}}_{{seed}}', lesson + number**2, {seconds}))\n"
            "    squares[number] = sum(kept_ones)",
            metadata={"tags": ["shard"]},
        ),
        new_code_cell("print('squares:', squares)"),
        new_code_cell("record(\n    numbers=len(squares),\n)"),
    ]
    write_cells(root / "notebooks" / "squares.ipynb", cells)


def write_notebook(path: Path, *cells: str) -> Path:
    """A notebook with a title, a parameter `rows` and these cells."""
    title = new_markdown_cell(f"# The {path.stem} page\n\nA page of a small book, without `zsas.results_folder()`.")
    parameters = new_code_cell("rows: int = 1  # how many rows (1 to 9)", metadata={"tags": ["parameters"]})
    return write_cells(path, [title, parameters, *map(new_code_cell, cells)])


def write_cells(path: Path, cells: list) -> Path:
    notebook = new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


@cache
def server() -> tuple[dict[str, str], AbstractContextManager]:
    """What serves all small projects of this process's tests, which it lives as long as: the variable that leads there,
    and what keeps it alive. Workers of one run share that of the process that started them."""
    if name := os.environ.get(SHARED):
        return {SOCKET_VARIABLE: name}, nullcontext()
    another = os.environ.pop(SOCKET_VARIABLE, None)
    held = serving(*OFTEN)
    held.__enter__()
    name = os.environ.pop(SOCKET_VARIABLE, None)
    if another:
        os.environ[SOCKET_VARIABLE] = another
    return {SOCKET_VARIABLE: name} if name else {}, held


def start_warm(patch: pytest.MonkeyPatch) -> None:
    """Kernels of this process start by the server of these tests."""
    for name, value in server()[0].items():
        patch.setenv(name, value)


def environment(root: Path, *, warm: bool = True) -> dict[str, str]:
    """Variables for programs in the project, whose library comes before the installed one, whose store is its own, and
    whose pages start by the server of these tests; not ``warm``, by one of their own."""
    others = {name: value for name, value in os.environ.items() if name not in ("ZSAS_RESULTS", SOCKET_VARIABLE)}
    return others | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"} | (server()[0] if warm else {})


def run_in(root: Path, *arguments: str, warm: bool = True) -> subprocess.CompletedProcess:
    """Run python in the project; Snakemake and modules of this project's own, if ``warm``, by the server of these
    tests."""
    if warm and arguments[0] == "-m" and arguments[1].startswith(("zsas_book.", "snakemake")) and arguments[1] != WARM:
        arguments = ("-m", WARM, *arguments[1:])
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env=environment(root, warm=warm),
        capture_output=True,
        text=True,
        check=False,
    )


def snakemake(root: Path, *options: str, warm: bool = True) -> subprocess.CompletedProcess:
    return run_in(root, *SNAKEMAKE, *options, warm=warm)
