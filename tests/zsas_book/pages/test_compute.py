import base64
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import PIL.Image
import pytest
from mini_project import REPOSITORY, start_warm, write_notebook

from zsas_book.machine.warm import SOCKET_VARIABLE
from zsas_book.pages.certificate import stale_reason
from zsas_book.pages.compute import compute_page
from zsas_book.pages.execution import PageError
from zsas_book.pages.finish import commands
from zsas_book.project.chapters import Page
from zsas_book.project.notebooks import NotebookError
from zsas_book.project.parameters import ParameterError, read_parameters, resolve
from zsas_lib.base.digests import file_digest
from zsas_lib.base.errors import UnknownNameError

pytestmark = pytest.mark.kernel

TINY = Path("tests/notebooks/tiny.ipynb")
NOTICE = "These numbers show the method at work."


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


@pytest.fixture(scope="module", autouse=True)
def warm():
    """Kernels start by the server of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        start_warm(patch)
        yield


@pytest.fixture
def cold(monkeypatch):
    """Kernels start in the ordinary way."""
    monkeypatch.delenv(SOCKET_VARIABLE, raising=False)


@pytest.fixture(scope="module")
def computed(tmp_path_factory) -> Path:
    """The tiny page, computed with one parameter of the book's own and one override."""
    folder = tmp_path_factory.mktemp("computed")
    page = Page("tiny", TINY, "embedded", {"steps": "2"}, NOTICE)
    return compute_page(page, folder / "tiny.ipynb", root=REPOSITORY, overrides={"label": "line"})


@pytest.fixture(scope="module")
def cells(computed) -> list:
    return nbformat.read(computed, as_version=4).cells


def markdown(cells, containing: str) -> str:
    (found,) = [cell.source for cell in cells if cell.cell_type == "markdown" and containing in cell.source]
    return found


def test_the_page_and_nothing_else_is_published(computed):
    assert visible(computed.parent) == ["tiny.ipynb", "tiny.json", "tiny_files"]
    assert [path.name for path in computed.parent.iterdir() if path.name.startswith(".")] == []
    assert (computed.parent / "tiny_files" / "rows.csv").read_text() == "line 0: 0\nline 1: 2"


def test_the_notice_stands_under_the_title(cells):
    assert cells[0].source.splitlines()[:5] == [
        "# A tiny page",
        "",
        ":::{admonition} Embedded profile",
        ":class: note",
        NOTICE,
    ]
    assert cells[0].source.endswith("the machinery.")


@pytest.fixture(scope="module")
def figured(tmp_path_factory) -> list:
    """The cells of a page with a title of its own, made from a notebook whose figures have labels."""
    folder = tmp_path_factory.mktemp("figured")
    text = "from IPython.display import Markdown\n\nMarkdown('{numref}`fig-a` and {numref}`Figure %s <fig-a-b>`')"
    source = write_notebook(folder / "drawn.ipynb", text, "1", "2")
    notebook = nbformat.read(source, as_version=4)
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell("See {numref}`fig-a-b`, not fig-ab.\n\n# Not the title"))
    for cell, name in zip(notebook.cells[-2:], ("fig-a", "fig-a-b")):
        cell.metadata["mystnb"] = {"figure": {"name": name, "caption": "It."}}
    nbformat.write(notebook, source)
    page = Page("hue_page", source, "embedded", notice=NOTICE, title="Hue, S Fig. 3")
    out = compute_page(page, folder / "out" / "hue_page.ipynb", root=REPOSITORY)
    assert json.loads(out.with_suffix(".json").read_text())["title"] == "Hue, S Fig. 3"
    return nbformat.read(out, as_version=4).cells


def test_a_page_may_have_a_title_of_its_own(figured):
    assert figured[0].source.splitlines()[:3] == ["# Hue, S Fig. 3", "", ":::{admonition} Embedded profile"]
    assert figured[0].source.endswith("A page of a small book, without `zsas.results_folder()`.")
    assert "# Not the title" in figured[1].source


