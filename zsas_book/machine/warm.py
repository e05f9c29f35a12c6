"""A server that starts programs in a tenth of a second: it forks, with the heavy packages imported already.

Importing torch, open_clip and the rest takes some ten seconds of a core, twice for every page of the book: once in the
process that runs the notebook, once in its kernel. `serving` starts one process, the server, that imports them once.
While it runs, ``python -m zsas_book.machine.warm MODULE ARGUMENT ...`` does what ``python -m MODULE ARGUMENT ...``
does, in a fork of the server, with the caller's folder, module path, environment and standard streams, and ends with
the program's exit status.

The server imports packages of others only, so a program always runs the library as it is on disk, and what a page
records as its sources stays exact. Where there is no server, or it ends before it started the program, the program
starts in the ordinary way. There is none on systems other than Linux, where libraries may have threads that do not
survive a fork, and one that has threads after all ends before it forks.

Its address is a name of Linux's own (an abstract socket), so there is no file to be left behind and no path to be too
long; both sides make sure that the other is of the same user.

Environment variables that packages read while they are imported have the values that the server was started with.
"""

import gc
import importlib
import json
import multiprocessing.util
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import traceback
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

SOCKET_VARIABLE = "ZSAS_WARM"
ABSTRACT = "@"  # how the variable writes the zero byte that an abstract socket's name begins with
KILLED = (
    "its process ended without a word, as when the system kills it because memory runs out: free some, compute fewer "
    "at once (JOBS=1), or give it more."
)
PACKAGES = (
    "torch",
    "torchvision.transforms.v2",
    "open_clip",
    "kornia.color",
    "pandas",
    "pandas.io.formats.style",
    "pyarrow.parquet",
    "scipy.stats",
    "scipy.ndimage",
    "sklearn.metrics",
    "sklearn.linear_model",
    "sklearn.cluster",
    "sklearn.datasets",
    "skimage.data",
    "matplotlib.pyplot",
    "seaborn",
    "jaxtyping",
    "safetensors.torch",
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.debugger",
    "IPython.core.completer",
    "papermill",
    "nbclient",
    "jsonschema",
    "typer",
    "pydantic.functional_validators",
    "pydantic.type_adapter",
    "nbformat.v4",
    # What those import only when they are first used, but for matplotlib_inline, which must be imported in a kernel.
    "torch.utils.flop_counter",
    "pandas.core.arrays.arrow.extension_types",
    "pandas.core.methods.to_dict",
    "pandas.core.reshape.reshape",
    "pandas.io.formats.csvs",
    "pyarrow.pandas_compat",
    "pyarrow.dataset",
    "contourpy",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "PIL.features",
    "PIL.BmpImagePlugin",
    "PIL.GifImagePlugin",
    "PIL.JpegImagePlugin",
    "PIL.PpmImagePlugin",
    "skimage.exposure",
    "skimage.io",
    "imageio.plugins.pillow",
    "zmq.utils.garbage",
    "tornado.platform.asyncio",
    "IPython.core.debugger",
    "IPython.core.oinspect",
    "IPython.core.pylabtools",
    "IPython.core.completerlib",
    "IPython.core.logger",
)
READ_AT_IMPORT = {
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # else importing pyarrow starts a thread
    "OPENBLAS_NUM_THREADS": "1",  # else importing numpy and scipy starts some
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # else figures do not appear in notebooks
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # else CUDA cannot be used after a fork
    "TQDM_DISABLE": "1",
}
OWN = ("zsas_book", "zsas_lib")
GARBAGE = (5000, 20, 10)
"""How much is made before a program looks for garbage: seven times Python's own, as it has so much more of it in use;
else it spends a fiftieth of its time on that."""
LENGTH_BYTES = 4
WATCH_S = 1.0
LOST = 1
STARTED, INTERRUPT = b"s", b"i"


def command(module: str) -> list[str]:
    """How to start ``python -m module`` from here: by way of the server where there is one."""
    return [sys.executable, "-m", *(["zsas_book.machine.warm"] if SOCKET_VARIABLE in os.environ else []), module]


@contextmanager
def serving(*also: str) -> Iterator[None]:
    """A server for the programs that this process and its children start; it ends with this process at the latest.

    It imports ``also`` beside the packages that pages need. Where none can be had, programs start in the ordinary way.
    """
    server = None
    if sys.platform == "linux" and SOCKET_VARIABLE not in os.environ:
        name = f"{ABSTRACT}zsas-{uuid.uuid4().hex}"
        with suppress(OSError):
            server = _server(name, also)
    if server is None:
        yield
        return
    os.environ[SOCKET_VARIABLE] = name
    try:
        yield
    finally:
        os.environ.pop(SOCKET_VARIABLE, None)
        server.kill()
        server.communicate()


