"""What killed writers leave behind goes; what a live one writes never does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zsas_lib.base.files import OLD_S, write_atomically

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


def test_a_live_writers_file_stays_however_old(tmp_path, writer):
    process, unfinished = writer
    write(tmp_path / "another")
    assert unfinished.exists()
    process.communicate()
    assert process.returncode == 0
    assert names(tmp_path) == ["another", "result"]
    assert (tmp_path / "result").read_bytes() == b"half"


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
