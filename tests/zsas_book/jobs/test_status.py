"""What `zsas status` says of pages and shards: fresh, stale and why, missing, failed and where the log is."""

from pathlib import Path

import mini_project
import pytest
from mini_project import run_in, snakemake

from zsas_book.jobs.shards import Shard
from zsas_book.jobs.status import State, _shard_state, state_lines
from zsas_book.machine.warm import KILLED
from zsas_book.pages.states import failure_left
from zsas_book.project.chapters import Page, load_pages
from zsas_lib.base.work import LOCK

SQUARES = "results/shards/embedded/squares"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    project = mini_project.make(tmp_path_factory.mktemp("books") / "book", sharded=True)
    outcome = snakemake(project, "--config", "shards=1", "--", "shards", "book/_computed/first.json")
    assert outcome.returncode == 0, outcome.stderr
    return project


def status(project: Path, *options: str) -> dict[str, list[str]]:
    """The words of each line by the page's or shard's name."""
    outcome = run_in(project, "-m", "zsas_book.cli", "status", *options)
    assert outcome.returncode == 0, outcome.stderr
    *lines, pages, shards = outcome.stdout.splitlines()
    return {line.split()[1]: line.split(maxsplit=2)[2] for line in lines} | {"pages": pages, "shards": shards}


@pytest.mark.workflow
def test_pages_and_shards_are_fresh_or_missing_with_their_times(project):
    found = status(project)
    assert found["first"].startswith("fresh") and found["first"].endswith(" s")
    assert found["second"].split() == ["missing", "not", "computed", "yet"]
    assert found["squares/seeds_0"].split()[0] == "fresh"
    assert found["pages"] == "3 pages: 1 fresh, 2 missing"
    assert found["shards"] == "5 shards: 5 fresh"


@pytest.mark.workflow
def test_what_is_stale_says_why_and_what_failed_where_its_log_is(project):
    (project / "zsas_lib" / "alpha.py").write_text("def value():\n    return 3\n")
    library = project / "zsas_lib" / "kept_numbers.py"
    text = library.read_text()
    library.write_text(text.replace("    path = results", "    assert name != '3_1', 'no three'\n    path = results"))
    mini_project.write_notebook(project / "notebooks" / "second.ipynb", "raise ValueError('no such thing')")
    (project / "results" / "squares" / "3_1.txt").unlink()
    snakemake(project, "--config", "shards=1", "--", "shards", "book/_computed/second.json")
    found = status(project)
    library.write_text(text)
    assert found["first"].split()[0] == "stale"
    assert found["first"].endswith("zsas_lib/alpha.py changed")
    assert found["second"].split(maxsplit=1) == [
        "failed",
        "ValueError: no such thing Log: book/_computed/.logs/second.log",
    ]
    assert found["squares/numbers_3"].split(maxsplit=1) == [
        "failed",
        f"AssertionError: no three Log: {SQUARES}/numbers_3.log",
    ]
    assert found["squares/numbers_1"].split()[0] == "fresh"
    assert found["pages"] == "3 pages: 1 stale, 1 missing, 1 failed"
    assert found["shards"] == "5 shards: 4 fresh, 1 failed"


def test_a_log_is_a_failure_only_where_what_it_was_to_make_does_not_stand(tmp_path):
    log = tmp_path / "page.log"
    assert failure_left(log, stands=False) == ""
    log.write_text("A sentence.\n\nNameError: x\n\n")
    assert failure_left(log, stands=False) == "NameError: x"
    assert failure_left(log, stands=True) == ""
    log.write_text("")
    assert failure_left(log, stands=False) == "it ended without a word."


def test_a_killed_shard_is_failed_and_says_why_that_happens(tmp_path):
    shard = Shard(Page("page", Path("page.ipynb"), "embedded"), "nut")
    folder = tmp_path / shard.receipt.parent
    folder.mkdir(parents=True)
    (folder / "nut.log").write_text("FutureWarning: something else\n")
    assert _shard_state(shard, "not computed yet", tmp_path, tmp_path).reason.startswith("FutureWarning")
    (folder / f".nut.{'0' * 32}{LOCK}").touch()
    assert _shard_state(shard, "not computed yet", tmp_path, tmp_path) == State("shard", "page/nut", "failed", KILLED)


def test_lines_end_in_how_many_there_are_of_each():
    states = [
        State("page", "one", "fresh", duration="3 s"),
        State("shard", "one/bottle", "failed", "no disk Log: x.log"),
    ]
    assert list(state_lines(states)) == [
        "page   one         fresh        3 s",
        "shard  one/bottle  failed            no disk Log: x.log",
        "1 pages: 1 fresh",
        "1 shards: 1 failed",
    ]


@pytest.mark.workflow
def test_an_unknown_profile_is_refused(project):
    outcome = run_in(project, "-m", "zsas_book.cli", "status", "--profile", "smok")
    assert (outcome.returncode, "Did you mean 'smoke'?" in outcome.stderr) == (2, True)
    assert list(load_pages(project, "smoke")) == ["first", "squares"]
