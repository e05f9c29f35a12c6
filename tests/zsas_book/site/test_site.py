"""Staging, made pages, reruns and forks, on a small project with the real machinery."""

import ast
import base64
import gzip
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import mini_project
import nbformat
import pytest
import yaml
from mini_project import REPOSITORY, copy_sources, run_in, start_warm
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from tiny_clip import TINY

from zsas_book.escape import in_code
from zsas_book.jobs.plan import make_plan
from zsas_book.machine.warm import KILLED
from zsas_book.pages.certificate import PageCertificate
from zsas_book.pages.states import failure_since, page_state
from zsas_book.project.chapters import Page, load_pages
from zsas_book.project.notebooks import read_notebook
from zsas_book.project.parameters import read_parameters
from zsas_book.project.repository import repository
from zsas_book.site import check
from zsas_book.site.fork import ForkError, checklist, fork_page
from zsas_book.site.staging import launch_links, lead_to_reference, page_title, stage_page, trim_contents
from zsas_lib.base.digests import file_digest
from zsas_lib.base.errors import DataError, UnknownNameError
from zsas_lib.base.work import LOCK, remove_left

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """The small book with its first page computed, the second not."""
    root = mini_project.make(tmp_path_factory.mktemp("pages") / "book")
    outcome = run_in(root, "-m", "zsas_book.cli", "run", "first")
    assert outcome.returncode == 0, outcome.stderr
    return root


@pytest.fixture(scope="module")
def rendered(project):
    return run_in(project, "-m", "zsas_book.site.render")


def html(project, page: str) -> str:
    return (project / "book" / "_build" / "html" / f"{page}.html").read_text()


def test_a_book_with_a_missing_page_is_rendered_and_fails(project, rendered):
    assert rendered.returncode == 1
    assert "second is not computed; its page only says so." in rendered.stderr
    page = html(project, "_computed/second")
    words = re.sub(r"<[^>]*>", "", page)
    assert (
        "has not been computed yet" in words
        and "zsas run second --profile embedded" in words
        and "data_and_weights.html" in page
    )


def test_a_page_says_how_it_stands_and_offers_notebook_and_data(project, rendered):
    page = html(project, "_computed/first")
    assert re.search(r"bg-success\b[^>]*>fresh<", page) and re.search(r"computed 20\d\d-\d\d-\d\d", page)
    downloads = {path.name for path in (project / "book" / "_build" / "html" / "_downloads").rglob("*.*")}
    assert {"first.ipynb", "counts.csv", "first.json", "numbers.csv"} <= downloads
    assert "colab" not in page.lower() and "mybinder" not in page


