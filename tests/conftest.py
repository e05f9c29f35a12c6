"""Fixtures for several test modules. zsas_lib must not be imported here: jaxtyping's checks are installed later."""

import gc
import os
from pathlib import Path

import checked_types
import jaxtyping
import layouts
import pytest
from quick import LONG, mark_slow_parameters
from tiny_clip import tiny_backbone

checked_types.install()
APART = "tests/zsas_book/project/test_chapters.py"


def pytest_configure(config: pytest.Config) -> None:
    """Workers share one server, for the kernels and small projects of long tests, which starts while they do."""
    if getattr(config.option, "numprocesses", None) and not config.option.markexpr:
        import mini_project

        variable, held = mini_project.server()
        os.environ[mini_project.SHARED] = variable.get(mini_project.SOCKET_VARIABLE, "")
        config.add_cleanup(lambda: held.__exit__(None, None, None))


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Nearly all that is made until all tests are known stays: to look through it for garbage again and again takes a
    tenth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests come first, then those with slow ones, so that no worker is left with one at the end."""
    if any(item.get_closest_marker("gpu") for item in items):
        _skip_without_gpu(items)
    long, slow = ({item.path for item in items if any(map(item.get_closest_marker, own))} for own in (LONG, ["slow"]))
    items.sort(key=lambda item: (item.path not in long, item.path not in slow))
    mark_slow_parameters(items)


def pytest_collection_finish() -> None:
    """What is imported by now stays: the garbage collector need not go through it again after each test, nor now. Of
    what tests make it looks through more at once, as programs that start warm do."""
    from zsas_book.machine.warm import GARBAGE

    gc.freeze()
    gc.set_threshold(*GARBAGE)


def _skip_without_gpu(items: list[pytest.Item]) -> None:
    import torch

    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no GPU that torch reaches by CUDA"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With ``--dist loadfile`` a file's tests run on one worker, which makes its fixtures once, but for the file of the
    book's pages, where each page (what stands in brackets) may go to another worker."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByFileOrPage(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file, _, test = nodeid.partition("::")
            return file + test[test.find("[") :] if file == APART and "[" in test else file

    return ByFileOrPage(config, log)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of read-only material that is not part of the project; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("ZSAS_SHARED") or Path(__file__).resolve().parents[1].parent / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"no shared material at {folder} (set ZSAS_SHARED)")
    return folder


@pytest.fixture(scope="module")
def backbone():
    """The smallest backbone, with random weights; a module whose models need another has its own."""
    return tiny_backbone()


@pytest.fixture
def unchecked_types(monkeypatch):
    """As outside the tests, where nothing but the functions themselves looks at shapes and types."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture
def mvtec_root(tmp_path) -> Path:
    kinds = {"bottle": {"good": 2, "broken_large": 2, "contamination": 1}, "grid": {"good": 1, "bent": 2}}
    return layouts.write_mvtec(tmp_path / "mvtec", kinds)


@pytest.fixture
def mpdd_root(tmp_path) -> Path:
    kinds = {"connector": {"good": 2, "parts_mismatch": 1}, "tubes": {"good": 1, "anomalous": 3}}
    return layouts.write_mvtec(tmp_path / "MPDD", kinds)


@pytest.fixture
def btad_root(tmp_path) -> Path:
    return layouts.write_btad(tmp_path / "BTech_Dataset_transformed")


@pytest.fixture
def visa_root(tmp_path) -> Path:
    return layouts.write_visa(tmp_path / "VisA")
