"""What all commands have in common: unknown names and errors, and those with no file of tests of their own."""

import pytest
from mini_project import REPOSITORY

from zsas_book import cli
from zsas_book.project import chapters


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


def test_results_are_packed_and_unpacked_from_the_command_line(zsas, tmp_path, monkeypatch):
    (tmp_path / "chapters.yaml").touch()
    (tmp_path / "results" / "evaluate").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZSAS_RESULTS", str(tmp_path / "results"))
    status, _, err = zsas("results", "pack", "all.zip")
    assert status == 2 and "zsas: Nothing to pack: no result in" in err
    (tmp_path / "all.zip").write_bytes(b"PK")
    status, _, err = zsas("results", "unpack", "all.zip")
    assert status == 2 and "zsas: all.zip is damaged or no archive of results" in err