def test_what_the_download_button_gives_runs_and_has_the_pages_parameters(project, rendered):
    notebook = nbformat.read(
        project / "book" / "_build" / "html" / "_sources" / "_computed" / "first.ipynb", as_version=4
    )
    (cell,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    assert cell.source.startswith("rows: int = 2")
    assert not any(cell.get("outputs") for cell in notebook.cells)


def pasted(script: str, folder: Path, tools: Path, **variables: str) -> subprocess.CompletedProcess:
    """Run what readers paste into a shell in the folder of a checkout, whose programs are those in ``tools``."""
    own = {"PATH": os.pathsep.join([str(tools), os.environ["PATH"]]), "PYTHONPATH": str(folder)}
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=os.environ | own | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_papermill_command_on_a_page_works_when_pasted(project, rendered, tmp_path):
    words = re.sub(r"<[^>]*>", "", html(project, "_computed/first"))
    (command,) = re.findall(r"papermill notebooks/first\.ipynb out\.ipynb.*", words)
    assert command.endswith("-p rows 2")
    outcome = pasted(command, project, Path(sys.executable).parent)
    assert outcome.returncode == 0, outcome.stderr
    out = nbformat.read(project / "out.ipynb", as_version=4)
    assert [cell.outputs[0].text for cell in out.cells if cell.source == "print(alpha.value() * rows)"] == ["2\n"]


def test_the_results_index_has_every_number(project, rendered):
    text = (project / "book" / "_build" / "html" / "results" / "numbers.js").read_text()
    packed = text.removeprefix('window.zsasNumbers = "').removesuffix('";\n')
    data = json.loads(gzip.decompress(base64.b64decode(packed, validate=True)))
    rows = [
        (data["page"][page], data["row"][row], data["column"][column], *numbers, data["unit"][unit])
        for page, _, row, column, *numbers, unit in data["rows"]
    ]
    assert rows == [("first", "category=a", "count", 2, None, ""), ("first", "category=b", "count", 4, None, "")]
    assert "../results/index.js" in html(project, "_made/results")


def test_status_and_claims_are_made_from_what_is_computed(project, rendered):
    status, claims = html(project, "_made/status"), html(project, "_made/claims")
    assert "1 fresh, 1 missing" in status and "The first page" in status
    assert "holds here" in claims and "4 &gt; 2?" in claims and "not computed" in claims


def test_names_of_the_library_lead_to_the_reference(project, rendered):
    entry = 'href="../_made/reference/store.html#zsas_lib.results_folder"'
    article = html(project, "_computed/first").partition("<article")[2]
    assert re.search(rf"<a [^>]*{entry}[^>]*>.*?zsas\.results_folder\(\)", article)
    assert 'id="zsas_lib.results_folder"' in html(project, "_made/reference/store")
    assert entry.replace("../_made/", "") in html(project, "_made/reference")
    assert 'href="_made/reference/store.html#zsas_lib.results_folder"' in html(project, "data_and_weights")


def test_a_chapters_end_lists_what_its_code_uses_of_the_library():
    cells = [new_markdown_cell("`zsas.fit`, `zsas.none`"), new_code_cell("zsas.fit(zsas.load_model())")]
    notebook = new_notebook(cells=cells)
    lead_to_reference(notebook, {"training": ["fit"], "models": ["load_model"]})
    fit, load_model = "{py:obj}`%s <zsas_lib.fit>`", "{py:obj}`load_model <zsas_lib.load_model>`"
    assert notebook.cells[0].source == fit % "zsas.fit" + ", `zsas.none`"
    assert notebook.cells[-1].source == f":::{{div}} zsas-files\nOf the library: {fit % 'fit'} · {load_model}\n:::"
    lead_to_reference(unused := new_notebook(cells=[new_code_cell("1")]), {"training": ["fit"]})
    assert len(unused.cells) == 1


def test_a_stale_page_says_why(project, rendered):
    path = project / "zsas_lib" / "alpha.py"
    before = path.read_text()
    path.write_text(before + "\n")
    outcome = run_in(
        project,
        "-c",
        "import sys; from pathlib import Path; from zsas_book.pages.states import *; "
        "from zsas_book.project.chapters import load_pages;"
        "s = page_state(load_pages(Path.cwd(), 'embedded')['first'], Path.cwd()); print(s.word, '|', s.reason)",
    )
    path.write_text(before)
    assert outcome.stdout == "stale | zsas_lib/alpha.py changed\n"


def test_a_rerun_is_rendered_beside_the_books_run(project):
    outcome = run_in(project, "-m", "zsas_book.cli", "run", "first", "-p", "rows", "3")
    assert outcome.returncode == 0, outcome.stderr
    assert (
        "2 numbers: 0 are the same, 2 differ, 0 are only in this run, 0 only in the book's. Open runs/first-1/"
        in outcome.stdout
    )
    page = (project / "runs" / "first-1" / "_build" / "html" / "index.html").read_text()
    cells = re.findall(r"<td[^>]*><p>(.*?)</p></td>", page)
    assert cells[-6:] == ["counts", "category=b", "count", "4", "6", "+2"]
    assert (project / "runs" / "first-1" / "_build" / "html" / "book" / "first.html").is_file()
    assert "first-1" not in outcome.stderr
    refused = run_in(project, "-m", "zsas_book.cli", "run", "first", "-p", "rowz", "3")
    assert refused.returncode == 2 and "Did you mean 'rows'?" in refused.stderr
    assert [path.name for path in (project / "runs").iterdir()] == ["first-1"]


def test_colab_and_binder_open_the_runnable_notebook_where_the_repository_is_named(tmp_path):
    (tmp_path / "_config.yml").write_text("repository: {url: 'https://github.com/someone/book/', branch: main}\n")
    links = launch_links(Path("notebooks/first.ipynb"), repository(tmp_path))
    assert links == {
        "Colab": "https://colab.research.google.com/github/someone/book/blob/main/notebooks/first.ipynb",
        "Binder": "https://mybinder.org/v2/gh/someone/book/main?labpath=notebooks%2Ffirst.ipynb",
    }
    assert launch_links(Path("a.ipynb"), repository(REPOSITORY)) == {} or repository(REPOSITORY)["url"]


def test_a_page_that_failed_and_never_was_computed_says_why_and_how_to_get_what_is_missing(tmp_path):
    page = load_pages(REPOSITORY, "paper")["worst_case"]
    log = tmp_path / "book" / "_computed" / ".logs" / "worst_case.log"
    log.parent.mkdir(parents=True)
    log.write_text("In [2]:\n\nzsas_lib.base.errors.DataError: No data set mvtec: data_root is None.\n")
    state = page_state(page, tmp_path)
    assert (state.word, state.certificate) == ("failed", None)
    stage_page(state, log.parents[1], tmp_path, {"url": "", "branch": "main"}, {})
    text = (tmp_path / "worst_case.md").read_text()
    assert text.startswith(f"# {page.title}\n") and "DataError: No data set mvtec: data_root is None." in text
    assert "{download}`worst_case.log`" in text and "(../data_and_weights)" in text
    assert (tmp_path / "worst_case.log").read_bytes() == log.read_bytes()


def killed(folder: Path, name: str) -> Path:
    """What a killed process leaves of its work folder."""
    left = folder / f".{name}.{'0' * 32}"
    left.mkdir(parents=True)
    Path(f"{left}{LOCK}").touch()
    return left


def test_a_page_whose_process_was_killed_says_so_and_why_that_happens(tmp_path):
    page = load_pages(REPOSITORY, "paper")["worst_case"]
    folder = tmp_path / "book" / "_computed"
    begun = time.time()
    killed(folder, "worst_case_2")
    assert page_state(page, tmp_path).word == "missing"
    killed(folder, "worst_case")
    os.utime(f"{folder}/.worst_case.{'0' * 32}{LOCK}", (begun + 10, begun + 10))
    state = page_state(page, tmp_path)
    assert (state.word, state.reason, state.log) == ("failed", KILLED, None)
    assert "memory runs out" in KILLED and "JOBS=1" in KILLED
    stage_page(state, folder, tmp_path, {"url": "", "branch": "main"}, {})
    assert f"This page could not be computed: {in_code(KILLED)}" in (tmp_path / "worst_case.md").read_text()
    assert (tmp_path / "worst_case.log").read_text() == f"notebooks/worst_case.ipynb: {KILLED}\n"
    assert failure_since(page, tmp_path, begun) == KILLED
    assert failure_since(page, tmp_path, begun + 20) == ""
    (folder / ".logs").mkdir()
    (folder / ".logs" / "worst_case.log").write_text("In [2]:\n\nNameError: x\n")
    remove_left(folder, "worst_case")
    assert failure_since(page, tmp_path, begun - 10) == (
        "NameError: x The whole trace is in book/_computed/.logs/worst_case.log"
    )


@pytest.mark.parametrize("text", ["[]", "{}", '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 3}', "{"])
def test_a_computed_notebook_that_is_none_is_not_shown_and_stops_nothing(tmp_path, monkeypatch, text):
    notebook = mini_project.write_notebook(tmp_path / "book" / "_computed" / "first.ipynb", "1")
    page = Page("first", Path("notebooks/first.ipynb"), "embedded")
    PageCertificate(
        page="first",
        profile="embedded",
        given={},
        library={},
        data={},
        record={"commit": "abc", "device": "cpu", "versions": {}},
        notebook={"path": page.notebook.as_posix(), "digest": "0"},
        digest=file_digest(notebook),
    ).write(notebook.with_suffix(".json"))
    assert page_state(page, tmp_path).certificate is not None
    notebook.write_text(text)
    state = page_state(page, tmp_path)
    assert (state.word, state.certificate) == ("stale", None)
    assert state.reason == "its computed notebook is missing or was changed"
    assert page_title(tmp_path, state) == "first"
    stage_page(state, tmp_path / "book" / "_computed", tmp_path, {"url": "", "branch": "main"}, {})
    assert "This page cannot be shown as it is: its computed notebook" in (tmp_path / "first.md").read_text()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "book" / "_build" / "html" / "_computed").mkdir(parents=True)
    (tmp_path / "book" / "_build" / "html" / "_computed" / "first.html").write_text("<article></article>")
    (problem,) = check.problems_of("_computed/first")
    assert "first.ipynb" in problem and problem.endswith("Compute first again.")


