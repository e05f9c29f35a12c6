"""The folder in which a page is made: one for each run, none left behind by runs that were killed."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from zsas_book.pages.publish import work_folder

FORK = multiprocessing.get_context("fork")


def hold(output: Path, started) -> None:
    with work_folder(output) as work:
        (work / "half.ipynb").touch()
        started.put(work)
        signal.pause()


def begun(output: Path):
    started = FORK.Queue()
    process = FORK.Process(target=hold, args=(output, started))
    process.start()
    return process, started.get(timeout=60)


def test_nothing_is_left_whether_the_block_ends_well_or_not(tmp_path):
    with work_folder(tmp_path / "out" / "page.ipynb") as work:
        (work / "half.ipynb").touch()
        assert work.is_absolute() and work.parent == tmp_path / "out" and work.name.startswith(".page.")
    with pytest.raises(KeyError), work_folder(tmp_path / "out" / "page.ipynb"):
        raise KeyError
    assert list((tmp_path / "out").iterdir()) == []


def test_a_running_process_keeps_its_folder_and_a_killed_ones_is_removed(tmp_path):
    output = tmp_path / "page.ipynb"
    running, kept = begun(output)
    killed, left = begun(output)
    assert kept != left
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    with work_folder(output) as work:
        assert (kept / "half.ipynb").exists() and not left.exists() and work not in (kept, left)
    other = tmp_path / "other.ipynb"
    with work_folder(other):
        assert (kept / "half.ipynb").exists()
    os.kill(running.pid, signal.SIGKILL)
    running.join()
    with work_folder(output) as work:
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([work.name, f"{work.name}.work-lock"])
    assert list(tmp_path.iterdir()) == []
