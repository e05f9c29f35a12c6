"""An earlier build of the project beside this one: checked out for a run, and asked in a process of its own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from .peer import Peer
from .table import NotRun

BEFORE = "af2242f"
"""The commit that speed is compared with."""


@contextmanager
def checked_out(commit: str = BEFORE) -> Iterator[Path]:
    """A folder with the project as it was, gone afterwards. Raises NotRun where git has no such commit."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / commit
        made = subprocess.run(
            ["git", "worktree", "add", "--detach", str(folder), commit], capture_output=True, text=True
        )
        if made.returncode:
            raise NotRun(f"git could not check out {commit}, which this is compared with: {made.stderr.strip()}")
        try:
            yield folder
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(folder)], check=True, capture_output=True)


@contextmanager
def build(folder: Path, script: str, *arguments: object) -> Iterator[Peer]:
    """Run a script on the project in a folder, with as many threads as this process has; it says its version first and
    answers a line for each line."""
    threads = str(torch.get_num_threads())
    own = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    words = [sys.executable, "-c", script, *map(str, arguments)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=own, cwd=folder
    ) as process:
        try:
            yield Peer(process)
        finally:
            process.stdin.close()
