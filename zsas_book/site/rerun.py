"""One page run anew, rendered beside the book's own run of it, with every number of both and their differences."""

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import nbformat
import pandas as pd
import yaml

from zsas_lib.base.work import remove_left

from ..escape import in_code, in_markdown
from ..machine.warm import command
from ..pages.certificate import PageCertificate
from ..pages.finish import own_labels
from ..pages.states import FRESH, PageState, page_state
from ..project.chapters import COMPUTED, Page
from ..project.repository import repository
from ..tables.numbers import published_numbers
from .staging import PUBLISHED, stage_page

RUNS = "runs"
CALLED = {"run": "This run", "book": "The book's run"}
"""What the two pages are called in the table of contents, where their own titles are the same."""
KEYS = ["table", "row", "column"]
SAME = 1e-9


def new_run_folder(name: str, root: Path) -> Path:
    """A new empty folder ``runs/NAME-1``, ``runs/NAME-2``, ... of the project at `root`.

    What killed runs of this name left in theirs is removed.
    """
    for before in (root / RUNS).glob(f"{name}-*"):
        remove_left(before, name)
    number = 1
    while True:
        folder = root / RUNS / f"{name}-{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return folder


def number_differences(old: Path, new: Path) -> pd.DataFrame:
    """Every number that two folders ``PAGE_files`` publish: table, row, column, book, run, difference = run - book.

    A number that only one of them has is NaN in the other, and so is its difference; those that both have come first.
    """
    old_numbers, new_numbers = (published_numbers(folder)[[*KEYS, "value"]] for folder in (old, new))
    both = new_numbers.merge(old_numbers, on=KEYS, how="outer", suffixes=("_run", "_book"), sort=False)
    both = both.rename(columns={"value_book": "book", "value_run": "run"})
    both["difference"] = both.run - both.book
    both = both.iloc[both.difference.isna().argsort(kind="stable")].reset_index(drop=True)
    return both[[*KEYS, "book", "run", "difference"]]


def render_beside(page: Page, run: Path, root: Path) -> tuple[Path, pd.DataFrame]:
    """Render the computed notebook `run` of `page` beside the book's, in the folder of `run`.

    Returns the HTML file to open and the table of `number_differences`, which is written as ``differences.csv`` too.
    Raises RuntimeError, naming the log, where jupyter-book fails.
    """
    folder, name = run.parent, page.name
    source = folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(
        root / "book", source, ignore=shutil.ignore_patterns("_build", "_computed", ".*", "*.md", "_toc.yml")
    )
    state = page_state(page, root)
    here = PageState(page, FRESH, certificate=PageCertificate.read(run.with_suffix(".json")))
    states = {"run": here, "book": state} if state.certificate else {"run": here}
    (source / "_runnable").mkdir()
    shutil.copy(root / page.notebook, source / "_runnable" / f"{name}.ipynb")
    for kind, one in states.items():
        (source / kind).mkdir()
        stage_page(one, folder if kind == "run" else root / COMPUTED, source / kind, repository(root), {})
        if kind == "book":
            staged = source / kind / f"{name}.ipynb"
            notebook = nbformat.read(staged, as_version=4)
            own_labels(notebook, "book")
            nbformat.write(notebook, staged)
    files = {kind: source / kind / f"{name}_files" for kind in ("book", "run")}
    table = number_differences(files["book"], files["run"])
    table.to_csv(folder / "differences.csv", index=False, float_format="%.6g")
    (source / "index.md").write_text(_index(page, states, table, files, run), encoding="utf-8")
    shutil.copy(root / "book" / "references.md", source)
    (source / "_toc.yml").write_text(yaml.safe_dump(contents(states, name)), encoding="utf-8")
    build = [
        *command("zsas_book.site.build"),
        "build",
        source,
        "--config",
        root / "_config.yml",
        "--path-output",
        folder,
        "--quiet",
        "--all",
    ]
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    log = folder / "rendering.log"
    log.write_text(built.stdout + built.stderr, encoding="utf-8")
    html = folder / "_build" / "html" / "index.html"
    if built.returncode != 0 or not html.is_file():
        raise RuntimeError(f"{run} was computed but could not be rendered; see {log}.")
    return html, table


