import json
import sys
from contextlib import nullcontext

import nbformat
import pandas as pd
import pytest
from mini_project import REPOSITORY, run_in, start_warm, write_notebook

import zsas_lib
from zsas_book import cli
from zsas_book.cli import doctor
from zsas_book.parts import MissingPartError, require
from zsas_book.project import chapters
from zsas_lib.base.errors import OptionError
from zsas_lib.store.folder import results_folder


@pytest.fixture
def zsas(monkeypatch, capsys):
    """Run the command line in the repository; returns exit status, standard output and standard error."""
    monkeypatch.chdir(REPOSITORY)

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return run


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


def test_a_parameter_without_a_value_is_refused(zsas, tmp_path):
    status, _, err = zsas("run", write_notebook(tmp_path / "page.ipynb", "1"), "-p", "rows")
    assert status == 2
    assert "-p takes a name and a value" in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "uniform_swep"], "Unknown page 'uniform_swep'; known: "),
        (["run", "uniform_swep"], "Did you mean 'uniform_sweep'?"),
        (["run", "uniform_sweep", "--profile", "papr"], "Unknown profile 'papr'"),
        (["run", "uniform_sweep", "--profile", "papr"], "Did you mean 'paper'?"),
        (
            ["shard", "winclip_windows", "bottle"],
            "winclip_windows has no shards; compute it whole: zsas run winclip_win",
        ),
        (["run", "absent.ipynb"], "absent.ipynb; expected a .ipynb file."),
        (["data", "check", "mvtek", "."], "Unknown data set 'mvtek'"),
        (["data", "check", "mvtec", "no_such_folder"], "No folder no_such_folder"),
    ],
)
def test_an_unknown_name_is_one_sentence_and_status_2(zsas, arguments, sentence):
    status, out, err = zsas(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("zsas: ")
    assert sentence in err
    assert err.count("\n") == 1


def test_outside_a_project_run_says_so(zsas, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = zsas("run", "uniform_sweep")
    assert status == 2
    assert err == f"zsas: No chapters.yaml in {tmp_path} or above it; run this inside a checkout of the book.\n"


def test_an_error_that_is_none_of_ours_keeps_its_traceback(zsas, monkeypatch):
    def broken(*arguments):
        raise KeyError("a bug")

    monkeypatch.setattr(chapters, "load_pages", broken)
    monkeypatch.chdir(REPOSITORY)
    with pytest.raises(KeyError, match="a bug"):
        cli.main(["run", "uniform_sweep"])


def test_data_check_prints_the_counts_and_fails_where_something_is_missing(zsas, mvtec_root):
    status, out, err = zsas("data", "check", "mvtec", mvtec_root)
    assert status == 1
    assert "broken_large" in out
    assert "Category cable is missing altogether." in err


@pytest.mark.slow
def test_doctor_finds_the_environment_in_order(zsas):
    status, out, err = zsas("doctor")
    assert (status, err) == (0, "")
    found = dict(line.split("  ", 1) for line in out.splitlines())
    places = {"cache", "results", "data", "project"}
    assert found.keys() == {"python", "zsas-lib", "torch", "open_clip", "book tools", "devices", *places}
    assert found["results"].strip() == str(results_folder()) and "ZSAS_DATA" in found["data"]
    assert "torchvision" in found["torch"]
    assert str(REPOSITORY) in found["project"]


@pytest.mark.slow
def test_doctor_names_places_that_cannot_be(zsas, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    for variable in ("ZSAS_CACHE", "ZSAS_RESULTS", "ZSAS_DATA"):
        monkeypatch.setenv(variable, str(tmp_path / "file"))
    status, out, _ = zsas("doctor")
    amiss = [line.split(" ")[0] for line in out.splitlines() if "amiss" in line]
    assert status == 1 and amiss == ["cache", "results", "data"]


def test_a_parameter_given_twice_is_refused(zsas):
    status, _, err = zsas("run", "worst_case", "-p", "categories", "ceramic_ring", "-p", "categories", "painted_star")
    assert status == 2 and "-p categories is given twice, with ceramic_ring and with painted_star" in err
    assert "-p categories ceramic_ring,painted_star" in " ".join(err.split())


@pytest.mark.slow
def test_doctor_finds_a_torchvision_that_does_not_fit(zsas, monkeypatch):
    real = doctor.metadata.version
    monkeypatch.setattr(doctor.metadata, "version", lambda name: "2.13.0+cpu" if name == "torch" else real(name))
    status, out, _ = zsas("doctor")
    assert status == 1
    assert "amiss: that one is built for torch 2.12.1" in out


@pytest.mark.training
def test_train_writes_what_load_model_reads(zsas, mvtec_root, tmp_path):
    path = tmp_path / "april.safetensors"
    given = ("--dataset", "mvtec", "--root", mvtec_root, "--epochs", "2", "--activation", "quick_gelu")
    status, out, err = zsas("train", "april-gan", path, *given)
    assert status == 0 and "april-gan is trained: 2 steps" in out
    assert [entry.name for entry in tmp_path.glob("april*")] == ["april.safetensors"]
    loading = f"'embedded', image_size=144, activation='quick_gelu'), checkpoint={str(path)!r})"
    assert out.strip().endswith(f"zsas.load_model('april-gan', zsas.load_backbone({loading}")
    backbone = zsas_lib.load_backbone("embedded", image_size=144, activation="quick_gelu")
    model = zsas_lib.load_model("april-gan", backbone, checkpoint=path)
    assert model.trained["epochs"] == 2 and len(model.history) == 2 and model.trained["decay"]  # of the short recipe


@pytest.mark.slow
def test_train_hands_on_what_chooses_the_epoch_and_says_if_it_was_the_test_data(
    zsas, mvtec_root, tmp_path, monkeypatch
):
    asked = []

    def fit(model, dataset, **options):
        asked.append(options)
        return pd.DataFrame({"loss": [2.0, 1.0]})

    monkeypatch.setattr(zsas_lib, "fit", fit)
    data = ("--dataset", "mvtec", "--root", mvtec_root)
    judging = ("--target", "mvtec", "--target-root", mvtec_root, "--select-by", "pixel_f1_max")
    warning = "Its epoch was chosen on mvtec: what it scores there is no estimate for other pictures."
    status, out, err = zsas("train", "april-gan", tmp_path / "a", *data, "--select", "target", *judging)
    assert status == 0 and warning in out, err
    status, out, err = zsas("train", "april-gan", tmp_path / "b", *data, "--held-out", "bottle")
    assert status == 0 and "chosen on" not in out, err
    published, clean = asked
    assert (published["select"], published["select_by"], published["target"].name) == (
        "target",
        "pixel_f1_max",
        "mvtec",
    )
    assert (clean["select"], clean["target"], clean["held_out"]) == (None, None, ["bottle"])


def test_a_model_that_learns_nothing_is_one_sentence(zsas, mvtec_root, tmp_path):
    status, _, err = zsas("train", "winclip", tmp_path / "w", "--dataset", "mvtec", "--root", mvtec_root)
    assert status == 2 and err == "zsas: winclip learns nothing; expected a model such as vcpclip+.\n"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--epochs", "0"], "fit got epochs=0; expected a whole number in 1..2147483647."),
        (["--epochs", "-3"], "fit got epochs=-3"),
        (["--training-batch-size", "0"], "fit got training_batch_size=0"),
        (["--rate", "0"], "fit got rate=0.0; expected a learning rate above 0 and at most 1."),
        (["--rate", "nan"], "fit got rate=nan"),
        (["--rate", "inf"], "fit got rate=inf"),
        (["--zoom", "nan"], "fit got zoom=nan; expected a probability in 0..1."),
        (["--loss-size", "0"], "fit got loss_size=0; expected a side in pixels of at least 1."),
        (["--seed", "-1"], "fit got seed=-1; expected a whole number in 0..4294967295."),
        (["--select", "best"], "Unknown selection of an epoch 'best'"),
        (["--select", "target"], "fit got select='target' and no target; expected the test data that choose"),
        (["--target", "embedded-b"], "fit got a target and select=None; test data choose an epoch with select"),
        (["--select-by", "loss"], "Unknown metric that chooses an epoch 'loss'"),
    ],
)
def test_what_no_training_can_be_done_with_is_one_sentence_before_anything_is_read(
    zsas, tmp_path, monkeypatch, given, sentence
):
    monkeypatch.setattr(zsas_lib, "load_backbone", lambda *_, **__: pytest.fail("the backbone was loaded"))
    status, out, err = zsas("train", "april-gan", tmp_path / "new" / "april", *given)
    assert (status, out) == (2, "") and err.startswith(f"zsas: {sentence}") and err.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_where_a_training_cannot_be_written_is_one_sentence_before_anything_is_read(zsas, tmp_path, monkeypatch):
    monkeypatch.setattr(zsas_lib, "load_backbone", lambda *_, **__: pytest.fail("the backbone was loaded"))
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "folder.checkpoint").mkdir()
    for place, sentence in (
        (tmp_path, f"{tmp_path} is a folder; expected the name of a file to write."),
        (tmp_path / "notes.txt", f"{tmp_path}/notes.txt is there already; remove it first, or name another file."),
        (tmp_path / "notes.txt" / "x", f"{tmp_path}/notes.txt is no folder, so that x cannot be written into it."),
        (tmp_path / "folder", f"{tmp_path}/folder.checkpoint is a folder; expected the name of a file to write."),
        (".", ". is a folder; expected the name of a file to write."),
    ):
        assert zsas("train", "april-gan", place) == (2, "", f"zsas: {sentence}\n")
    assert (tmp_path / "notes.txt").read_text() == "mine" and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("ended", [True, False])
