"""Folders of users who have no name, no home, or a neighbour who was there first."""

import getpass
import os
import tempfile
from pathlib import Path

import pytest

from zsas_lib.base.places import expanded, home, name_user, private_folder
from zsas_lib.data.cache import cache_folder


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """A user whose number no list of users holds, without a home folder."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("ZSAS_CACHE", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_a_user_without_a_home_has_a_cache_all_the_same(nobody, tmp_path):
    assert home() is None
    assert expanded("~/data") == Path("~/data") and expanded("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")
    assert cache_folder() == tmp_path / f"zsas-cache-{os.geteuid()}"
    assert os.listdir(tmp_path) == [f"zsas-cache-{os.geteuid()}"]


def test_a_user_without_a_name_is_given_one_and_others_keep_theirs(nobody, monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises((KeyError, OSError)):
        getpass.getuser()
    monkeypatch.setenv("USER", "ann")
    name_user()
    assert getpass.getuser() == "ann"
    monkeypatch.delenv("USER")
    name_user()
    assert getpass.getuser() == f"user{os.geteuid()}"


def test_a_home_that_is_not_there_and_cannot_be_made_counts_as_none(nobody, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "nonexistent"))
    assert cache_folder() == tmp_path / "nonexistent" / ".cache" / "zsas_lib"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert cache_folder() == tmp_path / f"zsas-cache-{os.geteuid()}"
    (tmp_path / "nonexistent" / ".cache" / "zsas_lib").mkdir(parents=True)
    assert cache_folder() == tmp_path / "nonexistent" / ".cache" / "zsas_lib"


def test_the_home_is_found_and_expanded_where_there_is_one(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home() == tmp_path and expanded("~/data") == tmp_path / "data" and expanded("data") == Path("data")


def test_a_private_folder_is_made_for_nobody_else_and_found_again(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = os.umask(0)
    try:
        made = private_folder("locks")
    finally:
        os.umask(before)
    assert made == tmp_path / f"locks-{os.geteuid()}" and made.stat().st_mode & 0o777 == 0o700
    assert private_folder("locks") == made


@pytest.mark.parametrize("way", ["link", "file", "open", "group", "somebody"])
def test_what_somebody_else_may_have_made_is_refused(monkeypatch, tmp_path, way):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"locks-{os.geteuid()}"
    match way:
        case "link":
            (tmp_path / "elsewhere").mkdir(mode=0o700)
            folder.symlink_to(tmp_path / "elsewhere")
        case "file":
            folder.touch(mode=0o600)
        case "open" | "group":
            folder.mkdir()
            folder.chmod(0o777 if way == "open" else 0o770)
        case "somebody":
            folder.mkdir(mode=0o700)
            own = os.geteuid()
            monkeypatch.setattr(os, "geteuid", lambda: own + 1)
            folder.rename(tmp_path / f"locks-{own + 1}")
    with pytest.raises(PermissionError, match=r"locks-\d+ is not a folder of this user's own .*TMPDIR"):
        private_folder("locks")
    assert os.listdir(tmp_path / "elsewhere") == [] if way == "link" else True