def contents(kinds: Iterable[str], name: str) -> dict[str, object]:
    """The table of contents: the page ``name`` as this run and as the book's, so far as ``kinds`` has both."""
    listed = [{"file": f"{kind}/{name}", "title": CALLED[kind]} for kind in kinds]
    return {"format": "jb-book", "root": "index", "chapters": [*listed, {"file": "references"}]}


def changed_parameters(old: PageCertificate, new: PageCertificate) -> dict[str, tuple[object, object]]:
    """The parameters that differ between two runs, as (book, run)."""
    names = dict.fromkeys([*old.parameters, *new.parameters])
    pairs = {name: (old.parameters.get(name), new.parameters.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def summary(table: pd.DataFrame) -> str:
    """How many numbers there are and how many differ, in one sentence."""
    both = table.dropna(subset=["book", "run"])
    moved = both[both.difference.abs() > SAME]
    return (
        f"{len(table)} numbers: {len(both) - len(moved)} are the same, {len(moved)} differ, "
        f"{table.book.isna().sum()} are only in this run, {table.run.isna().sum()} only in the book's."
    )


def _index(
    page: Page, states: Mapping[str, PageState], table: pd.DataFrame, files: Mapping[str, Path], run: Path
) -> str:
    name = page.name
    lines = [
        f"# {name}: this run beside the book's",
        "",
        f"[This run](run/{name})" + (f" · [the book's](book/{name})" if "book" in states else ""),
        "",
    ]
    if "book" not in states:
        remedy = (
            f"`zsas run {name} --profile {page.profile}` makes it."
            if page.profile
            else "A notebook by itself is no page of the book."
        )
        return "\n".join([*lines, f"The book holds no run of this page to compare with. {remedy}", ""])
    lines += [summary(table), "", "## Parameters", "", "| parameter | book | this run |", "|---|---|---|"]
    changed = changed_parameters(states["book"].certificate, states["run"].certificate)
    lines += [
        f"| `{key}` | {in_code(repr(old), cell=True)} | **{in_code(repr(new), cell=True)}** |"
        for key, (old, new) in changed.items()
    ] or ["| none differs | | |"]
    figures = [path.name for path in sorted(files["run"].glob("*.svg")) if (files["book"] / path.name).is_file()]
    if figures:
        alts = _alternatives(run)
        lines += ["", "## Figures", "", "Left or first the book's, right or second this run's."]
        for figure in figures:
            alt = alts.get(Path(figure).stem, "").replace("\n", " ") or "Figure"
            lines += ["", f"### {Path(figure).stem}", "", "::::{div} zsas-beside"]
            for kind in ("book", "run"):
                lines += [f":::{{image}} {kind}/{name}_files/{figure}", f":alt: {CALLED[kind]}. {alt}", ":::"]
            lines.append("::::")
    lines += [
        "",
        "## Numbers",
        "",
        "{download}`differences.csv <../differences.csv>` has them as a file.",
        "",
        ":::{div} zsas-wide",
        "| table | row | column | book | this run | difference |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.table} | {in_markdown(row.row)} | {in_markdown(row.column)} "
        f"| {_number(row.book)} | {_number(row.run)} | {_number(row.difference, '+')} |"
        for row in table.itertuples()
    ]
    return "\n".join([*lines, ":::", ""])


def _alternatives(run: Path) -> dict[str, str]:
    """The alternative text of every figure that the notebook publishes, by the figure's name."""
    cells = nbformat.read(run, as_version=4).cells
    return {
        name: cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        for cell in cells
        if cell.cell_type == "code"
        for name in PUBLISHED.findall(cell.source)
    }


def _number(value: float, sign: str = "") -> str:
    return "" if pd.isna(value) else f"{value:{sign}.4g}"