def test_a_training_that_is_stopped_says_whether_it_goes_on(zsas, mvtec_root, tmp_path, monkeypatch, ended):
    def stopped(model, dataset, *, checkpoint, **_):
        if ended:
            checkpoint.touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(zsas_lib, "fit", stopped)
    output = tmp_path / "april"
    said = f"the same command goes on from {output}.checkpoint" if ended else "no epoch had ended"
    found = zsas("train", "april-gan", output, "--dataset", "mvtec", "--root", mvtec_root)
    assert found == (130, "", f"stopped; {said}.\n")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["winclip"], "winclip learns nothing; expected a model such as vcpclip+."),
        (["anovl"], "anovl learns nothing; expected a model such as vcpclip+."),
        (["gpt-clip"], "Unknown model 'gpt-clip'; known: "),
        (
            ["april-gan", "--image-size", "0"],
            "Backbone 'embedded' got image_size=0; expected pixels, a whole number of",
        ),
        (["april-gan", "--image-size", "-12"], "Backbone 'embedded' got image_size=-12"),
        (["april-gan", "--image-size", "100"], "Backbone 'embedded': image_size 100 is not a multiple of the patch"),
        (["april-gan", "--image-size", "1200000"], "Backbone 'embedded': image_size 1200000 makes 100000 patches"),
        (["april-gan", "--activation", "relu"], "Unknown activation 'relu'"),
        (["april-gan", "--backbone", "ViT-B-32"], "Backbone 'ViT-B-32' has no weights of its own"),
        (["anomalyclip", "--backbone", "RN50:openai"], "AnomalyCLIP cannot run on backbone 'RN50:openai' (ResNet): "),
        pytest.param(
            ["vcpclip+", "--backbone", "convnext_base:laion400m_s13b_b51k"],
            "VCPCLIP cannot run on backbone 'convnext_",
            marks=pytest.mark.slow,
        ),
        (["april-gan", "--backbone", "ViT-B-32:openai", "--image-size", "230"], "Backbone 'ViT-B-32:openai': image_"),
        (["april-gan", "--loss-size", "145"], "fit got loss_size=145; expected a side in pixels in 1..144."),
        (["april-gan", "--recipe", "shrt"], "Unknown recipe of a training 'shrt'"),
    ],
)
def test_other_words_that_no_training_can_be_done_with(zsas, mvtec_root, tmp_path, given, sentence, monkeypatch):
    monkeypatch.setattr("zsas_lib.backbones.registry.tag_file", lambda tag: pytest.fail("weights were fetched"))
    model, *options = given
    data = ("--dataset", "mvtec", "--root", mvtec_root)
    status, out, err = zsas("train", model, tmp_path / "april", *data, *options)
    assert (status, out) == (2, "") and err.startswith(f"zsas: {sentence}") and err.count("\n") == 1
    assert not list(tmp_path.glob("*april*"))


