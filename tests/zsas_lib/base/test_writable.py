import errno
import os

from zsas_lib.base import writable
from zsas_lib.base.writable import why_unwritable


def test_a_folder_that_can_be_written_need_not_be_there_and_is_left_as_it_was(tmp_path):
    assert why_unwritable(tmp_path) == why_unwritable(tmp_path / "a" / "b") == ""
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "results").touch()
    for folder in (tmp_path / "results", tmp_path / "results" / "evaluate"):
        assert why_unwritable(folder) == f"{tmp_path}/results is a file"


def test_a_disk_that_is_read_only_is_named_though_its_modes_allow_all(tmp_path, monkeypatch):
    def refuse(dir):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), dir)

    monkeypatch.setattr(writable.tempfile, "TemporaryFile", refuse)
    assert why_unwritable(tmp_path / "a") == f"{tmp_path}: Read-only file system"