def test_pages_of_other_profiles_are_not_in_the_table_of_contents(tmp_path):
    path = shutil.copy(REPOSITORY / "book" / "_toc.yml", tmp_path)
    names = {*load_pages(REPOSITORY, "paper"), "vcp_complexity_measured"}
    assert "_computed/embedded_benchmark" in Path(path).read_text()
    trim_contents(Path(path), names)
    listed = re.findall(r"file: (\S+)", Path(path).read_text())
    assert "_computed/embedded_benchmark" not in listed and {"_computed/audit", "_made/results", "glossary"} <= set(
        listed
    )
    first = listed.index("_computed/vcp_comparison")
    assert listed[first : first + 4] == [f"_computed/vcp_comparison{end}" for end in ("", "_btad", "_mpdd", "_visa")]
    assert listed[listed.index("_computed/vcp_complexity") + 1] == "_computed/vcp_complexity_measured"


@pytest.fixture(scope="module")
def copied(tmp_path_factory) -> Path:
    """What a fork needs of this repository."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("zsas_lib", "zsas_book", "notebooks", "book"):
        copy_sources(REPOSITORY / name, root / name, "_build", "_computed", "_extra")
    for name in ("chapters.yaml", "_config.yml", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, root)
    return root


@pytest.fixture
def checkout(copied) -> Iterator[Path]:
    """The same; what a fork writes into it is taken back afterwards."""
    kept = {path: path.read_bytes() for path in (copied / "chapters.yaml", copied / "book" / "_toc.yml")}
    there = {path for folder in (copied, copied / "notebooks") for path in folder.iterdir()}
    yield copied
    for path, content in kept.items():
        path.write_bytes(content)
    for path in {path for folder in (copied, copied / "notebooks") for path in folder.iterdir()} - there:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_a_fork_is_a_pair_an_entry_and_a_checklist(checkout):
    fork_page("worst_case", "my_worst", "ViT-B-32:laion2b_s34b_b79k", checkout)
    page = load_pages(checkout, "paper")["my_worst"]
    assert page.fork_of == "worst_case" and "backbone" not in page.parameters and page.parameters["steps"] == 200
    forked = load_pages(checkout, "paper")["worst_case"]
    assert page.shards == forked.shards != () and page.long == forked.long
    text = (checkout / "notebooks" / "my_worst.md").read_text()
    assert 'backbone: str = "ViT-B-32:laion2b_s34b_b79k"  #' in text and "register_backbone" not in text
    assert [point.done for point in checklist(load_pages(checkout, "embedded")["my_worst"], checkout)] == [
        False,
        True,
        True,
        False,
    ]
    contents = yaml.safe_load((checkout / "book" / "_toc.yml").read_text())
    assert contents["parts"][-1] == {"caption": "Forks", "chapters": [{"file": "_computed/my_worst"}]}


def test_a_fork_keeps_every_letter_of_its_values(checkout):
    (checkout / "a'b.json").write_text(json.dumps(TINY))
    (checkout / "my \\w.pt").touch()
    backbone = """my "vit", Ann's\\n"""
    fork_page("worst_case", "mine", backbone, checkout, architecture="a'b.json", weights="my \\w.pt")
    notebook = read_notebook(checkout / "notebooks" / "mine.ipynb")
    assert {parameter.name: parameter.default for parameter in read_parameters(notebook)}["backbone"] == backbone
    (call,) = [
        line.value
        for cell in notebook.cells
        if "\nregister_backbone(" in cell.source
        for line in ast.parse(cell.source).body
        if isinstance(line, ast.Expr)
    ]
    given = [ast.literal_eval(value) for value in (*call.args, *(keyword.value for keyword in call.keywords))]
    assert given == [backbone, "a'b.json", "my \\w.pt"]


