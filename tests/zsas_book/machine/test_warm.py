import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

import mini_project
import pytest
from mini_project import REPOSITORY, copy_sources

from zsas_book.machine import warm
from zsas_book.machine.warm import GARBAGE, KILLED, SOCKET_VARIABLE, command, serving

pytestmark = pytest.mark.kernel

PROGRAM = """
import gc, json, os, signal, sys, time
if "sleep" in sys.argv:
    print(os.getpid(), flush=True)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        sys.exit("interrupted")
facts = {"name": __name__, "arguments": sys.argv[1:], "folder": os.getcwd(), "wanted": os.environ.get("WANTED")}
facts["library"] = sorted(name for name in sys.modules if name.startswith("zsas_lib."))
facts["imported"] = [name for name in ("torch", "open_clip", "kornia", "seaborn", "papermill") if name in sys.modules]
facts["CUDA"] = "torch" in sys.modules and sys.modules["torch"].cuda.is_initialized()
facts["garbage"] = gc.get_threshold()
print(json.dumps(facts))
print(sys.stdin.read(), file=sys.stderr, end="")
sys.exit(7)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("programs")
    (folder / "program.py").write_text(PROGRAM)
    return folder


@pytest.fixture(scope="module")
def server(folder):
    """A server whose programs find ``program``, and the environment that callers of it have."""
    if sys.platform != "linux":
        pytest.skip("there is no server on this system")
    found = os.pathsep.join([str(REPOSITORY), str(folder)])
    return dict(os.environ) | mini_project.server()[0] | {"PYTHONPATH": found}


def call(environment, folder, *arguments, module="program", **options):
    command = [sys.executable, "-m", "zsas_book.machine.warm", module, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, **options)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def started(environment, folder) -> tuple[subprocess.Popen, int]:
    """A caller whose program waits, and the program's process."""
    command = [sys.executable, "-m", "zsas_book.machine.warm", "program", "sleep"]
    caller = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    return caller, int(caller.stdout.readline())


def ended(process: int) -> bool:
    deadline = time.monotonic() + 20
    while alive(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(process)


def test_a_program_runs_as_if_started_by_itself_but_finds_packages_imported(server, folder, tmp_path):
    cold = {name: value for name, value in server.items() if name != SOCKET_VARIABLE}
    warm, ordinary = (
        call(environment | {"WANTED": "ü"}, tmp_path, "a", "b c", input="in\n") for environment in (server, cold)
    )
    found, alone = json.loads(warm.stdout), json.loads(ordinary.stdout)
    assert found.pop("imported") == ["torch", "open_clip", "kornia", "seaborn", "papermill"]
    assert alone.pop("garbage") != found.pop("garbage") == [*GARBAGE]
    assert {"imported": [], **found} == alone
    assert found["arguments"] == ["a", "b c"]
    assert found["wanted"] == "ü"
    assert found["folder"] == str(tmp_path)
    assert (warm.returncode, warm.stderr) == (ordinary.returncode, ordinary.stderr) == (7, "in\n")


def test_another_checkouts_program_finds_its_own_modules(server, tmp_path):
    """And its own library, though the server is this checkout's."""
    copy_sources(REPOSITORY / "zsas_book", tmp_path / "zsas_book")
    (tmp_path / "beside.py").write_text("where = 'beside the caller'\n")
    (tmp_path / "program.py").write_text(
        "import beside, sys, zsas_book, zsas_book.machine\n"
        "print(beside.where, zsas_book.__file__, zsas_book.machine.__file__, 'torch' in sys.modules)\n"
    )
    ran = call(server | {"PYTHONPATH": str(tmp_path)}, tmp_path)
    own = [str(tmp_path / "zsas_book" / name) for name in ("__init__.py", "machine/__init__.py")]
    assert (ran.stdout.split(), ran.stderr) == (["beside", "the", "caller", *own, "True"], "")


def test_the_server_imports_nothing_of_the_library_and_leaves_cuda_alone(server, folder):
    found = json.loads(call(server, folder, input="").stdout)
    assert found["library"] == []
    assert not found["CUDA"]


def test_two_programs_run_at_once_and_one_ends_with_its_killed_caller(server, folder):
    (first, one), (second, other) = (started(server, folder) for _ in range(2))
    first.kill()
    assert ended(one)
    assert alive(other)
    second.send_signal(signal.SIGINT)
    _, errors = second.communicate(timeout=20)
    assert (second.returncode, errors) == (1, "interrupted\n")
    assert ended(other)
    first.communicate()


def test_a_killed_program_is_no_success(server, folder):
    caller, process = started(server, folder)
    os.kill(process, signal.SIGKILL)
    _, said = caller.communicate(timeout=20)
    assert (caller.returncode, said) == (1, f"program sleep: {KILLED}\n")


def test_the_server_leaves_no_file_and_warns_of_nothing(server, folder, capfd):
    assert server[SOCKET_VARIABLE].startswith("@zsas-")
    assert call(server, folder, input="").returncode == 7
    assert capfd.readouterr().err == ""


def test_a_program_leaves_no_lock_between_processes_behind(server, folder):
    (folder / "locking.py").write_text(
        "import multiprocessing, sys\n"
        "sys.kept = lock = multiprocessing.get_context('spawn').Lock()\n"
        "print(lock._semlock.name)\n"
    )
    said = call(server, folder, module="locking")
    assert said.returncode == 0, said.stderr
    assert said.stderr == ""
    assert not os.path.exists(f"/dev/shm/sem.{said.stdout.strip().removeprefix('/')}")


def test_the_server_has_one_thread_when_it_forks(server, folder):
    (folder / "parent.py").write_text("import os\nprint(os.listdir(f'/proc/{os.getppid()}/task'))\n")
    said = call(server, folder, module="parent")
    assert said.returncode == 0, said.stderr
    assert said.stdout.count("'") == 2, said.stdout


BROKEN = """
import os, signal, threading, time
match os.environ["BROKEN"]:
    case "killed":
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGKILL)
    case "error":
        raise OSError("libbroken.so: cannot open shared object file")
    case "threads":
        if threading.active_count() == 1:  # not again when another package asks for it
            threading.Thread(target=time.sleep, args=[30], daemon=True).start()
        raise ImportError
"""


def without_the_heaviest(folder) -> None:
    """Let imports in the folder find none of the packages that take longest, so that a server starts at once."""
    for name in (
        "torch",
        "open_clip",
        "torchvision",
        "kornia",
        "pandas",
        "pyarrow",
        "scipy",
        "sklearn",
        "matplotlib",
        "seaborn",
    ):
        (folder / f"{name}.py").write_text("raise ImportError\n")


@pytest.mark.parametrize("way", ["killed", "error", "threads"])
def test_programs_start_without_a_server_that_ends_while_it_imports(folder, tmp_path, monkeypatch, capfd, way):
    without_the_heaviest(tmp_path)
    (tmp_path / "torch.py").write_text(BROKEN)  # the first of the packages
    monkeypatch.delenv(SOCKET_VARIABLE, raising=False)
    monkeypatch.setenv("BROKEN", way)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(REPOSITORY), str(folder)]))
    with serving():
        outcome = call(dict(os.environ), folder, "a", input="in\n")
        again = call(dict(os.environ), folder, "b", input="")
    assert (outcome.returncode, outcome.stderr) == (7, "in\n")
    assert json.loads(outcome.stdout)["arguments"] == ["a"]
    assert (again.returncode, json.loads(again.stdout)["arguments"]) == (7, ["b"])
    said = capfd.readouterr().err.strip().splitlines()
    last = {
        "killed": [],
        "error": ["OSError: libbroken.so: cannot open shared object file"],
        "threads": ["Pages start without a common server: imports started 1 threads, which do not survive a fork."],
    }
    assert said[-1:] == last[way]


