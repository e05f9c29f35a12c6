"""Computing one page of the book: a notebook with checked parameters, run, finished and published whole.

A page is published as ``NAME.ipynb``, the folder ``NAME_files`` of what its cells saved, and ``NAME.json``, its
certificate, which says what the page was made from and is written last: a page without one is not rendered. While a
notebook runs, the environment variable ``ZSAS_PAGE_FILES`` names the folder its cells may save files in; a cell's
output links to one of them as ``NAME_files/FILE``.
"""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, time

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from zsas_lib.base.digests import file_digest
from zsas_lib.base.surroundings import library_files
from zsas_lib.base.work import work_folder
from zsas_lib.base.writable import UnwritableError, why_unwritable
from zsas_lib.store.folder import require_writable_store

from ..project.backbones import registered_in
from ..project.chapters import COMPUTED, Page
from ..project.notebooks import read_notebook
from ..project.parameters import Parameter, Value, parameters_cell, read_parameters, resolve
from ..project.together import require_together
from ..project.written import parameters_source
from ..provenance import RECORD_TYPE
from .certificate import PageCertificate, sources_of
from .execution import PageError, run_notebook
from .finish import finish, last_code
from .publish import files_folder, publish, require_output

CELL_TIMEOUT_S = 3600
OUTSIDE_THE_KERNEL = ("zsas_book/pages/", "zsas_book/project/parameters.py", "zsas_book/project/written.py")
"""What of this package shapes a page from outside its kernel, and so makes it stale."""


def compute_page(
    page: Page,
    output: Path,
    *,
    root: Path,
    overrides: Mapping[str, object] | None = None,
    cell_timeout: int = CELL_TIMEOUT_S,
) -> Path:
    """Run the page's notebook with the page's parameters, `overrides` on top, and publish it as `output`.

    `root` is the project's folder, in which the notebook runs; `cell_timeout` is in seconds per cell. Returns `output`.

    Raises before anything runs: OutputError for an `output` that is not to be replaced (`require_output`; in the book's
    own folder a page takes its own place whatever is there), UnknownNameError, ParameterError or DataError (see
    `require_together`), UnwritableError where nothing can be written beside `output` or in the folder of results,
    NotebookError when the notebook cannot be read. Raises PageError when it does not run to its end; what `output` held
    before stays, and beside it a log, ``.logs/NAME.log``, until a run ends well.
    """
    overrides = overrides or {}
    check_output(page, output, root)
    path = root / page.notebook
    source, digest = read_notebook(path), file_digest(path)
    declared = read_parameters(source)
    values = resolve(declared, {**page.parameters, **overrides})
    require_together(declared, values, root, registered_in(source, root))
    require_places(output)
    started, start = time(), monotonic()
    log = output.parent / ".logs" / f"{output.stem}.log"
    with work_folder(output.parent, output.stem) as work:
        files = files_folder(work / output.name)
        files.mkdir()
        executed = run_notebook(
            prepared(source, declared, values),
            page.notebook.as_posix(),
            root=root,
            work=work,
            files=files,
            log=log,
            cell_timeout=cell_timeout,
        )
        facts = {
            **recorded(executed, page),
            "computed": datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "duration": f"{monotonic() - start:.0f} s",
        }
        log.unlink(missing_ok=True)
        certificate = PageCertificate(
            page=page.name,
            profile=page.profile,
            title=page.title,
            given={**page.parameters, **overrides},
            parameters=dict(values),
            notebook={"path": page.notebook.as_posix(), "digest": digest},
            digest="",  # of what is published: known then
            files=sorted(file.name for file in files.iterdir()),
            **sources_of(facts, root, facts["library"]["files"] | _files_outside_the_kernel(), started),
        )
        finished = finish(
            executed,
            certificate.record,
            page,
            declared,
            values,
            overrides=overrides,
            name=output.stem,
            files=certificate.files,
        )
        check_output(page, output, root)  # again: hours may have passed
        publish(finished, certificate, files, output, work)
    return output


def check_parameters(page: Page, root: Path, overrides: Mapping[str, object]) -> None:
    """Raise what `compute_page` would raise for these parameters, before anything is written."""
    source = read_notebook(root / page.notebook)
    declared = read_parameters(source)
    require_together(declared, resolve(declared, {**page.parameters, **overrides}), root, registered_in(source, root))


def require_places(output: Path) -> None:
    """Raises UnwritableError where nothing can be written beside `output`, or in the folder of results."""
    if reason := why_unwritable(output.parent):
        raise UnwritableError(
            f"Nothing can be written in {output.parent} ({reason}). Give another place with --output FILE.ipynb, and "
            "for results in $ZSAS_RESULTS; or work in a copy of the checkout that is yours."
        )
    require_writable_store()


def check_output(page: Page, output: Path, root: Path) -> None:
    """Raise what `compute_page` would raise for this output, before anything is written (see `require_output`)."""
    if output.parent.resolve() / output.name != (root / COMPUTED).resolve() / f"{page.name}.ipynb":
        require_output(output, page.name)


def prepared(source: NotebookNode, declared: Sequence[Parameter], values: Mapping[str, Value]) -> NotebookNode:
    """A copy of the notebook with `values` in its parameters cell and a record as its last code cell."""
    notebook = deepcopy(source)
    if declared:
        parameters_cell(notebook).source = parameters_source(declared, values)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not code or not re.search(r"\brecord\(", code[-1].source):
        notebook.cells.append(new_code_cell("from zsas_book.provenance import record\n\nrecord()"))
    return notebook


def recorded(notebook: NotebookNode, page: Page) -> dict:
    """The facts that the notebook's last code cell recorded. Raises PageError where it recorded none."""
    for output in last_code(notebook).outputs:
        if RECORD_TYPE in output.get("data", {}):
            return output.data[RECORD_TYPE]
    raise PageError(f"{page.notebook}: its last code cell does not end in its record(...); make it the last line.")


def _files_outside_the_kernel() -> dict[str, str]:
    files = library_files(("zsas_book",)).items()
    return {name: digest for name, digest in files if name.startswith(OUTSIDE_THE_KERNEL)}
