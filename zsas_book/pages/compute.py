"""Computing one page of the book: a notebook with checked parameters, run, finished and published whole.

A page is published as ``NAME.ipynb``, the folder ``NAME_files`` of what its cells saved, and ``NAME.json``, its
certificate, which says what the page was made from and is written last: a page without one is not rendered. While a
notebook runs, the environment variable ``ZSAS_PAGE_FILES`` names the folder its cells may save files in; a cell's
output links to one of them as ``NAME_files/FILE``.
"""

import base64
import io
import json
import os
import re
import shlex
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, time

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from PIL import Image

from zsas_lib.base.digests import file_digest
from zsas_lib.base.files import locked
from zsas_lib.base.surroundings import library_files

from ..project.chapters import Page
from ..project.parameters import (
    Parameter,
    Value,
    papermill_options,
    parameters_cell,
    parameters_source,
    parameters_table,
    read_parameters,
    resolve,
)
from ..provenance import RECORD_TYPE, record_table
from .certificate import abbreviated, folder_fingerprint, unedited_since
from .execution import PageError, read_notebook, run_notebook

CELL_TIMEOUT_S = 3600
FITS = 80  # characters of a command that a page shows on one line; a longer one gets a line for each option
OPTION = re.compile(r" (?=-[pry] )")
HEAVY = 400_000  # bytes of a figure from which on it must hold photographs
MACHINERY = ("zsas_book/pages/", "zsas_book/project/parameters.py")
"""What of this package shapes a page from outside its kernel."""
HIDDEN = "remove-input"
TITLE = r"(?m)^# .*"


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

    Raises UnknownNameError or ParameterError before anything runs, PageError when the notebook cannot be read or does
    not run to its end; what `output` held before stays, and beside it a log, ``.logs/NAME.log``, until a run ends well.
    """
    given = {**page.parameters, **(overrides or {})}
    path = root / page.notebook
    source, digest = read_notebook(path), file_digest(path)
    declared = read_parameters(source)
    values = resolve(declared, given)
    started, start = time(), monotonic()
    log = output.parent / ".logs" / f"{output.stem}.log"
    with _work_folder(output) as work:
        files = work / f"{output.stem}_files"
        files.mkdir()
        notebook = run_notebook(
            _prepared(source, declared, values),
            page.notebook.as_posix(),
            root=root,
            work=work,
            files=files,
            log=log,
            cell_timeout=cell_timeout,
        )
        facts = _recorded(notebook, page)
        log.unlink(missing_ok=True)
        folders = [Path(described.pop("root")) for described in _data_sets(facts)]
        weights = facts.pop("weights", {})
        facts["computed"] = datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%d %H:%M UTC")
        facts["duration"] = f"{monotonic() - start:.0f} s"
        certificate = {
            "page": page.name,
            "profile": page.profile,
            "title": page.title,
            "given": given,
            "parameters": values,
            "notebook": {"path": page.notebook.as_posix(), "digest": digest},
            "library": unedited_since(started, facts["library"]["files"] | _machinery()),
            "data": {abbreviated(folder, root): folder_fingerprint(folder) for folder in folders},
            "weights": {abbreviated(Path(name), root): fingerprint for name, fingerprint in weights.items()},
            "record": facts,
        }
        _lighten(notebook)
        _show_record(notebook, facts)
        _show_how_made(notebook, commands(page, declared, values, overrides or {}), files)
        if declared:
            _show_parameters(notebook, declared, values)
        if page.title and not overrides:
            _show_title(notebook, page.title)
        if page.notice:
            _show_notice(notebook, page)
        own_labels(notebook, page.name)
        _scrub(notebook, page, values)
        with locked(output):
            _publish(notebook, certificate, files, output, work)
    return output


def check_parameters(page: Page, root: Path, overrides: Mapping[str, object]) -> None:
    """Raise what `compute_page` would raise for these parameters, before anything is written."""
    resolve(read_parameters(read_notebook(root / page.notebook)), {**page.parameters, **overrides})


def commands(
    page: Page, declared: Sequence[Parameter], values: Mapping[str, Value], overrides: Mapping[str, object]
) -> list[str]:
    """The shell commands that make this page again: with the book's own tool, and with plain papermill."""
    again = f"zsas run {page.name} --profile {page.profile}" if page.profile else f"zsas run {page.notebook.as_posix()}"
    for name in overrides:
        again += f" -p {name} {shlex.quote(str(values[name]))}"
    plain = f"papermill {page.notebook.as_posix()} out.ipynb {papermill_options(declared, values)}"
    return [again, plain.strip()]


