"""The book's own chapters: every page with a smoke profile is computed, and sources, contents and README agree."""

import ast
import json
import math
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import jupytext
import nbformat
import pandas as pd
import pytest
import yaml
from mini_project import REPOSITORY, start_warm
from papermill.cli import _resolve_type

from zsas_book.machine.warm import command
from zsas_book.pages.compute import compute_page
from zsas_book.project.chapters import Page, load_pages
from zsas_book.project.notebooks import KERNEL, read_notebook
from zsas_book.project.parameters import parameters_cell, read_parameters, resolve
from zsas_book.published import REPLICATES
from zsas_book.site.reference import ROOMS
from zsas_book.site.staging import MADE
from zsas_lib.base.digests import file_digest

SMOKE = load_pages(REPOSITORY, "smoke")
CHAPTERS = sorted(REPOSITORY.glob("notebooks/*.md"))
SOURCES = sorted([*CHAPTERS, *REPOSITORY.glob("tests/notebooks/*.md")])
PROFILES = yaml.safe_load((REPOSITORY / "chapters.yaml").read_text())["profiles"]
CODE_BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
STORING_NOTHING = {
    *("perturbed_samples", "rotation_selection", "rotation_selection_visa", "vcp_complexity", "defect_retrieval")
}
DRAWN_AT_ONCE = {
    *("visual_factors", "calibration", "out_of_distribution", "retrieval", "views", "design_choices", "shape_bias"),
    "answering",
}
"""Pages whose pictures are drawn while they run and lie nowhere: their record says which."""
FEWER = {"values": [0.0, 45.0], "pictures_per_category": 4, "resamples": 10, "frames": 3, "image_size": 72}
"""Shortens the printed commands, and `FEW` those on the embedded pictures."""
FEW = {"categories": ["ceramic_ring", "woven_sheet"]}


@dataclass(frozen=True)
class Computed:
    """A page that was computed into a folder of its own."""

    page: Page
    path: Path

    @property
    def cells(self) -> list:
        return nbformat.read(self.path, as_version=4).cells

    @property
    def files(self) -> Path:
        return self.path.with_name(f"{self.path.stem}_files")

    @property
    def markdown(self) -> str:
        return "\n\n".join(cell.source for cell in self.cells if cell.cell_type == "markdown")


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> Iterator[Path]:
    """Where results go, of all workers' pages: what two share is computed once. While it is in use, kernels start
    warm."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "results-of-pages"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        start_warm(patch)
        yield folder


@pytest.fixture(scope="session", params=[pytest.param(name, marks=pytest.mark.kernel) for name in SMOKE])
def computed(request, store, tmp_path_factory) -> Computed:
    """A page of the smoke profile, its results in a store of these tests' own."""
    page = SMOKE[request.param]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZSAS_RESULTS", str(store))
        output = tmp_path_factory.mktemp(page.name) / f"{page.name}.ipynb"
        return Computed(page, compute_page(page, output, root=REPOSITORY))


def published(cell) -> tuple[set[str], set[str]]:
    """The names of the figures and of the tables that a cell publishes."""
    figures, tables = set(), set()
    for call in ast.walk(ast.parse(cell.source if cell.cell_type == "code" else "")):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            names = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
            if call.func.attr == "publish":
                figures.update(names[:1])
            if call.func.attr in ("publish_table", "publish_replicates") or (
                call.func.attr == "publish" and len(call.args) >= 3
            ):
                tables.update(names[:1])
    return figures, tables


def shows_a_figure(cell) -> bool:
    return any("image/png" in output.get("data", {}) for output in cell.get("outputs", ()))


def test_every_figure_has_a_name_a_caption_and_words_for_those_who_do_not_see_it(computed):
    names = []
    for cell in computed.cells:
        if shows_a_figure(cell):
            shown = cell.metadata.get("mystnb", {})
            names.append(shown["figure"]["name"])
            assert len(shown["figure"]["caption"].split()) > 5 and shown["figure"]["caption"].endswith(".")
            assert len(shown["image"]["alt"].split()) > 5
    assert names and len(names) == len(set(names))


