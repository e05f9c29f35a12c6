"""The store: what is found again and what is not, and that no crash, race or damage ever gets a wrong table loaded."""

import errno
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from mini_project import SHARED, WARM
from toy import Glow, toy_dataset
from writers import LIVES, ROWS, table

import zsas_lib as zsas
from zsas_book.machine.warm import SOCKET_VARIABLE
from zsas_lib.base.sources import source_digest
from zsas_lib.base.writable import UnwritableError
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.evaluation.tables import ResultTable
from zsas_lib.robustness.search.comparison import bound_curves
from zsas_lib.robustness.search.per_category import shared_amounts
from zsas_lib.robustness.sweeps import uniform_sweep
from zsas_lib.store import results
from zsas_lib.store.results import DamagedResultError, load_or_compute, read_result, results_folder, stored

FEW = {"resamples": 10}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("toy"), {"lamp": 3, "star": 2})


def files(store: Path) -> list[Path]:
    return sorted(path for path in store.rglob("*") if path.is_file())


def keep(store: Path, made: pd.DataFrame | None = None, **configuration: object) -> pd.DataFrame:
    return load_or_compute("test", configuration, lambda: table() if made is None else made, sources="", store=store)


@pytest.mark.slow
def test_a_sweep_comes_back_as_it_was_computed(dataset, tmp_path):
    direct, model = uniform_sweep(Glow(), dataset, "hue", [0.0, 1.0], **FEW), Glow()
    first = stored(uniform_sweep, model, dataset, "hue", [0.0, 1.0], store=tmp_path, **FEW)
    seen = model.seen
    second = stored(uniform_sweep, model, dataset, "hue", [0.0, 1.0], store=tmp_path, **FEW)
    assert model.seen == seen == 2 * len(dataset)
    pd.testing.assert_frame_equal(first, direct)
    pd.testing.assert_frame_equal(second, direct)
    assert [path.parent.name for path in files(tmp_path)] == ["uniform_sweep"] * 2


@pytest.mark.slow
def test_an_evaluation_comes_back_with_what_stands_beside_it(dataset, tmp_path):
    direct = evaluate(Glow(), dataset, **FEW)
    for _ in range(2):
        table = stored(evaluate, Glow(), dataset, store=tmp_path, **FEW)
        assert isinstance(table, ResultTable)
        pd.testing.assert_frame_equal(table, direct)
        pd.testing.assert_frame_equal(table.per_image, direct.per_image)
        pd.testing.assert_frame_equal(table.spread, direct.spread)


@pytest.mark.slow
def test_the_record_says_where_and_how_a_result_was_made(dataset, tmp_path):
    fresh, loaded = (stored(evaluate, Glow(), dataset, store=tmp_path, **FEW) for _ in range(2))
    assert fresh.attrs == loaded.attrs
    made = loaded.attrs["made"][1]
    assert made["configuration"]["dataset"]["category"] == "star" and made["file"] in map(str, files(tmp_path))
    assert made["configuration"]["arguments"] == {"seed": 0, "resamples": 10}
    assert made["device"].startswith("cpu") and made["precision"] == "float32"
    assert made["versions"]["torch"] == version("torch") and made["seconds"] > 0 and "+00:00" in made["created"]
    record = json.loads(pq.read_metadata(made["file"]).metadata[results.RECORD.encode()])
    assert record["configuration"] == made["configuration"]


def changed_backbone(model: Glow) -> None:
    model.backbone.digest = "another"


def changed_weights(model: Glow) -> None:
    model.gain.data += 0.5


@pytest.mark.slow
@pytest.mark.parametrize("change", [changed_backbone, changed_weights])
def test_another_model_is_another_result(dataset, tmp_path, change):
    stored(evaluate, Glow(), dataset, store=tmp_path, **FEW)
    model = Glow()
    change(model)
    stored(evaluate, model, dataset, store=tmp_path, **FEW)
    assert model.seen == len(dataset) and len(files(tmp_path)) == 4


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [{"seed": 1}, {"resamples": 11}])
def test_other_arguments_are_another_result(dataset, tmp_path, arguments):
    for given in (FEW, FEW | arguments):
        stored(evaluate, Glow(channel=1), dataset, store=tmp_path, **given)
    assert len(files(tmp_path)) == 4


