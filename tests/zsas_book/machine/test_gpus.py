"""GPUs of one machine, one for one job at a time; tried with pretended ones."""

import multiprocessing
import os
import signal
import tempfile
import time

import pytest

from zsas_book.machine.gpus import VISIBLE_VARIABLE, machine_gpus, one_gpu

HOLD_S = 0.15


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.delenv(VISIBLE_VARIABLE, raising=False)


def hold(names, folder, seconds, told, all_here):
    all_here.wait(60)
    with one_gpu(names, folder) as name:
        assert os.environ[VISIBLE_VARIABLE] == name
        told.put((name, time.monotonic(), os.getpid()))
        time.sleep(seconds)
        told.put((name, time.monotonic(), os.getpid()))


def started(count, *arguments):
    context = multiprocessing.get_context("fork")
    told, all_here = context.Queue(), context.Barrier(count)
    jobs = [context.Process(target=hold, args=(*arguments, told, all_here)) for _ in range(count)]
    for job in jobs:
        job.start()
    return jobs, told


@pytest.mark.slow
def test_jobs_share_the_gpus_and_no_two_have_the_same_one_at_once(tmp_path):
    jobs, told = started(7, ["0", "1", "2"], tmp_path, HOLD_S)
    spans = {}
    for _ in range(2 * len(jobs)):
        name, when, job = told.get(timeout=60)
        spans.setdefault((name, job), []).append(when)
    for job in jobs:
        job.join()
    assert {name for name, _ in spans} == {"0", "1", "2"}
    for (name, job), (begin, end) in spans.items():
        assert not [
            1 for (other, its), (first, _) in spans.items() if other == name and its != job and begin <= first < end
        ]


@pytest.mark.slow
def test_a_killed_jobs_gpu_is_free_at_once(tmp_path):
    (job,), told = started(1, ["0"], tmp_path, 600)
    told.get(timeout=60)
    os.kill(job.pid, signal.SIGKILL)
    begun = time.monotonic()
    with one_gpu(["0"], tmp_path) as name:
        assert (name, os.environ[VISIBLE_VARIABLE]) == ("0", "0")
    assert time.monotonic() - begun < 5
    assert VISIBLE_VARIABLE not in os.environ
    job.join()


def test_what_is_visible_is_what_is_handed_out(tmp_path, monkeypatch):
    monkeypatch.setenv(VISIBLE_VARIABLE, "3, GPU-5")
    assert machine_gpus() == ["3", "GPU-5"]
    with one_gpu(folder=tmp_path) as first, one_gpu(["3", "GPU-5"], tmp_path) as second:
        assert (first, second) == ("3", "GPU-5")
    assert os.environ[VISIBLE_VARIABLE] == "3, GPU-5"


def test_all_that_nvidia_smi_lists_are_handed_out_and_none_without_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine_gpus() == []
    with one_gpu(folder=tmp_path) as name:
        assert name is None
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nprintf 'GPU-1\\nGPU-2\\n'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert machine_gpus() == ["GPU-1", "GPU-2"]


def test_a_cluster_hands_them_out_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with one_gpu(["0"], tmp_path) as name:
        assert name is None
    assert not list(tmp_path.iterdir())


def test_the_locks_lie_in_a_folder_of_this_user_s_own_and_in_nobody_else_s(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("getpass.getuser", lambda: pytest.fail("not every user has a name"))
    with one_gpu(["0/1"]) as name:
        (locks,) = tmp_path.iterdir()
        assert (name, locks.name, os.listdir(locks)) == ("0/1", f"zsas-gpus-{os.geteuid()}", ["0-1.lock"])
    locks.rename(tmp_path / "elsewhere")
    locks.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="is not a folder of this user's own"), one_gpu(["0"]):
        pytest.fail("a link was followed")
    assert os.listdir(tmp_path / "elsewhere") == ["0-1.lock"]