@pytest.mark.slow
def test_a_fork_s_own_backbone_stands_in_nobody_s_way(checkout):
    (checkout / "own.json").write_text(json.dumps(TINY))
    (checkout / "own.safetensors").touch()
    fork_page("worst_case", "mine", "my-own", checkout, architecture="own.json", weights="own.safetensors")
    for profile in ("embedded", "paper"):
        plan = make_plan(checkout, profile)
        assert "my-own" not in plan.backbones and "page  mine" in [job.name for job in plan.jobs]
        assert not any("my-own" in problem for problem in plan.problems)


def test_a_fork_registers_a_module_of_ones_own_with_or_without_weights(checkout):
    for file in ("own.py", "own.safetensors"):
        (checkout / file).touch()
    for name, weights in {"mine": None, "yours": "own.safetensors"}.items():
        fork_page("worst_case", name, "my-own", checkout, architecture="own.py:Tower", weights=weights)
        text = (checkout / "notebooks" / f"{name}.md").read_text()
        written = f"'{weights}'" if weights else "None"
        assert f"register_backbone('my-own', architecture='own.py:Tower', pretrained={written})\n" in text.replace(
            '"', "'"
        )


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("vcp_sensitivity", "mine", "RN50:openai"), {}, ForkError, "VCPCLIP cannot run on backbone 'RN50:openai'"),
        (("worst_cas", "mine", "embedded"), {}, UnknownNameError, "Did you mean 'worst_case'"),
        (("worst_case", "mine", "embeded"), {}, ForkError, "Unknown backbone 'embeded'.*Did you mean 'embedded'"),
        (("worst_case", "worst_case_visa", "embedded"), {}, ForkError, "taken"),
        (("worst_case", "My-Vit", "embedded"), {}, ForkError, "small letters"),
        (("worst_case", "mine", "x"), {"weights": "x.safetensors"}, ForkError, "needs both"),
        (
            ("worst_case", "mine", "x"),
            {"weights": "x.pt", "architecture": "ViT-B-16"},
            ForkError,
            r"No file .*/x\.pt for the backbone 'x'",
        ),
        (("worst_case", "mine", "x"), {"architecture": "x.py:Tower"}, ForkError, r"No file .*/x\.py for the backbone"),
        (
            ("worst_case", "mine", "x"),
            {"weights": "_config.yml", "architecture": "ViT-B-999"},
            UnknownNameError,
            "Unknown .*'ViT-B-999'",
        ),
    ],
)
def test_a_fork_that_cannot_be_made_writes_nothing(checkout, arguments, options, error, message):
    before = (checkout / "chapters.yaml").read_text()
    with pytest.raises(error, match=message):
        fork_page(*arguments, checkout, **options)
    assert (checkout / "chapters.yaml").read_text() == before


