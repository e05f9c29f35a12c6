"""The GPUs of one machine, one for one job at a time.

A job takes the first GPU that no other job of this machine holds, by a lock on a file of that GPU's name. The lock ends
with the process, however that ends, so a killed job's GPU is free at once.
"""

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

from filelock import FileLock, Timeout

from zsas_lib.base.places import private_folder

VISIBLE_VARIABLE = "CUDA_VISIBLE_DEVICES"
POLL_S = 0.2


def machine_gpus() -> list[str]:
    """The names of this machine's GPUs: those in $CUDA_VISIBLE_DEVICES where it is set, else all that nvidia-smi
    lists."""
    if VISIBLE_VARIABLE in os.environ:
        return [name.strip() for name in os.environ[VISIBLE_VARIABLE].split(",") if name.strip()]
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return listed.stdout.split()


@contextmanager
def one_gpu(names: Sequence[str] | None = None, folder: Path | None = None) -> Iterator[str | None]:
    """A GPU that is this process's alone: $CUDA_VISIBLE_DEVICES names it until the block ends. Waits for a free one.

    ``names`` are by default `machine_gpus`; with none, and inside a job of Slurm, which hands them out itself, nothing
    is done and the name is None. ``folder`` holds the locks, by default this user's own in the machine's temporary
    folder; raises PermissionError where somebody else has that (`private_folder`).
    """
    names = machine_gpus() if names is None else list(names)
    if not names or "SLURM_JOB_ID" in os.environ:
        yield None
        return
    folder = folder or private_folder("zsas-gpus")
    with ExitStack() as held:
        while (name := _taken(names, folder, held)) is None:
            time.sleep(POLL_S)
        with patch.dict(os.environ, {VISIBLE_VARIABLE: name}):
            yield name


def _taken(names: Sequence[str], folder: Path, held: ExitStack) -> str | None:
    for name in names:
        with suppress(Timeout):
            held.enter_context(
                FileLock(folder / f"{name.replace('/', '-')}.lock", blocking=False, fallback_to_soft=False)
            )
            return name
    return None
