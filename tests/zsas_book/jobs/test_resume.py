"""Runs that are killed, run out of disk or meet another run: nothing finished is lost or made again or half read."""

import multiprocessing
import os
import random
import resource
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from multiprocessing.forkserver import ensure_running
from multiprocessing.reduction import DupFd
from pathlib import Path

import mini_project
import pandas as pd
import pytest
from mini_project import SNAKEMAKE, environment
from storing import ITEMS, ROWS, work

from zsas_book.machine import warm
from zsas_lib.base.files import locked, only_one
from zsas_lib.store.results import load_or_compute, read_result

pytestmark = pytest.mark.workflow

SEEDS = int(os.environ.get("ZSAS_KILL_SEEDS", 1))
"""How often a whole run is killed its four times: once in the suite."""
FORK = multiprocessing.get_context("fork")
LEAN = multiprocessing.get_context("forkserver")
"""Its processes have none of what these tests hold in memory, which makes them ten times as quick to start."""
LEAN.set_forkserver_preload(["zsas_lib.store.results", "snakemake.cli", "nbformat.v4", "pytest"])
COLD = {"ZSAS_WARM": "/nowhere"}  # programs of small projects start faster without a server of heavy packages
LARGE_PAGES = "glibc.malloc.hugetlb=1"  # of the memory that a fork copies the tables of
EVERYTHING = [*(f"squares/{number}_{seed}" for number in (1, 2, 3) for seed in (0, 1)), "trained/0", "trained/1"]


@pytest.fixture(scope="module", autouse=True)
def lean():
    """The server of `LEAN` imports while the first test begins."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLIBC_TUNABLES", LARGE_PAGES)
        ensure_running()


@pytest.mark.parametrize("seed", range(3))
def test_processes_killed_at_random_lose_nothing_that_was_stored(tmp_path, seed):
    """Some thirty kills a seed, of processes that ask for a quarter of the items each, so that most kills meet one that
    computes; after each, every file that is there is whole and stays what it is."""
    dice = random.Random(seed)
    seen: dict[Path, tuple] = {}
    for _ in range(20):
        workers = [LEAN.Process(target=work, args=(tmp_path, 0.02, ITEMS // 4)) for _ in range(2)]
        for worker in workers:
            worker.start()
        time.sleep(dice.uniform(0.01, 0.08))
        workers[0].kill()
        if dice.random() < 0.5:
            time.sleep(dice.uniform(0, 0.03))
            workers[1].kill()
        for worker in workers:
            worker.join(timeout=60)
        assert workers[1].exitcode in (0, -signal.SIGKILL)
        for path in tmp_path.glob("squares/*.parquet"):
            if path not in seen:
                assert len(read_result(path)) == ROWS
            status = path.stat()
            assert seen.setdefault(path, (status.st_ino, status.st_mtime_ns)) == (status.st_ino, status.st_mtime_ns)
    work(tmp_path, 0)
    assert all(len(read_result(path)) == ROWS for path in seen)
    assert len(list(tmp_path.glob("squares/*.parquet"))) == ITEMS
    assert not [path for path in tmp_path.glob("squares/.*.parquet.lock") if not _free(path)]


def _free(lock: Path) -> bool:
    with locked(lock.with_name(lock.name[1:].removesuffix(".lock"))):
        return True


def test_two_processes_on_one_store_compute_each_result_once(tmp_path):
    workers = [FORK.Process(target=count_work, args=(tmp_path,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert Counter((tmp_path / "log").read_text().split()) == {str(item): 1 for item in range(ITEMS)}


def count_work(store: Path) -> None:
    for item in random.sample(range(ITEMS), ITEMS):

        def compute(item=item):
            with (store / "log").open("a") as log:
                log.write(f"{item}\n")
            time.sleep(0.01)
            return pd.DataFrame({"item": [item]})

        load_or_compute("squares", {"item": item}, compute, sources="0", store=store)


def full_disk() -> None:
    """As if no byte could be written to any file: what is written fails as on a full disk, only with another number."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def test_a_full_disk_stores_nothing_half_and_the_next_run_goes_on(tmp_path):
    def run():
        full_disk()
        with pytest.warns(UserWarning, match="could not be written"):
            table = load_or_compute(
                "squares", {"item": 2}, lambda: pd.DataFrame({"square": [4]}), sources="0", store=tmp_path
            )
        os._exit(0 if table.square.tolist() == [4] else 1)

    load_or_compute("squares", {"item": 1}, lambda: pd.DataFrame({"square": [1]}), sources="0", store=tmp_path)
    worker = FORK.Process(target=run)
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    assert len(list((tmp_path / "squares").iterdir())) == 1
    load_or_compute("squares", {"item": 2}, lambda: pd.DataFrame({"square": [4]}), sources="0", store=tmp_path)
    assert len(list((tmp_path / "squares").iterdir())) == 2