def test_results_are_packed_and_unpacked_from_the_command_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "chapters.yaml").touch()
    (tmp_path / "results" / "evaluate").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZSAS_RESULTS", str(tmp_path / "results"))
    with pytest.raises(SystemExit) as end:
        cli.main(["results", "pack", "all.zip"])
    assert end.value.code == 2 and "zsas: Nothing to pack: no result in" in capsys.readouterr().err
    (tmp_path / "all.zip").write_bytes(b"PK")
    with pytest.raises(SystemExit) as end:
        cli.main(["results", "unpack", "all.zip"])
    assert end.value.code == 2 and "zsas: all.zip is damaged or no archive of results" in capsys.readouterr().err


BLOCKED = """
import sys
from importlib.abc import MetaPathFinder

class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
{code}
"""
EXTRA = (
    *("jsonschema", "nbformat", "nbclient", "papermill", "ipykernel", "yaml", "matplotlib", "seaborn", "typer"),
    *("jupytext", "jupyter_book", "snakemake", "sphinx", "docutils"),
)
COMMANDS = (["run", "uniform_sweep"], ["status"], ["plan"], ["fork", "x", "--as", "y", "--backbone", "z"])


def without(names: tuple[str, ...], code: str):
    """Run code in a process in which packages cannot be imported."""
    return run_in(REPOSITORY, "-c", BLOCKED.format(names=names, code=code))