def serve(listener: socket.socket, also: Sequence[str] = ()) -> None:
    """Import the packages, then fork once for every request, until standard input ends."""
    for name in (*PACKAGES, *also):
        with suppress(ImportError):
            importlib.import_module(name)
    if "nbformat.v4" in sys.modules:
        sys.modules["nbformat"].validate(
            sys.modules["nbformat.v4"].new_notebook()
        )  # compiles its schema, which is kept
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    if threads := len(os.listdir("/proc/self/task")) - 1:
        print(
            f"Pages start without a common server: imports started {threads} threads, which do not survive a fork.",
            file=sys.stderr,
        )
        return
    while sys.stdin not in select.select([sys.stdin, listener], [], [])[0]:
        caller, _ = listener.accept()
        with caller:
            if _is_ours(caller) and os.fork() == 0:
                listener.close()
                _run_request(caller)


def run(module: str, arguments: Sequence[str]) -> int:
    """The exit status of ``python -m module``, run by the server; without one, the module replaces this process."""
    status = _status_by_server(module, arguments)
    if status is None:
        os.execv(sys.executable, [sys.executable, "-m", module, *arguments])
    return status


def _server(name: str, also: Sequence[str]) -> subprocess.Popen:
    """A server's process, which listens under this name."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(_address(name))
        listener.listen(64)
        return subprocess.Popen(
            [sys.executable, "-m", "zsas_book.machine.warm", f"--serve={listener.fileno()}", *also],
            env=os.environ | READ_AT_IMPORT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )


def _status_by_server(module: str, arguments: Sequence[str]) -> int | None:
    """The program's exit status, None where the server is not there or ended before it started the program."""
    parent = os.getppid()
    request = json.dumps(
        {
            "module": module,
            "arguments": list(arguments),
            "folder": os.getcwd(),
            "path": sys.path,
            "environment": dict(os.environ),
        }
    ).encode()
    with socket.socket(socket.AF_UNIX) as server:

        def pass_on(*_: object) -> None:
            try:
                server.sendall(INTERRUPT)
            except OSError:
                raise KeyboardInterrupt from None

        try:
            server.connect(_address(os.environ.get(SOCKET_VARIABLE, "")))
            if not _is_ours(server):
                return None
            signal.signal(signal.SIGINT, pass_on)
            socket.send_fds(server, [len(request).to_bytes(LENGTH_BYTES, "big")], [0, 1, 2])
            server.sendall(request)
            answer = _answer(server, parent)
        except OSError:
            return None
        if answer == b"":
            return None
        if answer == STARTED:
            answer = _answer(server, parent)
        if answer == b"":
            print(f"{module} {' '.join(arguments)}: {KILLED}", file=sys.stderr)
        return answer[0] if answer else LOST


def _answer(server: socket.socket, parent: int) -> bytes | None:
    """The server's next byte, b"" where it ended, None where this process's parent did."""
    server.settimeout(WATCH_S)
    while True:
        try:
            return server.recv(1)
        except ConnectionResetError:
            return b""
        except TimeoutError:
            if os.getppid() != parent:
                return None


def _address(name: str) -> str:
    return f"\0{name.removeprefix(ABSTRACT)}" if name.startswith(ABSTRACT) else name


def _is_ours(connection: socket.socket) -> bool:
    """Whether the other side is a process of this user."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", credentials)[1] == os.geteuid()


def _run_request(caller: socket.socket) -> None:
    status = LOST
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs start with it ignored
        os.setsid()
        length, streams, _, _ = socket.recv_fds(caller, LENGTH_BYTES, 3)
        request = json.loads(_received(caller, int.from_bytes(length, "big")))
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        _import_from(request["path"])
        caller.sendall(STARTED)
        threading.Thread(target=_follow_caller, args=[caller], daemon=True).start()
        status = _status_of(request["module"], request["arguments"])
        multiprocessing.util._exit_function()  # of locks and processes, as at the end of an ordinary one
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        caller.sendall(bytes([status]))
    finally:
        os._exit(status)


def _import_from(path: list[str]) -> None:
    """Look for modules where the caller does; what is imported of this project is the server's, and is let go."""
    sys.path[:] = path
    for name in [name for name in sys.modules if name.partition(".")[0] in OWN]:
        del sys.modules[name]
    importlib.invalidate_caches()


def _status_of(module: str, arguments: Sequence[str]) -> int:
    sys.argv[:] = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _received(caller: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = caller.recv(min(length - len(parts), 2**16))
        if not part:
            raise ConnectionError("The caller ended before its request was complete.")
        parts += part
    return bytes(parts)


def _follow_caller(caller: socket.socket) -> None:
    """Pass the caller's interrupts on to this process, and end this process when the caller ends."""
    while caller.recv(1) == INTERRUPT:
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(LOST)


if __name__ == "__main__":
    if sys.argv[1].startswith("--serve="):
        serve(socket.socket(fileno=int(sys.argv[1].partition("=")[2])), sys.argv[2:])
    else:
        sys.exit(run(sys.argv[1], sys.argv[2:]))