def test_a_long_temporary_folder_does_not_matter(folder, tmp_path, monkeypatch):
    long = tmp_path / ("x" * 120)
    long.mkdir()
    without_the_heaviest(tmp_path)
    monkeypatch.delenv(SOCKET_VARIABLE, raising=False)
    monkeypatch.setenv("TMPDIR", str(long))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(REPOSITORY), str(folder)]))
    with serving():
        served = call(dict(os.environ), folder, input="")
    assert (served.returncode, json.loads(served.stdout)["imported"]) == (7, ["papermill"])
    assert [name for name in os.listdir(long) if name.startswith("zsas")] == []


@pytest.mark.parametrize("fails", ["bind", "Popen"])
def test_where_no_server_can_be_had_there_is_none(monkeypatch, fails):
    def refused(*_, **__):
        raise OSError("none to be had")

    monkeypatch.delenv(SOCKET_VARIABLE, raising=False)
    monkeypatch.setattr(*{"bind": (socket.socket, "bind"), "Popen": (subprocess, "Popen")}[fails], refused)
    with serving():
        assert SOCKET_VARIABLE not in os.environ and command("program") == [sys.executable, "-m", "program"]


def test_another_user_s_server_is_given_nothing(folder, monkeypatch):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0zsas-another")
        listener.listen(1)
        monkeypatch.setenv(SOCKET_VARIABLE, "@zsas-another")
        monkeypatch.setattr(warm, "_is_ours", lambda connection: False)
        assert warm._status_by_server("program", []) is None
        caller, _ = listener.accept()
        with caller:
            assert caller.recv(1) == b""
    one, other = socket.socketpair()
    with one, other:
        monkeypatch.undo()
        assert warm._is_ours(one)
        own = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: own + 1)
        assert not warm._is_ours(one)


def test_a_failing_program_says_so(server, folder):
    (folder / "failing.py").write_text("raise ValueError('seven')\n")
    warm = [sys.executable, "-m", "zsas_book.machine.warm"]
    failed = subprocess.run([*warm, "failing"], cwd=folder, env=server, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1] == "ValueError: seven"


def test_a_server_ends_with_what_it_serves_and_programs_then_start_in_the_ordinary_way(folder, monkeypatch):
    monkeypatch.delenv(SOCKET_VARIABLE, raising=False)
    assert command("program") == [sys.executable, "-m", "program"]
    with serving():
        gone = dict(os.environ)
        if sys.platform == "linux":
            assert command("program") == [sys.executable, "-m", "zsas_book.machine.warm", "program"]
    assert SOCKET_VARIABLE not in os.environ
    outcome = call(gone | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(folder)])}, folder, input="")
    assert outcome.returncode == 7
    assert json.loads(outcome.stdout)["imported"] == []