@pytest.mark.parametrize("content", ['{"foo": 1}', "not json"])
def test_a_fork_of_what_is_no_architecture_writes_nothing(checkout, content):
    before = (checkout / "chapters.yaml").read_text()
    (checkout / "bad.json").write_text(content)
    with pytest.raises(DataError, match=r"bad\.json"):
        fork_page("worst_case", "mine", "x", checkout, architecture="bad.json", weights="_config.yml")
    assert (checkout / "chapters.yaml").read_text() == before and not (checkout / "notebooks" / "mine.md").exists()


@pytest.fixture
def warm(checkout, monkeypatch):
    """The checkout's own programs start by the server of these tests."""
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("PYTHONPATH", str(checkout))
    start_warm(monkeypatch)


def test_the_how_to_page_on_forking_works_word_for_word(checkout, warm):
    text = (REPOSITORY / "book" / "fork.md").read_text().partition("## From Python")[0]
    blocks = re.findall(r"```(bash|text)\n(.*?)```", text, re.DOTALL)
    assert [kind for kind, _ in blocks] == ["bash", "text", "bash", "bash", "text"]
    tools = checkout / "bin"
    tools.mkdir()
    for name, module in (("zsas", "-m zsas_book.machine.warm zsas_book.cli"), ("python", "")):
        (tools / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {module} "$@"\n')
        (tools / name).chmod(0o755)

    def shell(script: str) -> subprocess.CompletedProcess:
        return pasted(script, checkout, tools, OMP_NUM_THREADS="1")

    for kind, block in blocks:
        if kind == "bash":
            outcome = shell("set -e\n" + block)
            assert outcome.returncode == 0, outcome.stderr
        else:
            outcome = shell("zsas doctor")
            assert block.strip() in outcome.stdout
            assert outcome.returncode == ("4 of 4" not in block)