def test_a_run_with_other_parameters_keeps_the_notebooks_title(tmp_path):
    page = Page("tiny", TINY, "embedded", title="Three rows")
    out = compute_page(page, tmp_path / "tiny.ipynb", root=REPOSITORY, overrides={"steps": 2})
    assert nbformat.read(out, as_version=4).cells[0].source.startswith("# A tiny page")


def test_figure_labels_are_the_pages_own(figured):
    names = [cell.metadata["mystnb"]["figure"]["name"] for cell in figured if "mystnb" in cell.metadata]
    assert names == ["hue_page-fig-a", "hue_page-fig-a-b"]
    assert markdown(figured, "See ").startswith("See {numref}`hue_page-fig-a-b`, not fig-ab.")
    (said,) = [o.data["text/markdown"] for c in figured for o in c.get("outputs", ()) if "numref" in str(o.data)]
    assert said == "{numref}`hue_page-fig-a` and {numref}`Figure %s <hue_page-fig-a-b>`"


def test_there_is_one_parameters_block_with_the_values_used(cells):
    table = markdown(cells, "| parameter |")
    assert "| `steps` | `int` | `3` | **`2`** |" in table
    assert "| `label` | `str` | `'row'` | **`'line'`** |" in table
    assert table.startswith("<details>\n<summary>") and "2 of them not at the default</summary>\n\n|" in table
    tagged = [cell for cell in cells if {"parameters", "injected-parameters"} & set(cell.metadata.get("tags", ()))]
    assert [cell.metadata.tags for cell in tagged] == [["parameters", "remove-input"]]
    assert "steps: int = 2  # how many" in tagged[0].source
    assert cells[cells.index(tagged[0]) - 1].source == table


def test_the_commands_and_the_files_are_named(cells):
    text = markdown(cells, "How this page was made")
    assert "\nzsas run tiny --profile embedded -p label line\n" in text
    assert f"\npapermill {TINY} out.ipynb -p steps 2 -p label line\n" in text
    assert "{download}`rows.csv <tiny_files/rows.csv>`" in text
    assert "{download}`tiny.json <tiny.json>`" in text


def test_the_record_is_a_table_and_a_certificate(computed, cells):
    (output,) = cells[-1].outputs
    certificate = json.loads(computed.with_suffix(".json").read_text())
    for name in ("commit", "library", "label", "device", "versions", "computed", "duration"):
        assert f"| {name} | " in output.data["text/markdown"]
    assert cells[-1].metadata.tags == ["remove-input"]
    assert certificate["given"] == {"steps": "2", "label": "line"}
    assert certificate["parameters"] == {"steps": 2, "scale": 2.0, "label": "line", "data_root": None}
    assert certificate["notebook"] == {"path": TINY.as_posix(), "digest": file_digest(REPOSITORY / TINY)}
    assert certificate["digest"] == file_digest(computed)
    assert {"zsas_book/provenance.py", "zsas_book/pages/compute.py", "zsas_book/project/parameters.py"} <= certificate[
        "library"
    ].keys()
    assert "zsas_lib/metrics.py" not in certificate["library"]
    assert certificate["record"]["subjects"] == {"label": "line"}


def test_nothing_of_this_machine_is_left_in_the_page(computed):
    text = computed.read_text()
    assert str(REPOSITORY) not in text
    assert str(computed.parent) not in text
    assert "start_time" not in text


def test_cells_are_numbered_from_one(cells):
    assert [cell.execution_count for cell in cells if cell.cell_type == "code"] == [1, 2, 3]