@pytest.mark.slow
def test_options_of_the_model_are_part_of_the_result(dataset, tmp_path):
    tables = [stored(evaluate, Glow(channel=channel), dataset, store=tmp_path, **FEW) for channel in (0, 1)]
    assert not tables[0].equals(tables[1])


@pytest.mark.slow
def test_changed_pictures_are_another_result_for_their_category_alone(tmp_path):
    dataset, store = toy_dataset(tmp_path / "data", {"lamp": 3, "star": 2}), tmp_path / "store"
    stored(evaluate, Glow(), dataset, store=store, **FEW)
    changed = next(record for record in dataset.records if record.category == "star")
    changed.path.write_bytes(dataset.records[0].path.read_bytes())
    model = Glow()
    stored(evaluate, model, dataset, store=store, **FEW)
    assert model.seen == len(dataset.select(["star"]))


@pytest.mark.slow
def test_changed_library_code_is_another_result(dataset, tmp_path, monkeypatch):
    stored(evaluate, Glow(), dataset, store=tmp_path, **FEW)
    monkeypatch.setattr(results, "source_digest", lambda *subjects: source_digest(*subjects) + "changed")
    model = Glow()
    stored(evaluate, model, dataset, store=tmp_path, **FEW)
    assert model.seen == len(dataset)


USERS_FILE = """
import pandas as pd
from toy import Glow as Shared


def counted(model, dataset):
    return pd.DataFrame({"category": dataset.categories, "aupro": [NUMBER]})


class Glow(Shared):
    pass
"""


