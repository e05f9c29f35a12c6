"""What every page of the book has: looked for in every notebook, and in every rendered page where the book has been
built."""

import ast
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import jupytext
import pytest
from mini_project import REPOSITORY

from zsas_book.project import notebooks
from zsas_book.project.chapters import load_pages
from zsas_book.project.parameters import parameters_cell, read_parameters
from zsas_book.project.repository import repository
from zsas_book.site.judging import NO_NUMBER, judge
from zsas_book.site.staging import PUBLISHED
from zsas_lib.papers import claims

pytestmark = pytest.mark.every_parameter  # a page that is added or changed is looked through at once
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.md"))
HTML = REPOSITORY / "book" / "_build" / "html" / "_computed"
COMPUTED = REPOSITORY / "book" / "_computed"
PAGES = list(load_pages(REPOSITORY, "embedded"))
LONGEST_CELL, WIDEST, MOST_LINES = 30, 120, 1900
MOST_OF_ONE = 100
"""A cell's lines of code, the columns of one, the lines of the twenty chapters that there were when this was set, which
are `FIRST`, and those of any other chapter: what does more is a function."""
FIRST = {
    *("audit", "best_case", "defect_groups", "embedded_benchmark", "failures", "few_shot", "open_questions"),
    *("perturbed_samples", "rotation_selection", "search_methods", "uniform_sweep", "uniform_sweep_colour"),
    *("vcp_comparison", "vcp_complexity", "vcp_factorial", "vcp_sensitivity", "winclip_vs_anomalyclip"),
    *("winclip_windows", "worst_case", "worst_case_learned"),
}
MEASURED_IN_WORDS = {"open_questions"}  # each row of its table quotes what the paper says


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    """Read once, for no test changes it."""
    return jupytext.read(request.param)


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def introduction(notebook) -> str:
    """All prose before the first code cell, on one line."""
    first = next(place for place, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    return " ".join(" ".join(cell.source.split()) for cell in notebook.cells[:first])


def lines_of(path: Path) -> list[list[str]]:
    """The lines of code of each cell, without those of its options and blank ones."""
    cells = re.findall(r"```\{code-cell\}[^\n]*\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    bare = [re.sub(r"(?ms)\A---\n.*?^---\n", "", cell).splitlines() for cell in cells]
    return [[line for line in cell if line.strip() and not line.startswith(":")] for cell in bare]


def test_the_chapters_are_thin():
    chapters = {path.stem: lines_of(path) for path in NOTEBOOKS}
    cells = [(name, cell) for name, own in chapters.items() for cell in own]
    assert len(cells) > 200 and {name for name, cell in cells if len(cell) > LONGEST_CELL} == set()
    assert {(name, line) for name, cell in cells for line in cell if len(line) > WIDEST} == set()
    lines = {name: sum(map(len, own)) for name, own in chapters.items()}
    assert lines.keys() >= FIRST and sum(lines[name] for name in FIRST) <= MOST_LINES
    assert {name for name in lines.keys() - FIRST if lines[name] > MOST_OF_ONE} == set()


def test_the_experiment_is_shown(notebook):
    """At least one cell beside the parameters, the record and what only prepares the page is there to be read."""
    hiding = {"hide-input", "remove-input", "remove-cell", "parameters"}
    open_cells = [cell for cell in code(notebook) if not hiding & set(cell.metadata.get("tags", ()))]
    assert any("record(" not in cell.source for cell in open_cells)


def test_it_opens_with_question_answer_caveat_source_and_cost(notebook):
    words = introduction(notebook)
    assert words.startswith("# ")
    for part in ("**Question.** ", "**Answer.** ", "**Caveat.** "):
        assert words.count(part) == 1, part
    assert "{cite:" in words
    assert re.search(r"\b(seconds?|minutes?|hours?)\b", words), "what does it cost?"


def test_every_parameter_is_typed_and_explained(notebook):
    parameters = read_parameters(notebook)
    assert parameters and all(parameter.help for parameter in parameters)


def shown_kind(cell) -> str:
    """What a code cell shows: "figure", "slider", "table", or nothing that needs a caption."""
    if re.search(r"\bfigures\.publish\(", cell.source):
        return "figure"
    last = ast.parse(cell.source).body[-1]
    if not isinstance(last, ast.Expr):
        return ""
    line = ast.unparse(last)
    if line.startswith("HTML("):
        return "slider"
    return "table" if re.search(r"\.style\b|^\w+$|^shown\w*\(", line) else ""


def test_every_figure_slider_and_table_has_a_name_of_its_own_and_a_caption(notebook):
    names = []
    for cell in code(notebook):
        kind, shown = shown_kind(cell), cell.metadata.get("mystnb", {}).get("figure")
        assert bool(kind) == bool(shown), cell.source
        if kind == "table":
            assert re.match(r"shown\w*\(", cell.source.rstrip().splitlines()[-1]), "not as `zsas_book.shown` shows it"
        if kind:
            assert shown["name"].startswith("tab-" if kind == "table" else "fig-")
            assert len(shown["caption"].split()) > 5 and shown["caption"].endswith(".")
            names.append(shown["name"])
    assert len(set(names)) == len(names)


def test_every_figure_has_alternative_text_and_files_and_every_slider_files(notebook):
    for cell in code(notebook):
        if shown_kind(cell) in ("figure", "slider"):
            assert PUBLISHED.search(cell.source)
        if shown_kind(cell) == "figure":
            assert len(cell.metadata["mystnb"]["image"]["alt"].split()) > 4


def test_it_sets_reported_beside_reproduced(notebook, request):
    source = "\n".join(cell.source for cell in code(notebook))
    tables = re.findall(r'publish_table\(\w+, "(reported|claims)"\)', source)
    assert tables
    if re.search(r'"reported": (?:row|claim|printed|100|value)', source):
        assert "beside_reported(" in source or "beside_printed(" in source


def test_it_ends_with_its_record(notebook):
    assert re.match(r"(?s).*\brecord\(.*\)$", code(notebook)[-1].source)


def test_its_first_cell_installs_what_is_missing(notebook):
    assert code(notebook)[0].source in notebooks.install_cell(repository(REPOSITORY))
    named = notebooks.install_cell({"url": "https://github.com/someone/book", "branch": "main"})
    assert '%pip install --quiet "zsas-lib @ git+https://github.com/someone/book@main"' in named
    text = notebooks.with_own_cells(jupytext.writes(notebook, fmt="md:myst"), named)
    assert text.count("import importlib.util") == 1 and "someone/book" in text


def test_the_cell_behind_its_parameters_checks_what_papermill_was_given(notebook):
    text = jupytext.writes(notebook, fmt="md:myst")
    assert notebooks.with_own_cells(text, notebooks.install_cell(repository(REPOSITORY))) == text
    place = notebook.cells.index(parameters_cell(notebook))
    assert notebook.cells[place + 1].source in notebooks.CHECK


class Article(HTMLParser):
    """Words, links and identifiers of a page's article."""

    def __init__(self):
        super().__init__()
        self.depth, self.words, self.links, self.names = 0, [], [], set()

    def handle_starttag(self, tag, attributes):
        self.depth += tag == "article"
        if self.depth:
            attributes = dict(attributes)
            self.links.append(attributes.get("href") or "")
            self.names |= {attributes.get("id"), *(attributes.get("class") or "").split()}

    def handle_endtag(self, tag):
        self.depth -= tag == "article"

    def handle_data(self, data):
        if self.depth:
            self.words.append(data)


@pytest.fixture(params=PAGES)
def article(request):
    path = HTML / f"{request.param}.html"
    if not path.is_file():
        pytest.skip("the book has not been built here")
    parsed = Article()
    parsed.feed(path.read_text(encoding="utf-8"))
    if "zsas-facts" not in parsed.names:
        pytest.skip("this page is not computed; the page says so")
    return request.param, parsed


def test_a_rendered_page_says_how_it_stands_and_how_it_was_made(article):
    name, page = article
    words = " ".join("".join(page.words).split())
    assert re.search(r"(fresh|stale|failed) computed 20\d\d-\d\d-\d\d \d\d:\d\d UTC in \d+ s on ", words)
    assert "parameter type default used here meaning" in " ".join(" ".join(page.words).split())
    assert f"zsas run {name} --profile " in words and "papermill notebooks/" in words
    assert {"commit", "library", "device", "versions", "duration"} <= set(words.split())
    assert "how-this-page-was-made" in page.names


def test_a_rendered_page_gives_its_notebook_its_figures_and_their_data(article):
    name, page = article
    files = {Path(link).name for link in page.links if "_downloads/" in link}
    assert {f"{name}.ipynb", f"{name}.json"} <= files
    drawn = {file.removesuffix(".svg") for file in files if file.endswith(".svg")}
    assert drawn and any(f"{figure}.csv" in files for figure in drawn)


def test_a_rendered_claim_that_has_a_test_has_a_number():
    """No table or column that a claim names is called otherwise."""
    if not (COMPUTED / "few_shot.json").is_file():
        pytest.skip("the book has not been built here")
    of_embedded = [
        row
        for row in claims().itertuples()
        if row.test and all(_profile(page) == "embedded" for page in re.findall(r"(\w+):\w+\[", row.test))
    ]
    assert len(of_embedded) > 30
    lacking = [row.claim for row in of_embedded if judge(row.test, COMPUTED).word == NO_NUMBER]
    assert lacking == []


def _profile(page: str) -> str:
    certificate = COMPUTED / f"{page}.json"
    return json.loads(certificate.read_text())["profile"] if certificate.is_file() else "none"