def test_a_changed_page_notebook_is_not_fresh(computed, tmp_path):
    page = Page("tiny", TINY, "embedded", {"steps": "2", "label": "line"}, NOTICE)
    folder = tmp_path / "book" / "_computed"
    folder.mkdir(parents=True)
    (tmp_path / TINY).parent.mkdir(parents=True)
    (tmp_path / TINY).write_bytes((REPOSITORY / TINY).read_bytes())
    for name in ("tiny.ipynb", "tiny.json"):
        (folder / name).write_bytes((computed.parent / name).read_bytes())
    assert stale_reason(page, tmp_path) == ""
    with (folder / "tiny.ipynb").open("a") as notebook:
        notebook.write("\n")
    assert "its computed notebook" in stale_reason(page, tmp_path)


def test_a_list_and_a_number_like_word_survive_both_commands():
    source = nbformat.v4.new_notebook()
    source.cells = [
        nbformat.v4.new_code_cell('values: list[int] = []\nname: str = ""', metadata={"tags": ["parameters"]})
    ]
    declared = read_parameters(source)
    values = resolve(declared, {"values": "1,2", "name": "007"})
    again, plain = commands(Page("p", Path("notebooks/p.ipynb")), declared, values, {"values": "1,2"})
    assert again == "zsas run notebooks/p.ipynb -p values '[1, 2]'"
    assert plain == "papermill notebooks/p.ipynb out.ipynb -y '{values: [1, 2]}' -r name 007"


def test_a_heavy_figure_is_rounded_and_a_light_one_is_not(tmp_path):
    figures = [np.random.default_rng(0).integers(0, 256, (side, side, 4), dtype=np.uint8) for side in (400, 40)]
    paths = [tmp_path / f"{len(pixels)}.png" for pixels in figures]
    for path, pixels in zip(paths, figures):
        pixels[..., 3] = 200
        PIL.Image.fromarray(pixels).save(path)
    show = "from IPython.display import Image, display\n"
    notebook = write_notebook(
        tmp_path / "page.ipynb", show + f"for path in {list(map(str, paths))}: display(Image(path))"
    )
    computed = compute_page(Page("page", notebook), tmp_path / "out" / "page.ipynb", root=REPOSITORY)
    outputs = [output for cell in nbformat.read(computed, 4).cells for output in cell.get("outputs", ())]
    shown = [base64.b64decode(output.data["image/png"]) for output in outputs if "image/png" in output.data]
    heavy, light = (np.asarray(PIL.Image.open(io.BytesIO(data))).astype(int) for data in shown)
    assert (light == figures[1]).all() and (heavy[..., 3] == figures[0][..., 3]).all()
    assert np.abs(heavy - figures[0]).max() == 4
    assert len(shown[0]) < 0.8 * paths[0].stat().st_size


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"stepz": 3}, UnknownNameError, "Did you mean 'steps'"),
        ({"steps": "many"}, ParameterError, "takes int from 1 to 10; got 'many'"),
    ],
)
def test_wrong_parameters_stop_before_anything_runs(given, error, message, tmp_path):
    with pytest.raises(error, match=message):
        compute_page(Page("tiny", TINY), tmp_path / "tiny.ipynb", root=REPOSITORY, overrides=given)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_cell_is_named_and_the_page_before_it_stays(tmp_path):
    out = tmp_path / "out" / "page.ipynb"
    good = write_notebook(tmp_path / "page.ipynb", "1 + 1")
    page = Page("page", good)
    compute_page(page, out, root=REPOSITORY)
    before = {name: (out.parent / name).read_bytes() for name in ("page.ipynb", "page.json")}
    write_notebook(good, "x = 1", "\nimport math\n\nif x:\n    [1, 2][x + 5]", "print('never')")
    with pytest.raises(PageError) as raised:
        compute_page(page, out, root=REPOSITORY)
    log = out.parent / ".logs" / "page.log"
    assert str(raised.value) == (
        f"{good} failed in In [3], `[1, 2][x + 5]`: IndexError: list index out of range Log: {log}"
    )
    assert "IndexError" in log.read_text()
    assert visible(out.parent) == ["page.ipynb", "page.json"]
    assert {name: (out.parent / name).read_bytes() for name in before} == before


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("import sys; sys.exit(0)", r"never reached, `print\('never'\)`: the kernel exited before it"),
        ("import os; os._exit(9)", r"did not end, `import os; os._exit\(9\)`: Kernel died: .* memory runs out"),
    ],
)
def test_a_kernel_that_ends_early_is_no_whole_run(cell, message, tmp_path, cold):
    notebook = write_notebook(tmp_path / "page.ipynb", cell, "print('never')")
    with pytest.raises(PageError, match=message):
        compute_page(Page("page", notebook), tmp_path / "out" / "page.ipynb", root=REPOSITORY)
    assert visible(tmp_path / "out") == []