@pytest.mark.slow
def test_functions_and_models_of_users_with_one_name_do_not_share_results(dataset, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    lamps, store = dataset.select(["lamp"]), tmp_path / "store"
    for number, module in enumerate(("first_file", "second_file")):
        (tmp_path / f"{module}.py").write_text(USERS_FILE.replace("NUMBER", f"{number}.5"))
        own = import_module(module)
        for model in (Glow(), own.Glow()):
            table = stored(own.counted, model, lamps, store=store)
            assert table.aupro[0] == number + 0.5
            made = table.attrs["made"][0]["configuration"]
            assert (made["function"], made["model"]["model"]) == ("counted", "glow")
    assert len(files(store)) == 4


@pytest.mark.slow
def test_how_it_is_computed_and_with_which_others_is_no_part_of_the_result(dataset, tmp_path):
    stored(evaluate, Glow(), dataset.select(["star"]), store=tmp_path, batch_size=2, **FEW)
    model = Glow()
    table = stored(evaluate, model, dataset, store=tmp_path, batch_size=4, **FEW)
    assert model.seen == len(dataset.select(["lamp"]))
    pd.testing.assert_frame_equal(table, evaluate(Glow(), dataset, **FEW))


@pytest.mark.slow
def test_a_batch_size_moves_numbers_by_rounding_only():
    model = zsas.load_model("winclip", zsas.load_backbone("embedded", device="cpu"))
    pictures = zsas.load_dataset("embedded-b", categories=["ceramic_ring"], image_size=144).select(per_category=4)
    for function, arguments in ((evaluate, ()), (uniform_sweep, ("rotation", [30.0]))):
        usual, other = (function(model, pictures, *arguments, batch_size=size, **FEW) for size in (16, 3))
        pd.testing.assert_frame_equal(pd.DataFrame(other), pd.DataFrame(usual), rtol=0, atol=results.ROUNDING)


@pytest.mark.slow
def test_what_a_search_finds_with_each_batch_size_is_kept_apart(dataset, tmp_path):
    searching = {"search": "random", "passes": 2, "over": ["hue"], "store": tmp_path}
    for function, options in ((bound_curves, searching), (shared_amounts, {"points": 1, "store": tmp_path, **FEW})):
        seen, model = [], Glow()
        for size in (16, 4, 4):
            stored(function, model, dataset, batch_size=size, **options)
            seen.append(model.seen)
        assert seen[1] == 2 * seen[0] and seen[2] == seen[1]


@pytest.mark.slow
def test_an_interrupted_run_keeps_what_was_done(dataset, tmp_path):
    class Interrupted(Glow):
        def forward(self, images, class_names):
            if "star" in class_names and self.patience == 0:
                raise KeyboardInterrupt
            return super().forward(images, class_names)

    Interrupted.__module__, Interrupted.__qualname__ = Glow.__module__, Glow.__qualname__  # this file uses all sources
    model = Interrupted()
    model.patience = 0
    with pytest.raises(KeyboardInterrupt):
        stored(evaluate, model, dataset, store=tmp_path, **FEW)
    assert len(files(tmp_path)) == 1
    model.patience, model.seen = 1, 0
    stored(evaluate, model, dataset, store=tmp_path, **FEW)
    assert model.seen == len(dataset.select(["star"]))


def test_misspelt_options_are_refused(dataset, tmp_path):
    with pytest.raises(TypeError, match="resample"):
        stored(evaluate, Glow(), dataset, store=tmp_path, resample=10)
    assert files(tmp_path) == []


def test_a_model_from_a_notebook_cell_is_refused(dataset, tmp_path):
    Cell = type("Cell", (Glow,), {"__module__": "cells_of_a_notebook"})
    with pytest.raises(ValueError, match="no source file; put it into a module"):
        stored(evaluate, Cell(), dataset, store=tmp_path, **FEW)


@pytest.mark.parametrize("size", [0, 1, 100, -1, -8, -200])
def test_truncated_files_are_refused_and_made_again(tmp_path, size):
    keep(tmp_path)
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:size])
    with pytest.raises(DamagedResultError, match=path.name):
        read_result(path)
    with pytest.warns(UserWarning, match=f"{path.name}.* computed again"):
        pd.testing.assert_frame_equal(keep(tmp_path), table())
    pd.testing.assert_frame_equal(read_result(path), table())


@pytest.mark.slow
def test_a_changed_byte_never_changes_a_loaded_table(dataset, tmp_path):
    whole = stored(evaluate, Glow(), dataset.select(["lamp"]), store=tmp_path, **FEW)
    (path,) = files(tmp_path)
    intact, loaded = path.read_bytes(), read_result(path)
    rng, refused = random.Random(0), 0
    for position in rng.sample(range(len(intact)), 100):
        path.write_bytes(intact[:position] + bytes([intact[position] ^ 1 << rng.randrange(8)]) + intact[position + 1 :])
        try:
            again = read_result(path)
        except DamagedResultError:
            refused += 1
        else:
            pd.testing.assert_frame_equal(again, loaded)
            assert again.attrs == loaded.attrs
            pd.testing.assert_frame_equal(again.per_image, whole.per_image)
            pd.testing.assert_frame_equal(again.spread, whole.spread)
    assert refused > 20


def test_files_that_are_something_else_are_refused(tmp_path):
    keep(tmp_path, seed=0)
    (path,) = files(tmp_path)
    other = path.with_name("0" * 64 + ".parquet")
    path.rename(other)
    with pytest.raises(DamagedResultError, match="does not hold"):
        read_result(other)
    table().to_parquet(path)
    with pytest.raises(DamagedResultError, match="cannot be read"):
        read_result(path)