SAID = """
import contextlib, io, json
from zsas_book.cli import main

said = []
for command in {commands!r}:
    with contextlib.redirect_stderr(io.StringIO()) as error, contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            main(command)
            status = 0
        except SystemExit as end:
            status = end.code
    said.append([status, error.getvalue(), printed.getvalue()])
print(json.dumps(said))
"""


@pytest.mark.kernel
@pytest.mark.parametrize("names", [("papermill",), ("nbformat", "yaml"), ("typer",), EXTRA])
def test_without_the_books_packages_one_sentence_says_what_to_install(names):
    outcome = without(names, SAID.format(commands=COMMANDS))
    assert (outcome.returncode, outcome.stderr) == (0, "")
    for command, (status, said, printed) in zip(COMMANDS, json.loads(outcome.stdout), strict=True):
        assert (status, printed) == (2, ""), command
        assert said.startswith("zsas: The book needs ")
        assert said.endswith(' not installed here: pip install "zsas-lib[book]"\n')
        assert said.count("\n") == 1


NEEDED = {
    "zsas_book.project.chapters": "jsonschema, nbformat, yaml",
    "zsas_book.figures": "matplotlib, seaborn",
    "zsas_book.cli.commands": "typer",
    "zsas_book.site.chromium": "jupyter_book, jupytext, nbformat, sphinx, yaml",
    "zsas_book.pages.compute": "ipykernel, nbclient, nbformat, papermill",
}


@pytest.mark.kernel
@pytest.mark.parametrize("module", NEEDED)
def test_without_the_books_packages_python_users_read_the_same(module):
    outcome = without(EXTRA, f"import {module}")
    assert outcome.returncode == 1
    assert outcome.stderr.splitlines()[-1] == (
        f"zsas_book.parts.MissingPartError: The book needs {NEEDED[module]}, which "
        f'{"are" if "," in NEEDED[module] else "is"} not installed here: pip install "zsas-lib[book]"'
    )


@pytest.mark.kernel
def test_without_the_books_packages_the_rest_works():
    outcome = without(EXTRA, "from zsas_book import record; print(sorted(record().facts))")
    assert outcome.returncode == 0 and "commit" in outcome.stdout, outcome.stderr
    tools = tuple(name for name in EXTRA if name != "typer")
    outcome = without(tools, SAID.format(commands=[["data", "check", "mvtec", "no_such_folder"], ["doctor"]]))
    (status, said, _), (found, _, printed) = json.loads(outcome.stdout)
    assert status == 2 and "No folder no_such_folder" in said
    assert found == 1
    assert "book tools  amiss: The book needs jupyter_book, papermill, jupytext, snakemake, which are" in printed
    assert "project     amiss: The book needs jsonschema, nbformat, yaml, which are not installed" in printed


def test_what_is_there_is_not_missed(monkeypatch):
    require("json", "papermill")
    monkeypatch.setitem(sys.modules, "papermill", None)
    with pytest.raises(MissingPartError, match="needs papermill, which is not installed here") as raised:
        require("json", "papermill")
    assert raised.value.name == "papermill"
