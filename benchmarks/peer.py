"""A process of another Python that answers a line for each line it is sent: how anomalib, whose pins differ, is timed
in turn."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from .table import NotRun, Settings


class Peer:
    """The running process. `version` is what it said first; `ask` sends a line and returns the words of the answer."""

    def __init__(self, process: subprocess.Popen):
        self._process = process
        self.version = self._answer()

    def ask(self, line: str = "") -> list[str]:
        """Raises NotRun where the process ended; its own words are above."""
        print(line, file=self._process.stdin, flush=True)
        return self._answer().split()

    def _answer(self) -> str:
        line = self._process.stdout.readline().strip()
        if not line:
            raise NotRun(f"{self._process.args[0]} ended without an answer; what it said stands above.")
        return line


@contextmanager
def peer(settings: Settings, script: str, *arguments: object) -> Iterator[Peer]:
    """Run a script with the peer's Python and as many threads as this process has.

    Raises NotRun where there is no such Python, saying how to make it.
    """
    if not settings.peer_python.is_file():
        raise NotRun(
            f"no {settings.peer_python}; `python -m benchmarks --make-peer` makes it, or name one with --peer-python."
        )
    threads = str(torch.get_num_threads())
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONPYCACHEPREFIX")}
    words: Sequence[str] = [str(settings.peer_python), "-W", "ignore", "-c", script, *map(str, arguments)]
    own |= {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=own) as process:
        try:
            yield Peer(process)
        finally:
            process.stdin.close()