def test_a_full_disk_costs_the_file_and_not_the_result(tmp_path, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(UserWarning, match="could not be written .*No space left.*not stored"):
        pd.testing.assert_frame_equal(keep(tmp_path), table())
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_made_stops_before_computing(tmp_path):
    (tmp_path / "store").write_text("a file")
    computed = []
    with pytest.raises(UnwritableError, match=r"Results cannot be kept in .*store \(.*is a file\).*\$ZSAS_RESULTS"):
        load_or_compute("test", {}, lambda: computed.append(1) or table(), sources="", store=tmp_path / "store")
    assert computed == []


@pytest.fixture(scope="module")
def writers(tmp_path_factory) -> Iterator[tuple[subprocess.Popen, Path, Path]]:
    """A process whose children first write one result all at once, then many, each until it is killed. It has what it
    needs of the server of long tests, or imports it while other tests run, and waits until it is told to begin."""
    raced, killed = tmp_path_factory.mktemp("raced") / f"{'0' * 64}.parquet", tmp_path_factory.mktemp("killed")
    folders = [Path(zsas.__file__).parents[1], Path(__file__).parents[2]]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, folders)),
        "OMP_NUM_THREADS": "1",
        SOCKET_VARIABLE: os.environ.get(SHARED, ""),
    }
    command = [sys.executable, "-m", WARM, "writers", str(raced), str(killed)]
    with subprocess.Popen(command, env=environment) as process:
        yield process, raced, killed
        process.kill()


@pytest.fixture(scope="module", autouse=True)
def writers_import_meanwhile(request):
    if any("writers" in item.fixturenames for item in request.session.items):
        request.getfixturevalue("writers")


@pytest.mark.slow
def test_readers_see_whole_results_while_several_write(writers):
    process, raced, killed = writers
    (killed / "begin").touch()
    lengths = []
    while not (killed / "race over").exists() and process.poll() is None:
        if raced.is_file():
            read = read_result(raced)
            pd.testing.assert_frame_equal(read, table(len(read)))
            lengths.append(len(read))
        else:
            time.sleep(0.01)
    assert lengths and set(lengths) <= {1000, 1001, 1002}
    assert files(raced.parent) == [raced]


@pytest.mark.slow
def test_a_killed_writer_never_leaves_a_half_made_result(writers):
    process, _, killed = writers
    assert process.wait() == 0
    whole = sorted(killed.glob("*.parquet"))
    unfinished = [path for path in files(killed) if path.suffix == ".part"]
    assert len(whole) >= LIVES and unfinished, "no writer was killed while writing"
    for path in whole:
        pd.testing.assert_frame_equal(read_result(path), table(ROWS))
    assert all(path.name.startswith(".") for path in unfinished)


@pytest.mark.parametrize("lacks", ["name", "created", "device", "commit"])
def test_a_result_that_does_not_say_how_it_was_made_is_damaged(tmp_path, lacks):
    made = {"name": "test", "created": "2026-11-02T10:00:00+00:00", "device": "cpu", "commit": "unknown"}
    results._write(tmp_path / "whole.parquet", table(3), made)
    pd.testing.assert_frame_equal(read_result(tmp_path / "whole.parquet"), table(3))
    results._write(tmp_path / "lacking.parquet", table(3), {k: v for k, v in made.items() if k != lacks})
    results._write(tmp_path / "number.parquet", table(3), {**made, lacks: 3})
    for name in ("lacking", "number"):
        with pytest.raises(DamagedResultError, match=r"cannot be read as a stored result \(RecordError\)"):
            read_result(tmp_path / f"{name}.parquet")


def test_the_store_lies_in_the_project_or_where_it_is_told(tmp_path, monkeypatch):
    monkeypatch.delenv("ZSAS_RESULTS", raising=False)
    inner = tmp_path / "project" / "notebooks"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert results_folder() == inner / "results"
    for name in ("chapters.yaml", "pyproject.toml"):
        (inner.parent / name).touch()
    assert results_folder() == inner.parent / "results"
    monkeypatch.setenv("ZSAS_RESULTS", str(tmp_path / "elsewhere"))
    assert results_folder() == tmp_path / "elsewhere"