def _prepared(source: NotebookNode, declared: Sequence[Parameter], values: Mapping[str, Value]) -> NotebookNode:
    """The notebook with `values` written into its parameters cell and a record as its last code cell."""
    if declared:
        parameters_cell(source).source = parameters_source(declared, values)
    code = [cell for cell in source.cells if cell.cell_type == "code"]
    if not code or not re.search(r"\brecord\(", code[-1].source):
        source.cells.append(new_code_cell("from zsas_book.provenance import record\n\nrecord()"))
    return source


def _recorded(notebook: NotebookNode, page: Page) -> dict:
    """The facts that the notebook's last code cell recorded."""
    for output in _last_code(notebook).outputs:
        if RECORD_TYPE in output.get("data", {}):
            return output.data[RECORD_TYPE]
    raise PageError(f"{page.notebook}: its last code cell does not end in its record(...); make it the last line.")


def _last_code(notebook: NotebookNode) -> NotebookNode:
    return [cell for cell in notebook.cells if cell.cell_type == "code"][-1]


def _data_sets(facts: Mapping) -> list[dict]:
    return [subject for subject in facts["subjects"].values() if isinstance(subject, dict) and "root" in subject]


def _show_record(notebook: NotebookNode, facts: dict) -> None:
    cell = _last_code(notebook)
    _hide_input(cell)
    for output in cell.outputs:
        if RECORD_TYPE in output.get("data", {}):
            output.data = {"text/markdown": record_table(facts)}


def _show_how_made(notebook: NotebookNode, again: Sequence[str], files: Path) -> None:
    page = files.name.removesuffix("_files")
    links = [f"{{download}}`{path.name} <{files.name}/{path.name}>`" for path in sorted(files.iterdir())]
    links.append(f"{{download}}`{page}.json <{page}.json>` (this page's record)")
    lines = [re.sub(OPTION, " \\\\\n    ", command) if len(command) > FITS else command for command in again]
    text = ["## How this page was made", "", "```bash", *lines, "```", "", f"Files: {', '.join(links)}."]
    notebook.cells.insert(notebook.cells.index(_last_code(notebook)), new_markdown_cell("\n".join(text)))


def _show_parameters(notebook: NotebookNode, declared: Sequence[Parameter], values: Mapping[str, Value]) -> None:
    cell = parameters_cell(notebook)
    _hide_input(cell)
    changed = sum(values[parameter.name] != parameter.default for parameter in declared)
    summary = f"{len(declared)} parameters, " + (
        f"{changed} of them not at the default" if changed else "all at their defaults"
    )
    text = f"<details>\n<summary>{summary}</summary>\n\n{parameters_table(declared, values)}\n\n</details>"
    notebook.cells.insert(notebook.cells.index(cell), new_markdown_cell(text))


def _show_title(notebook: NotebookNode, title: str) -> None:
    first = notebook.cells[0]
    if first.cell_type == "markdown" and re.search(TITLE, first.source):
        first.source = re.sub(TITLE, lambda _: f"# {title}", first.source, count=1)
    else:
        notebook.cells.insert(0, new_markdown_cell(f"# {title}"))


