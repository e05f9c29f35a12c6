"""A computed page appears whole or not at all: the folder in which it is made, and its move to where it belongs."""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from zsas_lib.base.digests import file_digest
from zsas_lib.base.files import locked

from .certificate import PageCertificate


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
    """A hidden folder beside `output` for this process; those that killed processes left behind are removed."""
    prefix = f".{output.stem}.{socket.gethostname()}."
    for left in output.parent.glob(f"{prefix}*"):
        if not _runs(int(left.name.removeprefix(prefix))):
            shutil.rmtree(left, ignore_errors=True)
    work = (output.parent / f"{prefix}{os.getpid()}").absolute()
    work.mkdir(parents=True)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
