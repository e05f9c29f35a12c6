"""What a page says beyond what its notebook printed: edits of the executed notebook, which touch nothing else."""

import base64
import io
import re
import shlex
from collections.abc import Mapping, Sequence
from copy import deepcopy

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from PIL import Image

from ..escape import in_block
from ..project.chapters import Page
from ..project.kinds import BACKBONE
from ..project.own_data import has_own_data
from ..project.parameters import Parameter, Value, parameters_cell
from ..project.written import papermill_options, parameters_table
from ..provenance import RECORD_TYPE, record_table

COMMAND_WIDTH = 80  # characters of a command that a page shows on one line; a longer one gets a line for each option
OPTION = re.compile(r" (?=-[pry] )")
HEAVY = 400_000  # bytes of a figure from which on it must hold photographs
SQUEEZED = 7  # of 9, by which it would be a tenth smaller and take ten times as long
HIDDEN = "remove-input"
TITLE = r"(?m)^# .*"


def finish(
    executed: NotebookNode,
    facts: Mapping[str, object],
    page: Page,
    declared: Sequence[Parameter],
    values: Mapping[str, Value],
    *,
    overrides: Mapping[str, object],
    name: str,
    files: Sequence[str],
) -> NotebookNode:
    """The notebook as it is published; ``executed`` stays as it is.

    ``facts`` are what it recorded, ``declared`` and ``values`` its parameters, ``overrides`` those that are not the
    book's own; ``name`` is what the published notebook is called, ``files`` are the names of the files that it saved.
    """
    notebook = deepcopy(executed)
    lighten(notebook)
    show_record(notebook, facts)
    show_how_made(notebook, commands(page, declared, values, overrides), name, files)
    if declared:
        show_parameters(notebook, declared, values)
    if page.title and not overrides:
        show_title(notebook, page.title)
    given = [*overrides, BACKBONE] if page.fork_of else overrides
    if notice := page.own_data_notice if has_own_data(declared, values, given) else page.notice:
        show_notice(notebook, page, notice)
    own_labels(notebook, page.name)
    scrub(notebook, page, values)
    return notebook


def commands(
    page: Page, declared: Sequence[Parameter], values: Mapping[str, Value], overrides: Mapping[str, object]
) -> list[str]:
    """The shell commands that make this page again: with the book's own tool, and with plain papermill."""
    again = f"zsas run {page.name} --profile {page.profile}" if page.profile else f"zsas run {page.notebook.as_posix()}"
    for name in overrides:
        again += f" -p {name} {shlex.quote(str(values[name]))}"
    plain = f"papermill {page.notebook.as_posix()} out.ipynb {papermill_options(declared, values)}"
    return [again, plain.strip()]


def last_code(notebook: NotebookNode) -> NotebookNode:
    """The last code cell, which records what the page was made from."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"][-1]


def lighten(notebook: NotebookNode) -> None:
    """Round the colours of heavy figures to steps of 8 of 255: photographs look the same at half of the size."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            figure = base64.b64decode(output.get("data", {}).get("image/png", ""))
            if len(figure) > HEAVY:
                *colours, alpha = Image.open(io.BytesIO(figure)).convert("RGBA").split()
                colours = [channel.point(lambda level: min(255, (level + 4) // 8 * 8)) for channel in colours]
                rounded = io.BytesIO()
                Image.merge("RGBA", [*colours, alpha]).save(rounded, "PNG", compress_level=SQUEEZED)
                output.data["image/png"] = base64.b64encode(rounded.getvalue()).decode()


def show_record(notebook: NotebookNode, facts: Mapping[str, object]) -> None:
    """The recorded facts as a table, in place of the last cell's output; its code is hidden."""
    cell = last_code(notebook)
    _hide_input(cell)
    for output in cell.outputs:
        if RECORD_TYPE in output.get("data", {}):
            output.data = {"text/markdown": record_table(facts)}


def show_how_made(notebook: NotebookNode, again: Sequence[str], name: str, files: Sequence[str]) -> None:
    """A section before the record: the commands that make the page again, and links to its files."""
    links = [f"{{download}}`{file} <{name}_files/{file}>`" for file in sorted(files)]
    links.append(f"{{download}}`{name}.json <{name}.json>` (this page's record)")
    lines = [re.sub(OPTION, " \\\\\n    ", line) if len(line) > COMMAND_WIDTH else line for line in again]
    text = ["## How this page was made", "", *in_block(lines, "bash"), "", f"Files: {', '.join(links)}."]
    notebook.cells.insert(notebook.cells.index(last_code(notebook)), new_markdown_cell("\n".join(text)))


def show_parameters(notebook: NotebookNode, declared: Sequence[Parameter], values: Mapping[str, Value]) -> None:
    """The parameters as a table that opens, in place of their cell's code."""
    cell = parameters_cell(notebook)
    _hide_input(cell)
    changed = sum(values[parameter.name] != parameter.default for parameter in declared)
    which = f"{changed} of them not at the default" if changed else "all at their defaults"
    summary = f"{len(declared)} parameters, {which}"
    text = f"<details>\n<summary>{summary}</summary>\n\n{parameters_table(declared, values)}\n\n</details>"
    notebook.cells.insert(notebook.cells.index(cell), new_markdown_cell(text))


def show_title(notebook: NotebookNode, title: str) -> None:
    """The page's own title, in place of the notebook's."""
    first = notebook.cells[0]
    if first.cell_type == "markdown" and re.search(TITLE, first.source):
        first.source = re.sub(TITLE, lambda _: f"# {title}", first.source, count=1)
    else:
        notebook.cells.insert(0, new_markdown_cell(f"# {title}"))


def show_notice(notebook: NotebookNode, page: Page, notice: str) -> None:
    """The notice of the page's profile, under the title."""
    notice = f":::{{admonition}} {page.profile.capitalize()} profile\n:class: note\n{notice}\n:::"
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


def scrub(notebook: NotebookNode, page: Page, values: Mapping[str, Value]) -> None:
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


def _hide_input(cell: NotebookNode) -> None:
    cell.metadata["tags"] = list(dict.fromkeys([*cell.metadata.get("tags", ()), HIDDEN]))