def _show_notice(notebook: NotebookNode, page: Page) -> None:
    notice = f":::{{admonition}} {page.profile.capitalize()} profile\n:class: note\n{page.notice}\n:::"
    first = notebook.cells[0]
    title = re.match(r"(?ms)(.*?^# [^\n]*)\n?(.*)", first.source) if first.cell_type == "markdown" else None
    if title:
        first.source = f"{title[1]}\n\n{notice}\n\n{title[2].lstrip()}".rstrip()
    else:
        notebook.cells.insert(0, new_markdown_cell(notice))


def own_labels(notebook: NotebookNode, page: str) -> None:
    """The label ``fig-a`` of a figure becomes ``PAGE-fig-a``, also where text refers to it: pages of one notebook, or
    figures of two notebooks that happen to be called the same, must not share a label in the book."""
    figures = [cell.metadata.get("mystnb", {}).get("figure", {}) for cell in notebook.cells]
    labels = [re.escape(figure["name"]) for figure in figures if "name" in figure]
    if not labels:
        return
    label = re.compile(rf"(?<![\w-])(?:{'|'.join(labels)})(?![\w-])")
    for figure in figures:
        if "name" in figure:
            figure["name"] = f"{page}-{figure['name']}"
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = label.sub(rf"{page}-\g<0>", cell.source)
        for output in cell.get("outputs", ()):
            if text := output.get("data", {}).get("text/markdown"):
                output.data["text/markdown"] = label.sub(rf"{page}-\g<0>", text)


def _hide_input(cell: NotebookNode) -> None:
    cell.metadata["tags"] = list(dict.fromkeys([*cell.metadata.get("tags", ()), HIDDEN]))


def _lighten(notebook: NotebookNode) -> None:
    """Round the colours of heavy figures to steps of 8 of 255: photographs look the same at half of the size."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            figure = base64.b64decode(output.get("data", {}).get("image/png", ""))
            if len(figure) > HEAVY:
                *colours, alpha = Image.open(io.BytesIO(figure)).convert("RGBA").split()
                colours = [channel.point(lambda level: min(255, (level + 4) // 8 * 8)) for channel in colours]
                rounded = io.BytesIO()
                Image.merge("RGBA", [*colours, alpha]).save(rounded, "PNG", optimize=True)
                output.data["image/png"] = base64.b64encode(rounded.getvalue()).decode()


def _scrub(notebook: NotebookNode, page: Page, values: Mapping[str, Value]) -> None:
    """Leave nothing of this machine in the metadata: no paths, no times of day."""
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
    done = notebook.metadata.papermill
    notebook.metadata.papermill = {
        "input_path": page.notebook.as_posix(),
        "parameters": dict(values),
        "duration": done.duration,
        "exception": done.exception,
        "version": done.version,
    }


def _publish(notebook: NotebookNode, certificate: dict, files: Path, output: Path, work: Path) -> None:
    nbformat.write(notebook, work / output.name)
    certificate["digest"] = file_digest(work / output.name)
    text = json.dumps(certificate, indent=1, ensure_ascii=False)
    (work / "certificate.json").write_text(text + "\n", encoding="utf-8")
    output.with_suffix(".json").unlink(missing_ok=True)
    shutil.rmtree(output.parent / files.name, ignore_errors=True)
    if any(files.iterdir()):
        files.rename(output.parent / files.name)
    (work / output.name).replace(output)
    (work / "certificate.json").replace(output.with_suffix(".json"))


@contextmanager
def _work_folder(output: Path) -> Iterator[Path]:
    """A hidden folder beside `output` for this process; those that killed processes left behind are removed."""
    prefix = f".{output.stem}.{socket.gethostname()}."
    for left in output.parent.glob(f"{prefix}*"):
        if not _runs(int(left.name.removeprefix(prefix))):
            shutil.rmtree(left, ignore_errors=True)
    work = (output.parent / f"{prefix}{os.getpid()}").absolute()
    work.mkdir(parents=True)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _machinery() -> dict[str, str]:
    return {name: digest for name, digest in library_files(("zsas_book",)).items() if name.startswith(MACHINERY)}