class Run:
    """``python -m snakemake`` in the project's folder, in a session of its own, forked from where it is imported."""

    def __init__(self, project: Path, store: Path | None = None, *, before=None, target: str):
        own = {"ZSAS_RESULTS": str(store)} if store else {}
        variables = environment(project, warm=False) | COLD | own
        said, saying = os.pipe()
        self.said = os.fdopen(said)
        self.process = LEAN.Process(target=_snakemake, args=(project, variables, target, before, DupFd(saying)))
        self.process.start()
        os.close(saying)
        self.pid = self.process.pid

    def output(self, seconds: float) -> str:
        """All that it and its jobs say until the last of them ends, which must be within so many seconds."""
        late = threading.Event()
        alarm = threading.Timer(seconds, lambda: (late.set(), self.kill_everything()))
        alarm.start()
        with self.said:
            output = self.said.read()
        alarm.cancel()
        self.process.join()
        assert not late.is_set(), f"no end after {seconds} s\n{output}"
        return output

    @property
    def status(self) -> int:
        return self.process.exitcode

    def kill_everything(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def _snakemake(project: Path, variables: dict[str, str], target: str, before, saying: DupFd) -> None:
    os.setsid()
    stream = saying.detach()
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    os.close(stream)
    if before:
        before()
    os.chdir(project)
    os.environ.clear()
    os.environ.update(variables)
    warm._import_from([str(project), *sys.path])
    sys.exit(warm._status_of("snakemake", [*SNAKEMAKE[2:], "--config", "shards=1", "--", target]))


def kill(run: Run, dice: random.Random) -> None:
    """Snakemake alone, everything that it started, or one of its jobs: a shard, papermill or a kernel."""
    match dice.choice(["snakemake", "everything", "job", "job"]):
        case "snakemake":
            with suppress(ProcessLookupError):  # it ended before
                os.kill(run.pid, signal.SIGKILL)
        case "everything":
            run.kill_everything()
        case "job":
            members = [
                int(path.name)
                for path in Path("/proc").iterdir()
                if path.name.isdigit() and int(path.name) != run.pid and _session(path) == run.pid
            ]
            if members:
                try:
                    os.kill(dice.choice(members), signal.SIGKILL)
                except ProcessLookupError:
                    pass


def _session(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[3])
    except (OSError, IndexError):
        return 0


@pytest.mark.skipif(sys.platform != "linux", reason="finds a run's processes in /proc")
@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_run_killed_again_and_again_ends_with_everything_made_once(tmp_path, seed):
    dice = random.Random(seed)
    project = mini_project.make(tmp_path / "book", sharded=True, seconds=0.1)
    for _ in range(4):
        run = Run(project, target="pages")
        run.process.join(dice.uniform(0.4, 3))
        kill(run, dice)
        run.output(60)
        _check_whole(project)
    run = Run(project, target="pages")
    output = run.output(180)
    assert run.status == 0, output
    kept = Counter((project / "results" / "computed.log").read_text().split())
    assert set(kept) <= set(EVERYTHING)
    assert set(kept.values()) == {1}
    assert "squares: {1: 12, 2: 18, 3: 28}" in (project / "book/_computed/squares.ipynb").read_text()
    assert "Nothing to be done" in Run(project, target="pages").output(120)


def _check_whole(project: Path) -> None:
    """What is published or stored is whole, whatever was killed."""
    for path in (project / "results").glob("*/*.txt"):
        assert path.read_text().endswith("\n")
    for certificate in (project / "book" / "_computed").glob("*.json"):
        assert certificate.with_suffix(".ipynb").is_file()
        assert certificate.read_text().endswith("}\n")


def test_two_runs_in_one_folder_wait_for_each_other(tmp_path):
    store = tmp_path / "Bob's stored results"
    project = mini_project.make(tmp_path / "book", sharded=True, seconds=0.1)
    outputs = _ended([Run(project, store, target="shards") for _ in range(2)], store)
    assert sum("Another run computes this book" in output for output in outputs) == 1
    assert sum("Nothing to be done" in output for output in outputs) == 1


def test_two_runs_on_one_store_share_the_work(tmp_path):
    """Neither waits for the other, and whichever comes second may write receipts of what the first one has stored."""
    store = tmp_path / "Bob's stored results"
    projects = [mini_project.make(tmp_path / name, sharded=True, seconds=0.1) for name in ("first", "second")]
    outputs = _ended([Run(project, store, target="shards") for project in projects], store)
    assert not any("Another run computes this book" in output for output in outputs)


def _ended(runs: list[Run], store: Path) -> list[str]:
    """What these runs said, which ended well and have computed everything once."""
    outputs = [run.output(240) for run in runs]
    assert all(run.status == 0 for run in runs), "\n".join(outputs)
    assert sorted((store / "computed.log").read_text().split()) == EVERYTHING
    return outputs


def test_a_run_with_a_full_disk_fails_with_the_reason_and_the_next_one_ends_well(tmp_path):
    project = mini_project.make(tmp_path / "book", sharded=True)
    run = Run(project, target="shards", before=full_disk)
    run.output(120)
    assert run.status != 0
    assert not list((project / "results").glob("*/*.txt"))
    run = Run(project, target="shards")
    output = run.output(180)
    assert run.status == 0, output
    assert sorted((project / "results" / "computed.log").read_text().split()) == EVERYTHING


def test_whoever_waits_for_a_file_gets_it_when_its_holder_is_killed(tmp_path):
    told = FORK.Queue()

    def hold():
        with locked(tmp_path / "a", tmp_path / "b"), only_one(tmp_path / "run.lock", "Held"):
            told.put("held")
            time.sleep(600)

    holder = FORK.Process(target=hold)
    holder.start()
    told.get(timeout=60)
    os.kill(holder.pid, signal.SIGKILL)
    begun = time.monotonic()
    with locked(tmp_path / "b"), only_one(tmp_path / "run.lock", "Held"):
        assert time.monotonic() - begun < 5
    holder.join()