def test_a_cell_over_its_time_is_named(tmp_path):
    notebook = write_notebook(tmp_path / "page.ipynb", "import time; time.sleep(60)")
    with pytest.raises(PageError, match=r"did not end, `import time; time.sleep\(60\)`: no end after 1 s"):
        compute_page(Page("page", notebook), tmp_path / "out" / "page.ipynb", root=REPOSITORY, cell_timeout=1)
    assert visible(tmp_path / "out") == []


def test_a_record_that_is_not_the_last_line_is_refused(tmp_path):
    notebook = write_notebook(tmp_path / "page.ipynb", "from zsas_book.provenance import record\nrecord()\nx = 1")
    with pytest.raises(PageError, match="make it the last line"):
        compute_page(Page("page", notebook), tmp_path / "out" / "page.ipynb", root=REPOSITORY)


def test_what_is_no_notebook_is_refused(tmp_path):
    broken = tmp_path / "broken.ipynb"
    broken.write_text('{"cells": [')
    with pytest.raises(NotebookError, match="cannot be read as a notebook in UTF-8"):
        compute_page(Page("broken", broken), tmp_path / "out.ipynb", root=REPOSITORY)
    with pytest.raises(NotebookError, match=r"No notebook .*; expected a \.ipynb file"):
        compute_page(Page("none", tmp_path / "none.ipynb"), tmp_path / "out.ipynb", root=REPOSITORY)
    foreign = write_notebook(tmp_path / "foreign.ipynb", "1")
    foreign.write_text(foreign.read_text().replace('"python3"', '"conda-env-mine"'))
    with pytest.raises(NotebookError, match="asks for kernel 'conda-env-mine'; expected 'python3'"):
        compute_page(Page("foreign", foreign), tmp_path / "out.ipynb", root=REPOSITORY)


def test_a_killed_run_leaves_nothing_and_a_rerun_completes(tmp_path, cold):
    reached, out = tmp_path / "reached", tmp_path / "out" / "page.ipynb"
    slow = f"import os, time\nwith open({str(reached)!r}, 'w') as file:\n    file.write(str(os.getpid()))\n"
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    notebook = write_notebook(tmp_path / "page.ipynb", slow + "time.sleep(600 * rows)")
    notebook.write_text(notebook.read_text().replace("(1 to 9)", "(0 to 9)"))
    command = [sys.executable, "-m", "zsas_book.cli", "run", str(notebook), "--output", str(out)]
    run = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=os.environ | {"TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: reached.exists() and reached.read_text())
    kernel = int(reached.read_text())
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert visible(out.parent) == []
    assert [path for path in out.parent.rglob("*.ipynb") if path.name == "executed.ipynb"]
    assert list(temporary.rglob("*")) == []
    wait_for(lambda: not is_running(kernel))
    subprocess.run([*command, "-p", "rows", "0"], cwd=REPOSITORY, check=True, capture_output=True)
    assert sorted(path.name for path in out.parent.iterdir()) == ["page.ipynb", "page.json"]


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{process}/status").read_text() if Path("/proc").is_dir() else True


def wait_for(condition, seconds: float = 120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
