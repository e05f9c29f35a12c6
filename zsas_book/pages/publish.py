"""A computed page appears whole or not at all: the folder in which it is made, and its move to where it belongs."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import nbformat
from filelock import FileLock, Timeout
from nbformat import NotebookNode

from zsas_lib.base.digests import file_digest
from zsas_lib.base.files import locked

from .certificate import PageCertificate

LOCK = ".work-lock"


def publish(notebook: NotebookNode, certificate: PageCertificate, files: Path, output: Path, work: Path) -> None:
    """Move a page to ``output``: the notebook, the folder ``files`` of what its cells saved, and last its certificate,
    with the digest of the notebook. ``work`` is a folder of the same file system."""
    nbformat.write(notebook, work / output.name)
    finished = work / "certificate.json"
    replace(certificate, digest=file_digest(work / output.name)).write(finished)
    with locked(output):
        output.with_suffix(".json").unlink(missing_ok=True)
        shutil.rmtree(output.parent / files.name, ignore_errors=True)
        if any(files.iterdir()):
            files.rename(output.parent / files.name)
        (work / output.name).replace(output)
        finished.replace(output.with_suffix(".json"))


@contextmanager
def work_folder(output: Path) -> Iterator[Path]:
    """A new hidden folder beside `output`, removed at the end; those that killed processes left behind are removed too.

    Whether a folder's process still runs is told by a lock file beside it, which the process holds; numbers of
    processes would not do, as containers share them.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    for left in output.parent.glob(f".{output.stem}.*{LOCK}"):
        with suppress(Timeout, OSError), FileLock(left, blocking=False, fallback_to_soft=False):
            _remove(left)
    lock = (output.parent / f".{output.stem}.{uuid.uuid4().hex}{LOCK}").absolute()
    work = lock.with_suffix("")
    with ExitStack() as held:
        with suppress(OSError):  # a file system without locks: then what killed processes leave behind stays
            held.enter_context(FileLock(lock, fallback_to_soft=False))
        held.callback(_remove, lock)
        work.mkdir()
        yield work


def _remove(lock: Path) -> None:
    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
    lock.unlink(missing_ok=True)
