"""Work folders: one for each process, none left behind by processes that were killed, which is known until then."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from zsas_lib.base.work import LOCK, killed_since, remove_left, work_folder

FORK = multiprocessing.get_context("fork")


def hold(output: Path, started) -> None:
    with work_folder(output.parent, output.stem) as work:
        (work / "half.ipynb").touch()
        started.put(work)
        signal.pause()


def begun(output: Path):
    started = FORK.Queue()
    process = FORK.Process(target=hold, args=(output, started))
    process.start()
    return process, started.get(timeout=60)


def test_nothing_is_left_whether_the_block_ends_well_or_not(tmp_path):
    with work_folder(tmp_path / "out", "page") as work:
        (work / "half.ipynb").touch()
        assert work.is_absolute() and work.parent == tmp_path / "out" and work.name.startswith(".page.")
    with pytest.raises(KeyError), work_folder(tmp_path / "out", "page"):
        raise KeyError
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.slow
def test_a_running_process_keeps_its_folder_and_a_killed_ones_is_removed(tmp_path):
    output = tmp_path / "page.ipynb"
    running, kept = begun(output)
    killed, left = begun(output)
    assert kept != left
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    with work_folder(tmp_path, "page") as work:
        assert (kept / "half.ipynb").exists() and not left.exists() and work not in (kept, left)
    with work_folder(tmp_path, "other"):
        assert (kept / "half.ipynb").exists()
    os.kill(running.pid, signal.SIGKILL)
    running.join()
    with work_folder(tmp_path, "page") as work:
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([work.name, f"{work.name}{LOCK}"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_killed_process_is_known_until_the_next_one_of_its_name_begins(tmp_path):
    output = tmp_path / "page.ipynb"
    before = tmp_path.stat().st_mtime - 10
    running, _ = begun(output)
    assert not killed_since(tmp_path, "page")
    os.kill(running.pid, signal.SIGKILL)
    running.join()
    assert killed_since(tmp_path, "page") and killed_since(tmp_path, "page", before)
    assert not killed_since(tmp_path, "page", before + 3600)
    assert not killed_since(tmp_path, "pag") and not killed_since(tmp_path / "nowhere", "page")
    with work_folder(tmp_path, "page"):
        assert not killed_since(tmp_path, "page")
    assert not killed_since(tmp_path, "page")


def test_only_folders_of_that_very_name_are_looked_at(tmp_path):
    with work_folder(tmp_path, "a.b") as one, work_folder(tmp_path, "a[1]") as other:
        left = tmp_path / f".a.b.{'0' * 32}"
        for folder in (left, tmp_path / f".a[1].{'0' * 32}", tmp_path / f".axb.{'0' * 32}"):
            folder.mkdir()
            Path(f"{folder}{LOCK}").touch()
        remove_left(tmp_path, "a")
        assert left.is_dir()
        remove_left(tmp_path, "a.b")
        remove_left(tmp_path, "a[1]")
        assert sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith(LOCK)) == sorted(
            [one.name, other.name, f".axb.{'0' * 32}"]
        )


def test_without_locks_a_folder_is_made_and_removed_and_nobody_is_called_dead(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(38, "Function not implemented")

    left = tmp_path / f".page.{'0' * 32}"
    left.mkdir()
    Path(f"{left}{LOCK}").touch()
    monkeypatch.setattr("fcntl.flock", none)
    with work_folder(tmp_path, "page") as work:
        assert work.is_dir() and left.is_dir() and not killed_since(tmp_path, "page")
    assert not work.exists()
