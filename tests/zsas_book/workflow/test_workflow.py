"""The DAG, rendering and its checks, tried on a small book with this project's real machinery."""

import json
import os
import re
from pathlib import Path

import mini_project
import pytest
import yaml
from mini_project import run_in, snakemake, write_notebook

from zsas_book.machine.warm import KILLED
from zsas_book.project.chapters import ChaptersError, load_pages, project_root
from zsas_book.site import check
from zsas_lib.base.errors import UnknownNameError

pytestmark = pytest.mark.workflow

REASONS = """
import json, sys
from pathlib import Path
from zsas_book.project.chapters import load_pages
from zsas_book.pages.certificate import stale_reason

def reasons(profile="embedded"):
    found = {name: stale_reason(page, Path.cwd()) for name, page in load_pages(Path.cwd(), profile).items()}
    return {name: why for name, why in found.items() if why}

found = {"nothing": reasons(), "profile": reasons("smoke")}
for name, old, new in json.loads(sys.argv[1]):
    path = Path(name)
    before = path.read_text()
    path.write_text(before.replace(old, new) if old else before + new)
    assert path.read_text() != before
    found[name] = reasons()
    path.write_text(before)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return mini_project.make(tmp_path_factory.mktemp("books") / "Ann's new book")


@pytest.fixture(scope="module")
def first_run(project):
    """What snakemake says when everything is to be made and one page of prose has a broken link."""
    intro = project / "book" / "intro.md"
    text = intro.read_text()
    intro.write_text(text + "\n[nowhere](nowhere.md)\n")
    outcome = snakemake(project, warm=False)
    again = run_in(project, "-m", "zsas_book.site.render")
    intro.write_text(text)
    return outcome, again


@pytest.fixture(scope="module")
def built(project, first_run):
    return snakemake(project)


def computing(outcome) -> dict[str, str]:
    """The pages that a run of snakemake says it computes, and why."""
    return dict(re.findall(r"Computing (\w+): (.*)", outcome.stdout + outcome.stderr))


def test_a_sphinx_warning_fails_the_build_every_time(first_run):
    outcome, again = first_run
    assert computing(outcome) == {"first": "not computed yet", "second": "not computed yet"}
    assert outcome.returncode != 0
    assert "nowhere" in outcome.stderr
    assert again.returncode != 0
    assert "nowhere" in again.stderr


def test_the_mended_book_is_rendered_and_no_page_computed_again(project, built):
    assert built.returncode == 0, built.stderr
    assert computing(built) == {}
    assert "The book's 12 pages are all there." in built.stdout
    html = project / "book" / "_build" / "html"
    assert re.search(r"output stream.*?<span></span>2\n", (html / "_computed" / "first.html").read_text(), re.DOTALL)
    assert "These numbers show the method at work." in (html / "_computed" / "second.html").read_text()


def test_an_opened_page_asks_no_other_machine(project, built):
    for page in (project / "book" / "_build" / "html").rglob("*.html"):
        elsewhere = r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=[\"'](?:https?:)?//.*"
        assert not re.findall(elsewhere, page.read_text())


def test_nothing_is_to_be_done_even_where_every_file_is_newer(project, built):
    for path in [*project.rglob("*.py"), *project.rglob("*.ipynb"), project / "chapters.yaml"]:
        os.utime(path)
    outcome = snakemake(project)
    assert outcome.returncode == 0, outcome.stderr
    assert "Nothing to be done" in outcome.stderr


def test_a_changed_style_sheet_reaches_the_book_though_no_page_changed(project, built):
    with (project / "book" / "_static" / "book.css").open("a") as sheet:
        sheet.write("/* another style */\n")
    outcome = snakemake(project)
    assert outcome.returncode == 0, outcome.stderr
    assert computing(outcome) == {}
    assert "another style" in (project / "book" / "_build" / "html" / "_static" / "book.css").read_text()


def test_what_changes_makes_stale_what_depends_on_it_and_no_more(project, built):
    library, notebooks = "zsas_lib", "notebooks"
    edits = [
        (f"{notebooks}/first.ipynb", "how many rows", "the number of rows"),
        (f"{library}/alpha.py", "", "\n"),
        (f"{library}/beta.py", "", "\n"),
        (f"{library}/gamma.py", "", "\n"),
        ("zsas_book/pages/finish.py", "", "\n"),
        ("zsas_book/cli/run.py", "", "\n"),
        ("chapters.yaml", "parameters: {embedded: {}}", "parameters: {embedded: {rows: 3}}"),
        ("./chapters.yaml", "second: {", "second: {title: The other page, "),
        ("book/_computed/second.ipynb", "", "\n"),
    ]
    outcome = run_in(project, "-c", REASONS, json.dumps(edits))
    assert outcome.returncode == 0, outcome.stderr
    found = json.loads(outcome.stdout)
    assert found == {
        "nothing": {},
        "profile": {"first": "computed with profile embedded"},
        f"{notebooks}/first.ipynb": {"first": "notebooks/first.ipynb changed"},
        f"{library}/alpha.py": {"first": "zsas_lib/alpha.py changed"},
        f"{library}/beta.py": {"second": "zsas_lib/beta.py changed"},
        f"{library}/gamma.py": {"second": "zsas_lib/gamma.py changed"},
        "zsas_book/pages/finish.py": dict.fromkeys(["first", "second"], "zsas_book/pages/finish.py changed"),
        "zsas_book/cli/run.py": {},
        "chapters.yaml": {"second": "its parameters changed"},
        "./chapters.yaml": {"second": "its title changed"},
        "book/_computed/second.ipynb": {"second": "its computed notebook is missing or was changed"},
    }


def test_one_page_can_be_asked_for_in_a_fresh_project(tmp_path):
    outcome = snakemake(mini_project.make(tmp_path / "book"), "--dry-run", "--", "book/_computed/second.json")
    assert outcome.returncode == 0, outcome.stderr
    assert computing(outcome) == {"second": "not computed yet"}


def test_a_failed_page_is_named_the_others_are_made_and_the_book_is_not(project, built):
    second = project / "notebooks" / "second.ipynb"
    notebook = second.read_bytes()
    write_notebook(second, "raise ValueError('no such thing')")
    (project / "zsas_lib" / "alpha.py").write_text("def value():\n    return 7\n")
    outcome = snakemake(project)
    second.write_bytes(notebook)
    assert computing(outcome) == {"first": "zsas_lib/alpha.py changed", "second": "notebooks/second.ipynb changed"}
    assert outcome.returncode != 0
    assert "zsas: notebooks/second.ipynb failed in In [2], `raise ValueError('no such thing')`" in outcome.stderr
    assert "second failed: ValueError: no such thing The whole trace is in book/_computed/.logs" in outcome.stderr
    computed = project / "book" / "_computed"
    assert "14" in (computed / "first.ipynb").read_text()
    assert json.loads((computed / "second.json").read_text())["page"] == "second"
    assert "Rendering the book with what there is" in outcome.stderr
    page = project / "book" / "_build" / "html" / "_computed" / "second.html"
    words = re.sub(r"<[^>]*>", "", page.read_text())
    assert "The last run of this page failed: ValueError: no such thing" in words and "11\n" in words
    (log,) = (project / "book" / "_build" / "html" / "_downloads").rglob("second.log")
    assert "raise ValueError('no such thing')" in log.read_text()
    check = run_in(project, "-m", "zsas_book.site.check")
    assert check.returncode == 1 and "second failed when it was last run" in check.stderr
    again = snakemake(project)
    assert again.returncode == 0, again.stderr
    assert computing(again) == {}
    assert "The last run of this page failed" not in page.read_text()


def test_a_killed_page_is_named_with_why_that_happens_and_the_book_is_rendered_all_the_same(project, built):
    second = project / "notebooks" / "second.ipynb"
    notebook = second.read_bytes()
    write_notebook(second, "import os, signal\nos.kill(int(os.environ['JPY_PARENT_PID']), signal.SIGKILL)")
    outcome = snakemake(project)
    second.write_bytes(notebook)
    assert outcome.returncode != 0
    assert f"second failed: {KILLED}" in outcome.stderr
    assert "Rendering the book with what there is" in outcome.stderr
    page = project / "book" / "_build" / "html" / "_computed" / "second.html"
    words = " ".join(re.sub(r"<[^>]*>", "", page.read_text()).split())
    assert f"The last run of this page failed: {KILLED} What is shown is the run before it." in words
    check = run_in(project, "-m", "zsas_book.site.check")
    assert check.returncode == 1 and "second failed when it was last run; the trace is in" in check.stderr
    second.write_bytes(notebook + b"\n")
    (line,) = [
        line for line in run_in(project, "-m", "zsas_book.cli", "status").stdout.splitlines() if "second" in line
    ]
    assert line.split(maxsplit=2)[2].startswith("failed") and line.endswith(KILLED)
    second.write_bytes(notebook)


@pytest.fixture
def check_book(project, built, monkeypatch):
    monkeypatch.chdir(project)
    return check


def test_the_check_finds_what_is_missing_half_made_or_wordless(check_book):
    assert check_book.problems_of("intro.md") == []
    assert "there is no" in check_book.problems_of("absent")[0]
    page = check_book.HTML / "intro.html"
    html = page.read_text()
    for tag in ('<img src="a.png">', '<img alt="" src="a.png">', '<img alt="_images/a.png" src="a.png">'):
        page.write_text(html.replace("</article>", f"{tag}</article>"))
        assert "alternative text" in check_book.problems_of("intro")[0]
    page.write_text(html.replace("</article>", '<img alt="Two small pages" src="a.png"></article>'))
    assert check_book.problems_of("intro") == []
    page.write_text(html)
    notebook = check_book.BOOK / "_computed" / "first.ipynb"
    text = notebook.read_text()
    assert check_book.problems_of("_computed/first") == []
    notebook.write_text(text.replace('"exception": null', '"exception": true'))
    assert check_book.problems_of("_computed/first") == [f"{notebook} is not from a whole run."]
    notebook.write_text(text)


def test_the_table_of_contents_is_read_through_parts_and_sections(check_book):
    contents = yaml.safe_load(
        "{root: a, parts: [{chapters: [{file: b, sections: [{file: c}]}]}, {chapters: [{file: d}]}]}"
    )
    assert check_book.pages(contents) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pages:", "pagez:", "'pages' is a required property"),
        ("smoke: {}\n", "smoke: {notes: no}\n", "profiles.smoke.*'notes' was unexpected"),
        ("notebooks/first.ipynb", "notebooks/first.md", "pages.first.notebook"),
        ("first: {notebook", "First Page: {notebook", "First Page"),
        ("{embedded: {rows: 2}, smoke: {}}", "[rows]", "pages.first.parameters"),
        ("first: {notebook", "first: {title: '', notebook", "pages.first.title"),
        ("smoke: {}}}", "smok: {}}}", "Unknown profile 'smok'.*Did you mean 'smoke'"),
        ("profiles:", "profiles: [", "is not YAML"),
        ("second: {notebook", "first: {notebook", r"line \d+: 'first' stands twice, first in line \d+"),
        ("{rows: 2}", "{rows: !!timestamp 2024-01-01}", "pages.first.parameters.embedded.rows: datetime.date"),
    ],
)
def test_a_wrong_chapters_file_is_refused_with_its_entry(old, new, message, project):
    path = project / "chapters.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    try:
        with pytest.raises(ChaptersError, match=message):
            load_pages(project, "embedded")
    finally:
        path.write_text(text)


def test_an_unknown_profile_and_a_folder_without_chapters_are_refused(project, tmp_path):
    with pytest.raises(UnknownNameError, match="Unknown profile 'embeded'.*Did you mean 'embedded'"):
        load_pages(project, "embeded")
    with pytest.raises(ChaptersError, match="No chapters.yaml in"):
        project_root(tmp_path)
    assert project_root(project / "notebooks") == project
