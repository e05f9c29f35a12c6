"""Atomic writes and locks: stale files of killed writers go, what a live one writes stays, and who waits for whom."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from zsas_lib.base.errors import OptionError
from zsas_lib.base.files import OLD_S, free_first, locked, only_one, require_new_file, write_atomically

LIVE_WRITER = """
import sys
from pathlib import Path
from zsas_lib.base.files import write_atomically

with write_atomically(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


def write(path: Path) -> None:
    with write_atomically(path) as file:
        file.write(b"whole")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def age(path: Path, seconds: float) -> Path:
    path.touch()
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - seconds))
    return path


@pytest.fixture
def writer(tmp_path):
    """A process in the middle of writing ``result``, and its hidden file, which looks older than a day."""
    command = [sys.executable, "-c", LIVE_WRITER, str(tmp_path / "result")]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout.readline() == b"writing\n"
        (unfinished,) = tmp_path.glob(".result.*.part")
        yield process, age(unfinished, 2 * OLD_S)
        process.kill()


def test_a_file_appears_when_it_is_whole(tmp_path):
    with write_atomically(tmp_path / "result") as file:
        file.write(b"whole")
        assert not (tmp_path / "result").exists()
    assert (tmp_path / "result").read_bytes() == b"whole"
    assert names(tmp_path) == ["result"]


def test_an_error_leaves_what_was_there(tmp_path):
    write(tmp_path / "result")
    with pytest.raises(KeyboardInterrupt), write_atomically(tmp_path / "result") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert (tmp_path / "result").read_bytes() == b"whole"
    assert names(tmp_path) == ["result"]


def test_what_is_old_and_hidden_goes_and_nothing_else(tmp_path):
    age(tmp_path / ".killed.0123.part", OLD_S + 60)
    stay = [".killed.4567.part", ".note", "killed.part", "result"]
    for name, seconds in zip(stay, (OLD_S - 60, 2 * OLD_S, 2 * OLD_S, 2 * OLD_S)):
        age(tmp_path / name, seconds)
    write(tmp_path / "another")
    assert names(tmp_path) == sorted([*stay, "another"])


@pytest.mark.slow
def test_a_live_writers_file_stays_however_old(tmp_path, writer):
    process, unfinished = writer
    write(tmp_path / "another")
    assert unfinished.exists()
    process.communicate()
    assert process.returncode == 0
    assert names(tmp_path) == ["another", "result"]
    assert (tmp_path / "result").read_bytes() == b"half"


@pytest.mark.slow
def test_a_killed_writers_file_goes_when_it_is_old(tmp_path, writer):
    process, unfinished = writer
    process.kill()
    process.wait()
    assert unfinished.exists()
    write(tmp_path / "another")
    assert names(tmp_path) == ["another"]


def test_what_cannot_be_removed_stops_nobody(tmp_path):
    (tmp_path / ".folder.part").mkdir()
    age(tmp_path / ".folder.part", 2 * OLD_S)
    write(tmp_path / "result")
    assert names(tmp_path) == [".folder.part", "result"]


def test_a_new_file_must_not_be_there_yet_nor_a_link_of_its_name(tmp_path):
    write(tmp_path / "file")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    for name in ("file", "link"):
        with pytest.raises(OptionError, match=f"{name} is there already; remove it first, or name another file"):
            require_new_file(tmp_path / name)
    with pytest.raises(OptionError, match="is a folder; expected the name of a file"):
        require_new_file(tmp_path)
    require_new_file(tmp_path / "new")
    assert names(tmp_path) == ["file", "link"]


HOLDER = """
import sys
from pathlib import Path
from zsas_lib.base.files import locked, only_one

with locked(Path(sys.argv[1], "result")), only_one(Path(sys.argv[1], "run.lock"), "Held"):
    print("holding", flush=True)
    sys.stdin.read()
"""
WAITER = HOLDER.replace('print("holding", flush=True)', 'print("after", *Path(sys.argv[1]).glob("done"), flush=True)')


def started(program: str, folder: Path) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", program, str(folder)], env=environment, text=True, **pipes)


@pytest.mark.slow
def test_whoever_asks_for_a_held_lock_waits_and_no_lock_files_of_results_stay(tmp_path):
    with started(HOLDER, tmp_path) as holder:
        assert holder.stdout.readline() == "holding\n"
        with started(WAITER.replace('locked(Path(sys.argv[1], "result")), ', ""), tmp_path) as waiter:
            said = waiter.stderr.readline()
            (tmp_path / "done").touch()
            holder.communicate()
            assert waiter.communicate()[0].strip() == f"after {tmp_path / 'done'}"
    assert said.startswith(f"Held (process {holder.pid} on ") and said.endswith("; waiting for it to end.\n")
    assert names(tmp_path) == ["done", "run.lock"]


@pytest.mark.slow
def test_a_lock_of_a_result_is_waited_for(tmp_path):
    with started(HOLDER, tmp_path) as holder:
        assert holder.stdout.readline() == "holding\n"
        asking = WAITER.replace(', only_one(Path(sys.argv[1], "run.lock"), "Held")', "")
        with started(asking.replace("with", 'print("asking", flush=True)\nwith'), tmp_path) as waiter:
            assert waiter.stdout.readline() == "asking\n"
            with pytest.raises(subprocess.TimeoutExpired):
                waiter.wait(0.5)
            (tmp_path / "done").touch()
            holder.kill()
            assert waiter.communicate()[0].strip() == f"after {tmp_path / 'done'}"
        holder.communicate()
    assert names(tmp_path) == ["done", "run.lock"]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_a_file_system_has_no_locks_nobody_waits(tmp_path, monkeypatch, number):
    def without_locks(file, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", without_locks)
    with locked(tmp_path / "result"), only_one(tmp_path / "run.lock", "Held"):
        write(tmp_path / "result")
    assert "result" in names(tmp_path)


def test_where_no_lock_can_be_made_nobody_waits(tmp_path):
    (tmp_path / "file").touch()
    with locked(tmp_path / "file" / "result"):
        assert names(tmp_path) == ["file"]


def test_locks_of_several_files_are_taken_once_and_removed(tmp_path):
    with locked(tmp_path / "b", tmp_path / "a", tmp_path / "b"):
        assert names(tmp_path) == [".a.lock", ".b.lock"]
    assert names(tmp_path) == []


def test_what_nobody_else_holds_comes_first(tmp_path):
    """Another process holds the first of three, then lets it go."""
    places = {"held": tmp_path / "held", "free": tmp_path / "free", "none": None}
    other = FileLock(tmp_path / ".held.lock", fallback_to_soft=False)
    with other:
        order = free_first(places)
        assert [next(order), next(order)] == ["free", "none"]
    assert list(order) == ["held"] and list(free_first(places)) == list(places)
    with other:
        assert list(free_first({"held": tmp_path / "held"})) == ["held"]  # nothing else is left
    assert names(tmp_path) in ([], [".held.lock"])


def test_what_belongs_together_is_left_to_who_does_one_of_it(tmp_path):
    places = {"beside held": tmp_path / "another", "held": tmp_path / "held", "free": tmp_path / "free", "none": None}
    with FileLock(tmp_path / ".held.lock", fallback_to_soft=False):
        order = free_first(places, {"beside held": 1, "held": 1, "free": 2, "none": 3})
        assert [next(order), next(order), next(order)] == ["free", "none", "beside held"]
    assert list(order) == ["held"]
    assert list(free_first(places, dict.fromkeys(places, 1))) == list(places)
