"""The sources of the book as they are rendered: its prose, and every computed page with how it stands at that moment.

A page gets, under its title, how it stands (fresh, stale, failed), when and in how long it was computed, and links to
its runnable notebook; beside every figure and table, its data and its vector file. A page without a computed notebook
is replaced by one that says what is missing and how to get it. What lies in ``book/_computed`` stays as it is.
"""

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from urllib.parse import quote

import nbformat
import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from ..escape import in_code, in_markdown
from ..pages.certificate import PageCertificate
from ..pages.states import ABSENT, FAILED, FRESH, PageState
from ..project.chapters import COMPUTED, Page
from ..project.notebooks import read_notebook
from ..project.parameters import parameters_cell, read_parameters, resolve
from ..project.repository import repository
from ..project.written import parameters_source
from .reference import entries, entry_link, linked, used_names

RUNNABLE = "_runnable"
MADE = "_made"
"""The folder of the pages that are made from what the computed pages carry."""
WIDE = "---\nhtml_theme.sidebar_secondary.remove: true\n---\n\n"
"""Head of a page whose table takes the room of the list of sections as well."""
BADGES = {FRESH: "success", FAILED: "danger", ABSENT: "danger"}
TITLE = re.compile(r"(?m)^# [^\n]*\n?")
PUBLISHED = re.compile(r"\bpublish(?:_table|_replicates)?\(.*?,\s*\"([\w-]+)\"", re.DOTALL)
HOW_TO = "[Data and weights](../data_and_weights) says how to get data sets and weights"


def stage(root: Path, source: Path, states: Iterable[PageState]) -> None:
    """Write the sources of the book of the project at `root` into the folder `source`, which is emptied first."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(root / "book", source, ignore=shutil.ignore_patterns("_build", "_computed", ".*"))
    computed = source / Path(COMPUTED).name
    computed.mkdir()
    (source / RUNNABLE).mkdir()
    address = repository(root)
    states = list(states)
    reference = entries(root)
    known = {name for names in reference.values() for name in names}
    for path in source.rglob("*.md"):
        path.write_text(linked(path.read_text(encoding="utf-8"), known), encoding="utf-8")
    trim_contents(source / "_toc.yml", {state.page.name for state in states})
    for state in states:
        write_runnable(state.page, root, source / RUNNABLE / f"{state.page.name}.ipynb", state.certificate)
        stage_page(state, root / COMPUTED, computed, address, reference)


def stage_page(
    state: PageState,
    folder: Path,
    to: Path,
    address: Mapping[str, str],
    reference: Mapping[str, Sequence[str]],
) -> None:
    """Write one page as it is rendered, with its files, from the computed ones in `folder` into the folder `to`.

    Names of the library in its text lead to their entries in the `reference` (names by room; empty where there is
    none), and those that its code uses are listed at its end.
    """
    name = state.page.name
    if state.word == FAILED:
        trace = state.log.read_bytes() if state.log else f"{state.page.notebook}: {state.reason}\n".encode()
        (to / f"{name}.log").write_bytes(trace)
    if not state.certificate:
        (to / f"{name}.md").write_text(_missing_page(state), encoding="utf-8")
        return
    notebook = nbformat.read(folder / f"{name}.ipynb", as_version=4)
    files = folder / f"{name}_files"
    if files.is_dir():
        shutil.copytree(files, to / files.name)
    shutil.copy(folder / f"{name}.json", to)
    _under_the_title(notebook, "\n\n".join([_facts(state, address), *_warnings(state)]))
    _beside_figures(notebook, files)
    lead_to_reference(notebook, reference)
    nbformat.write(notebook, to / f"{name}.ipynb")


def page_title(root: Path, state: PageState) -> str:
    """The title that the page shows: of its computed notebook, else of `PageState.title`."""
    path = root / COMPUTED / f"{state.page.name}.ipynb"
    if state.certificate and (first := nbformat.read(path, as_version=4).cells[0]).cell_type == "markdown":
        if found := re.search(r"(?m)^# (.*)", first.source):
            return found[1].strip()
    return state.title


def write_runnable(page: Page, root: Path, to: Path, certificate: PageCertificate | None) -> None:
    """The page's notebook without outputs, with the page's parameters as its defaults: what a reader downloads."""
    source = deepcopy(read_notebook(root / page.notebook))
    declared = read_parameters(source)
    if declared:
        values = (certificate.parameters if certificate else {}) or resolve(declared, page.parameters)
        known = {parameter.name for parameter in declared}
        if known == set(values):
            parameters_cell(source).source = parameters_source(declared, values)
    nbformat.write(source, to)


def launch_links(notebook: Path, address: Mapping[str, str]) -> dict[str, str]:
    """Where the runnable notebook opens in Colab and Binder; {} where no repository on GitHub is named."""
    found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+)", address["url"])
    if not found:
        return {}
    place, branch, path = found[1].removesuffix(".git"), quote(address["branch"], safe=""), quote(notebook.as_posix())
    return {
        "Colab": f"https://colab.research.google.com/github/{place}/blob/{branch}/{path}",
        "Binder": f"https://mybinder.org/v2/gh/{place}/{branch}?labpath={quote(notebook.as_posix(), safe='')}",
    }


def trim_contents(path: Path, names: set[str]) -> None:
    """Leave the computed pages that are not among `names`, which a profile does not make, out of the contents, which
    are those of the embedded profile. A page that only another profile has stands behind the one whose name begins
    its own ("vcp_comparison_btad" behind "vcp_comparison")."""
    if not path.is_file():
        return
    contents = yaml.safe_load(path.read_text(encoding="utf-8"))
    folder = Path(COMPUTED).name
    listed = set(re.findall(rf"{folder}/(\w+)", path.read_text(encoding="utf-8")))
    more: dict[str, list[str]] = {}
    for name in sorted(names - listed):
        if begun := [own for own in listed if name.startswith(f"{own}_")]:
            more.setdefault(max(begun, key=len), []).append(name)

    def page_of(entry: dict) -> str | None:
        place, _, name = str(entry.get("file", "")).removesuffix(".ipynb").partition("/")
        return name if place == folder else None

    def own_and_more(entry: dict) -> list[dict]:
        name = page_of(entry)
        kept = [trimmed(entry)] if name is None or name in names else []
        return kept + [{"file": f"{folder}/{one}"} for one in more.get(name or "", [])]

    def trimmed(entry: dict) -> dict:
        lists = {
            key: [one for each in entry[key] for one in own_and_more(each)]
            for key in ("parts", "chapters", "sections")
            if key in entry
        }
        return {key: value for key, value in (entry | lists).items() if value}

    path.write_text(yaml.safe_dump(trimmed(contents), sort_keys=False, allow_unicode=True), encoding="utf-8")


def lead_to_reference(notebook: NotebookNode, reference: Mapping[str, Sequence[str]]) -> None:
    """Links from the library's names in the text, and from a list of those in the code below it, to their entries."""
    known = {name for names in reference.values() for name in names}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = linked(cell.source, known)
    if used := [entry_link(name) for name in used_names(notebook, reference)]:
        notebook.cells.append(new_markdown_cell(f":::{{div}} zsas-files\nOf the library: {' · '.join(used)}\n:::"))


