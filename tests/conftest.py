"""Fixtures for several test modules. zsas_lib must not be imported here: jaxtyping's checks are installed later."""

import os
from pathlib import Path

import layouts
import pytest
from tiny_clip import tiny_backbone

LONG = ("workflow", "kernel", "browser", "training", "slow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests come first. With several workers a file stays on one of them, which makes its fixtures once;
    a test with an `xdist_group` of its own goes with that group instead."""
    long = {item.path for item in items if any(map(item.get_closest_marker, LONG))}
    items.sort(key=lambda item: item.path not in long)
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(item.config.rootpath).as_posix()))


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