def test_the_parameters_are_a_table_above_their_hidden_cell(computed):
    declared = read_parameters(read_notebook(REPOSITORY / computed.page.notebook))
    cells = computed.cells
    (position,) = [index for index, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", ())]
    assert "remove-input" in cells[position].metadata.tags
    rows = [line for line in cells[position - 1].source.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [parameter.name for parameter in declared]
    for name in computed.page.parameters:
        (row,) = [row for row in rows if row.startswith(f"| `{name}` ")]
        assert "**`" in row


def test_the_data_behind_the_figures_lies_beside_the_page(computed):
    cells = computed.cells
    assert all(published(cell)[0] for cell in cells if shows_a_figure(cell))
    figures, tables = (set().union(*names) for names in zip(*map(published, cells)))
    files = {path.name for path in computed.files.iterdir()}
    replicates = {name for name in files if name.endswith(REPLICATES)}
    assert files - replicates == {f"{name}.svg" for name in figures} | {f"{name}.csv" for name in tables}
    assert {name.removesuffix(REPLICATES) for name in replicates} <= tables
    assert all(len(pd.read_csv(computed.files / f"{name}.csv")) > 0 for name in tables)
    assert all("</svg>" in (computed.files / f"{name}.svg").read_text()[-20:] for name in figures)
    for name in files:
        assert f"{{download}}`{name} <{computed.page.name}_files/{name}>`" in computed.markdown


def test_the_page_says_what_it_was_made_from_and_how_to_make_it_again(computed):
    certificate = json.loads(computed.path.with_suffix(".json").read_text())
    assert (certificate["page"], certificate["profile"]) == (computed.page.name, "smoke")
    assert certificate["digest"] == file_digest(computed.path)
    assert certificate["record"]["subjects"]
    if computed.page.name in DRAWN_AT_ONCE:
        assert not certificate["data"] and "Questions(" in certificate["record"]["subjects"]["pictures"]
    else:
        assert certificate["data"]
    shown = "".join(output.data["text/markdown"] for output in computed.cells[-1].outputs)
    assert all(f"| {what} | " in shown for what in ("commit", "library", "device", "versions", "duration"))
    assert f"zsas run {computed.page.name} --profile smoke\n" in computed.markdown
    assert f"papermill {computed.page.notebook} out.ipynb" in computed.markdown


def test_the_page_opens_with_its_notice_question_and_answer(computed):
    opening = computed.cells[0].source
    assert opening.startswith("# ")
    assert computed.page.notice in opening
    assert "**Question.**" in opening and "**Answer.**" in opening and "**Caveat.**" in opening


def test_a_computed_page_is_light(computed):
    assert computed.path.stat().st_size < 1.5e6


def test_results_went_into_the_store_and_nothing_unfinished_is_left(computed, store):
    results = json.loads(computed.path.with_suffix(".json").read_text())["record"]["results"]
    assert len(list(store.rglob("*.parquet"))) >= sum(made["count"] for made in results)
    assert results or computed.page.name in STORING_NOTHING
    unfinished = left = set(store.rglob("*.part"))
    ends = monotonic() + 60
    while left and monotonic() < ends:  # what another worker's page just writes is soon whole, under another name
        sleep(0.1)
        left = unfinished & set(store.rglob("*.part"))
    assert not left


@pytest.mark.every_parameter  # one that is added or changed is looked at at once
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_pair_agrees_and_carries_no_outputs(source):
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert notebook.metadata.kernelspec == {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert [(cell.cell_type, cell.source, cell.metadata) for cell in notebook.cells] == [
        (cell.cell_type, cell.source, cell.metadata) for cell in jupytext.read(source).cells
    ]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)


def test_no_notebook_stands_alone():
    sources = {path.stem for path in REPOSITORY.glob("notebooks/*.md")}
    assert {path.stem for path in REPOSITORY.glob("notebooks/*.ipynb")} == sources


@pytest.mark.parametrize("source", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_declares_its_parameters_and_ends_with_its_record(source):
    notebook = read_notebook(source.with_suffix(".ipynb"))
    assert parameters_cell(notebook) is not None and read_parameters(notebook)
    assert all(parameter.help for parameter in read_parameters(notebook))
    assert re.search(r"^record\(.+\)$", notebook.cells[-1].source.splitlines()[-1])


@pytest.mark.parametrize("source", CHAPTERS, ids=lambda path: path.stem)
def test_every_number_that_a_chapter_takes_has_its_limits(source):
    """So that -1 seeds or an image of 0 pixels stop a run before it starts."""
    numbers = [p for p in read_parameters(read_notebook(source.with_suffix(".ipynb"))) if p.scalar in ("int", "float")]
    limitless = [p.name for p in numbers if not (p.names or p.kind or math.isfinite(p.low) or math.isfinite(p.high))]
    assert limitless == []


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("profile", PROFILES)
def test_the_parameters_of_every_page_are_known(profile):
    for page in load_pages(REPOSITORY, profile).values():
        resolve(read_parameters(read_notebook(REPOSITORY / page.notebook)), page.parameters)


def test_the_table_of_contents_holds_the_embedded_profiles_pages_and_no_others():
    contents = (REPOSITORY / "book" / "_toc.yml").read_text()
    listed = re.findall(r"(?:file|root): _computed/(\S+)", contents)
    assert sorted(listed) == sorted(load_pages(REPOSITORY, "embedded"))
    made = {
        "results",
        "claims",
        "status",
        "benchmarks",
        "towers",
        "reference",
        *(f"reference/{room}" for room in ROOMS),
    }
    assert set(re.findall(rf"(?:file|root): {MADE}/(\S+)", contents)) == made
    for name in re.findall(rf"(?:file|root): (?!_computed/|{MADE}/)(\S+)", contents):
        assert (REPOSITORY / "book" / f"{name}.md").is_file()


def shell_commands(tool: str) -> list:
    """The commands that README.md and the book's prose give for a tool, each with where it stands."""
    found = []
    for document in [REPOSITORY / "README.md", *sorted(REPOSITORY.glob("book/*.md"))]:
        for block in CODE_BLOCK.findall(document.read_text()):
            for words in (shlex.split(line, comments=True) for line in block.replace("\\\n", "").splitlines()):
                if words and Path(words[0]).name == tool:
                    found.append(pytest.param(words[1:], id=f"{document.stem}-{len(found)}"))
    return found


def given_parameters(words: list[str]) -> dict[str, str]:
    assert len(words) % 3 == 0 and set(words[::3]) <= {"-p"}, "a command of another form; teach it to this test"
    return dict(zip(words[1::3], words[2::3]))


@pytest.mark.parametrize("words", shell_commands("papermill"))
def test_the_papermill_commands_that_are_printed_name_what_there_is(words):
    notebook, _, *options = words
    declared = {parameter.name: parameter for parameter in read_parameters(read_notebook(REPOSITORY / notebook))}
    for name, text in given_parameters(options).items():
        assert declared[name].check(_resolve_type(text)) == text


COMMANDS = [words.values[0] for words in shell_commands("zsas")]


@pytest.mark.parametrize("words", [words for words in shell_commands("zsas") if words.values[0][0] == "run"])
def test_the_zsas_commands_that_are_printed_name_what_there_is(words):
    forks = {command[command.index("--as") + 1]: command[1] for command in COMMANDS if command[0] == "fork"}
    page = load_pages(REPOSITORY, "embedded")[forks.get(words[1], words[1])]
    resolve(read_parameters(read_notebook(REPOSITORY / page.notebook)), given_parameters(words[2:]))


PRINTED = shell_commands("papermill")
PHOTOGRAPHS = "../shared/data/hazelnut_toy"


def test_the_readme_has_commands_on_photographs_and_the_how_to_more():
    places = [words.id.partition("-")[0] for words in PRINTED]
    assert sum(PHOTOGRAPHS in words.values[0] for words in PRINTED) >= 2 and {"README", "rerun"} <= set(places)


@pytest.fixture(scope="session")
def kernels(store, tmp_path_factory) -> Path:
    """Where Jupyter finds this environment's kernel, which starts warm."""
    folder = tmp_path_factory.mktemp("jupyter")
    specification = folder / "kernels" / KERNEL / "kernel.json"
    specification.parent.mkdir(parents=True)
    argv = [*command("ipykernel_launcher"), "-f", "{connection_file}"]
    specification.write_text(json.dumps({"argv": argv, "display_name": KERNEL, "language": "python"}))
    return folder


@pytest.mark.kernel
@pytest.mark.parametrize("words", PRINTED)
def test_a_papermill_command_that_is_printed_runs(words, store, kernels, tmp_path):
    notebook, _, *options = [PHOTOGRAPHS if word == "path/to/ROOT" else word for word in words]
    given = given_parameters(options)
    if "data_root" in given and not (REPOSITORY / given["data_root"]).is_dir():
        pytest.skip(f"no photographs at {given['data_root']}, seen from {REPOSITORY}")
    declared = {parameter.name for parameter in read_parameters(read_notebook(REPOSITORY / notebook))}
    if not os.environ.get("ZSAS_SLOW"):  # with it, exactly as printed
        fewer = FEWER | ({"values": [0.0, 0.25]} if given.get("perturbation") == "saturation" else {})
        fewer |= {} if "data_root" in given else FEW
        options += ["-y", json.dumps({name: value for name, value in fewer.items() if name in declared})]
    environment = os.environ | {"ZSAS_RESULTS": str(store), "JUPYTER_PATH": str(kernels)}
    words = [*command("papermill"), notebook, str(tmp_path / "out.ipynb"), *options, "--no-progress-bar"]
    asked = {"cwd": REPOSITORY, "env": environment, "capture_output": True, "text": True, "check": False}
    run = subprocess.run(words, **asked)
    if "Address already in use" in run.stderr:  # papermill's own manager of kernels lets the ports go that it picked
        run = subprocess.run(words, **asked)
    assert run.returncode == 0, run.stderr[-3000:]
    shown = json.dumps(nbformat.read(tmp_path / "out.ipynb", as_version=4).cells)
    assert "**Verdict.**" in shown and ("data_root" not in given or "hazelnut" in shown)