def _facts(state: PageState, address: Mapping[str, str]) -> str:
    record = state.certificate.record
    badge = f"{{bdg-{BADGES.get(state.word, 'warning')}}}`{state.word}`"
    when, took = record.get("computed", "at an unknown time"), state.certificate.duration or "?"
    made = f"computed {when} in {took} on {in_markdown(record['device'])}"
    links = [f"{{download}}`notebook <../{RUNNABLE}/{state.page.name}.ipynb>`"]
    links += [f"[{name}]({link})" for name, link in launch_links(state.page.notebook, address).items()]
    return f":::{{div}} zsas-facts\n{badge} {made} · {' · '.join(links)}\n:::"


def _warnings(state: PageState) -> list[str]:
    name = state.page.name
    if state.word == FAILED:
        return [
            f":::{{error}}\nThe last run of this page failed: {in_code(state.reason)} What is shown is the run before "
            f"it. The whole trace: {{download}}`{name}.log`.\n:::"
        ]
    if state.word != FRESH:
        return [
            f":::{{warning}}\nThis page is not what the sources would give now: {in_markdown(state.reason)}. "
            f"`zsas run {name} --profile {state.page.profile}` makes it again.\n:::"
        ]
    if state.missing_data:
        return [
            ":::{note}\nThis page was computed on another machine; its data are not on the one that rendered it. "
            f"{HOW_TO}.\n:::"
        ]
    return []


def _missing_page(state: PageState) -> str:
    """A page in place of one that cannot be shown: never computed, or without a readable certificate."""
    name = state.page.name
    lines = [f"# {state.title}", ""]
    if state.word == FAILED:
        lines += [
            ":::{error}",
            f"This page could not be computed: {in_code(state.reason)} The whole trace: {{download}}`{name}.log`.",
            ":::",
            "",
        ]
    elif state.word == ABSENT:
        lines += [":::{warning}", "This page has not been computed yet.", ":::", ""]
    else:
        lines += [":::{warning}", f"This page cannot be shown as it is: {in_markdown(state.reason)}.", ":::", ""]
    lines += [
        f"It is made from `{state.page.notebook}` by",
        "",
        "```bash",
        f"zsas run {name} --profile {state.page.profile}",
        "```",
        "",
        f"{HOW_TO}. The notebook with this page's parameters: {{download}}`{name}.ipynb <../{RUNNABLE}/{name}.ipynb>`.",
        "",
    ]
    return "\n".join(lines)


def _under_the_title(notebook: NotebookNode, text: str) -> None:
    first = notebook.cells[0]
    if first.cell_type == "markdown" and (title := TITLE.search(first.source)):
        first.source = f"{first.source[: title.end()].rstrip()}\n\n{text}\n\n{first.source[title.end() :].lstrip()}"
    else:
        notebook.cells.insert(0, new_markdown_cell(text))


def _beside_figures(notebook: NotebookNode, files: Path) -> None:
    """Under each cell that publishes a figure or a table, links to its files."""
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "code" and cell.outputs:
            names = dict.fromkeys(PUBLISHED.findall(cell.source))
            links = [
                f"{{download}}`{name}{suffix} <{files.name}/{name}{suffix}>`"
                for name in names
                for suffix in (".svg", ".csv")
                if (files / f"{name}{suffix}").is_file()
            ]
            if links:
                cells.append(new_markdown_cell(f":::{{div}} zsas-files\n{' · '.join(links)}\n:::"))
    notebook.cells = cells
