"""``zsas run`` and ``zsas shard``: which parameters, places and pages they take."""

from contextlib import nullcontext

import nbformat
import pytest
from mini_project import REPOSITORY, start_warm, write_notebook

from zsas_lib.base.errors import OptionError


@pytest.mark.kernel
def test_run_takes_parameters_as_papermill_does_and_says_where_the_result_is(zsas, tmp_path, monkeypatch):
    start_warm(monkeypatch)
    notebook = write_notebook(tmp_path / "page.ipynb", "print(rows)")
    status, out, _ = zsas("run", notebook, "-p", "rows", "7", "--output", tmp_path / "out.ipynb")
    assert status == 0
    assert "out.ipynb" in out
    (cell,) = [cell for cell in nbformat.read(tmp_path / "out.ipynb", 4).cells if cell.source == "print(rows)"]
    assert cell.outputs[0].text == "7\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-p", "row", "3"], "zsas: Unknown parameter 'row'; known: rows. Did you mean 'rows'?"),
        (["-p", "rows", "many"], "zsas: Parameter 'rows' takes int from 1 to 9; got 'many' (str). Its default is 1."),
        (["-p", "rows", "-3"], "zsas: Parameter 'rows' takes int from 1 to 9; got -3 (int). Its default is 1."),
        (["-p", "rows=0"], "zsas: Parameter 'rows' takes int from 1 to 9; got 0 (int). Its default is 1."),
    ],
)
def test_a_wrong_parameter_is_one_sentence_and_status_2(zsas, tmp_path, arguments, sentence):
    notebook = write_notebook(tmp_path / "page.ipynb", "print(rows)")
    status, out, err = zsas("run", notebook, *arguments, "--output", tmp_path / "out" / "page.ipynb")
    assert (status, out, err) == (2, "", sentence + "\n")
    assert not (tmp_path / "out").exists()


def test_a_parameter_without_a_value_is_refused(zsas, tmp_path):
    status, _, err = zsas("run", write_notebook(tmp_path / "page.ipynb", "1"), "-p", "rows")
    assert status == 2
    assert "-p takes a name and a value" in err


def test_a_parameter_given_twice_is_refused(zsas):
    status, _, err = zsas("run", "worst_case", "-p", "categories", "ceramic_ring", "-p", "categories", "painted_star")
    assert status == 2 and "-p categories is given twice, with ceramic_ring and with painted_star" in err
    assert "-p categories ceramic_ring,painted_star" in " ".join(err.split())


@pytest.mark.slow
def test_paths_are_relative_to_the_shells_folder_and_parameters_that_go_together_are_checked(
    zsas, tmp_path, monkeypatch, mvtec_root
):
    monkeypatch.chdir(REPOSITORY / "notebooks")
    status, out, err = zsas("run", "worst_case", "-p", "dataset", "folder", "-p", "data_root", "no such sets")
    assert (status, out) == (2, "")
    assert err.startswith(f"zsas: No folder {REPOSITORY}/notebooks/no such sets for data set 'folder'")
    status, out, err = zsas("run", "worst_case", "-p", "dataset", "folder", "-p", "data_root", mvtec_root)
    assert (status, out) == (2, "") and err.startswith("zsas: Parameter 'categories' names 'brushed_hexagon', ")
    assert f"but data set 'folder' in {mvtec_root} has bottle, grid; give it too: -p categories bottle" in err
    status, out, err = zsas("shard", "worst_case", "painted_star", "-p", "weights", "my.pt")
    assert (status, out, err) == (
        2,
        "",
        f"zsas: Parameter 'weights' is 'notebooks/my.pt', but there is no {REPOSITORY}/notebooks/my.pt.\n",
    )
    monkeypatch.setenv("ZSAS_DATA", "my sets")
    _, _, err = zsas("run", "worst_case", "-p", "dataset", "folder")
    assert f"No folder {REPOSITORY}/notebooks/my sets/folder" in err


@pytest.mark.slow
def test_places_that_cannot_be_written_are_said_before_anything_runs(zsas, tmp_path, monkeypatch):
    notebook = write_notebook(tmp_path / "page.ipynb", "print(rows)")
    (tmp_path / "file").touch()
    status, out, err = zsas("run", notebook, "--output", tmp_path / "file" / "out.ipynb")
    assert (status, out) == (2, "")
    assert err.startswith(f"zsas: Nothing can be written in {tmp_path}/file ({tmp_path}/file is a file). Give another")
    monkeypatch.setenv("ZSAS_RESULTS", str(tmp_path / "file"))
    for arguments in (
        ["run", notebook, "--output", tmp_path / "out.ipynb"],
        ["shard", "uniform_sweep", "ceramic_ring"],
    ):
        status, out, err = zsas(*arguments, "--profile", "smoke")
        assert (status, out) == (2, "") and err.startswith(f"zsas: Results cannot be kept in {tmp_path}/file (")
        assert err.endswith("Name a folder that can be written in $ZSAS_RESULTS.\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "page.ipynb"]


def test_an_output_is_judged_before_a_gpu_is_waited_for_and_nothing_there_is_removed(zsas, tmp_path, monkeypatch):
    monkeypatch.setattr("zsas_book.cli.run.one_gpu", lambda: pytest.fail("a GPU is waited for"))
    notebook = write_notebook(tmp_path / "page.ipynb", "print(rows)")
    (tmp_path / "folder.json").write_text("mine")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.iterdir())
    for output, words in (
        (tmp_path / "folder", f"such as {tmp_path}/folder/page.ipynb"),
        (tmp_path / "out.json", "expected the name of a file that ends in .ipynb"),
        (notebook, "there already, and not a run of page as it was published"),
        (tmp_path / "folder.ipynb", f"{tmp_path}/folder.json: there already"),
    ):
        status, out, err = zsas("run", notebook, "--gpu", "--output", output)
        assert (status, out, err.count("\n")) == (2, "", 1) and words in err
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / "folder.json").read_text() == "mine"


@pytest.mark.parametrize("gpus", [[], ["0"]])
def test_a_run_that_fails_leaves_no_empty_folder_and_one_without_a_gpu_says_so(zsas, tmp_path, monkeypatch, gpus):
    def fails(page, output, **_):
        assert output.parent.is_dir()
        raise OptionError("No.")

    monkeypatch.setattr("zsas_book.pages.compute.compute_page", fails)
    monkeypatch.setattr("zsas_book.site.rerun.RUNS", tmp_path / "runs")
    monkeypatch.setattr("zsas_book.cli.run.machine_gpus", lambda: gpus)
    monkeypatch.setattr("zsas_book.cli.run.one_gpu", nullcontext)
    notebook = write_notebook(tmp_path / "page.ipynb", "print(rows)")
    status, _, err = zsas("run", notebook, "-p", "rows", "7", "--gpu")
    said = "" if gpus else "There is no GPU here that nvidia-smi lists: this run takes the processor.\n"
    assert (status, err) == (2, f"{said}zsas: No.\n")
    assert not list((tmp_path / "runs").iterdir())


def test_outside_a_project_run_says_so(zsas, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = zsas("run", "uniform_sweep")
    assert status == 2
    assert err == f"zsas: No chapters.yaml in {tmp_path} or above it; run this inside a checkout of the book.\n"
