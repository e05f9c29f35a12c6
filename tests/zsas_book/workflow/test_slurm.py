"""A book on a real Slurm: its shards and pages as jobs of two nodes, one of which dies; skipped where Slurm is not
installed."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import mini_project
import pytest
import slurm_cluster as cluster
from mini_project import REPOSITORY, environment

pytestmark = pytest.mark.workflow

pytestmark = pytest.mark.skipif(bool(cluster.unusable()), reason=f"no cluster can be made: {cluster.unusable()}")
QUICK = [
    "--slurm-init-seconds-before-status-checks",
    "2",
    "--seconds-between-status-checks",
    "2",
    "--latency-wait",
    "10",
    "--slurm-no-account",
]


@pytest.fixture
def slurm(tmp_path) -> Iterator[None]:
    cluster.up(tmp_path / "slurm")
    yield
    cluster.down()


def run(project: Path, *options: str) -> subprocess.Popen:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "snakemake",
            "--snakefile",
            "zsas_book/workflow/Snakefile",
            "--profile",
            "zsas_book/workflow/profiles/slurm",
            "--jobs",
            "4",
            "--default-resources",
            "slurm_partition='all'",
            *QUICK,
            *options,
            "--config",
            "shards=1",
        ],
        cwd=project,
        env=environment(project),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def jobs_on(node: str) -> list[str]:
    listed = subprocess.run(
        ["squeue", "--noheader", "--states=RUNNING", f"--nodelist={node}", "--format=%i"],
        capture_output=True,
        text=True,
        check=True,
    )
    return listed.stdout.split()


def test_a_node_dies_half_way_and_the_book_is_complete(slurm, tmp_path):
    project = mini_project.make(tmp_path / "Ann's new book", sharded=True, seconds=3)
    book = run(project)
    deadline = time.monotonic() + 120
    while not ((project / "results" / "computed.log").exists() and jobs_on("n1")):
        assert time.monotonic() < deadline
        assert book.poll() is None, book.communicate()[0]
        time.sleep(0.2)
    lost = jobs_on("n1")
    cluster.kill_node("n1")
    output, _ = book.communicate(timeout=400)
    assert book.returncode == 0, output
    assert lost
    kept = Counter((project / "results" / "computed.log").read_text().split())
    assert set(kept.values()) == {1}
    assert len(kept) == 8
    assert "squares: {1: 12, 2: 18, 3: 28}" in (project / "book/_computed/squares.ipynb").read_text()
    assert (project / "book/_build/html/_computed/squares.html").is_file()


def test_a_data_root_that_a_node_does_not_have_is_said_in_one_line_with_the_log(slurm, tmp_path):
    project = mini_project.make(tmp_path / "book", sharded=True)
    library = project / "zsas_lib" / "kept_numbers.py"
    missing = "No folder /data/mvtec for data set mvtec."
    library.write_text(f"from .base.errors import DataError\n\n\ndef kept(*_):\n    raise DataError({missing!r})\n")
    book = run(project, "--retries", "0")
    output, _ = book.communicate(timeout=300)
    assert book.returncode != 0
    line = f"shard squares/seeds_0 failed: zsas: {missing} Log: results/shards/embedded/squares/seeds_0.log"
    assert line in output.splitlines(), output
    assert not (project / "book/_build/rendered").exists()


def test_a_partition_that_does_not_exist_is_refused_before_anything_is_submitted(slurm):
    def refused(*arguments):
        words = [sys.executable, "-m", "zsas_book.cli", "plan", "--quiet", "--executor", "slurm", *arguments]
        own = os.environ | {"PYTHONPATH": str(REPOSITORY)}
        return subprocess.run(words, cwd=REPOSITORY, env=own, capture_output=True, text=True, check=False)

    outcome = refused("--partition", "al")
    assert outcome.returncode == 2
    assert "- Unknown Slurm partition 'al'; known: all. Did you mean 'all'?" in outcome.stderr
    assert "partition" not in refused("--partition", "all").stderr
