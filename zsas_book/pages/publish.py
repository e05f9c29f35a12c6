"""A computed page appears whole or not at all, and never in place of what is no earlier run of it."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from zsas_lib.base.digests import file_digest
from zsas_lib.base.files import locked

from .certificate import CertificateError, PageCertificate

SUFFIX = ".ipynb"


class OutputError(ValueError):
    """An output that a page cannot be put at. The message names what is in the way; nothing was changed."""


def files_folder(output: Path) -> Path:
    """The folder of what a page's cells save, beside its notebook ``output``."""
    return output.with_name(f"{output.stem}_files")


def require_output(output: Path, page: str) -> None:
    """Judge where a page is to go before it runs: the notebook, its certificate and its folder of files may be new, or
    an earlier run of the same page as that was published, which is replaced.

    Raises OutputError for a name that does not end in ``.ipynb``, for a folder, a link, and for anything that is no
    such run or was changed since: it is not ours to remove.
    """
    if output.suffix != SUFFIX or output.is_dir():
        raise OutputError(
            f"{output} cannot be a computed notebook; expected the name of a file that ends in {SUFFIX}, such as "
            f"{(output if output.is_dir() else output.parent) / page}{SUFFIX}."
        )
    certificate, files = output.with_suffix(".json"), files_folder(output)
    there = [path for path in (output, certificate, files) if os.path.lexists(path)]
    if not there:
        return
    try:
        made = PageCertificate.read(certificate)
        own = made.page == page and not any(path.is_symlink() for path in there)
        own = own and output.is_file() and file_digest(output) == made.digest
        own = own and {path.name for path in files.glob("*")} <= {*made.files}
    except (OSError, CertificateError):
        own = False
    if not own:
        names = ", ".join(str(path) for path in there)
        raise OutputError(
            f"{names}: there already, and not a run of {page} as it was published, so nothing of it is replaced; name "
            "another output, or move it away."
        )


def publish(notebook: NotebookNode, certificate: PageCertificate, files: Path, output: Path, work: Path) -> None:
    """Move a page to ``output``: the notebook, the folder ``files`` of what its cells saved, and last its certificate,
    with the digest of the notebook. ``work`` is a folder of the same file system."""
    nbformat.write(notebook, work / output.name)
    finished = work / "certificate.json"
    replace(certificate, digest=file_digest(work / output.name)).write(finished)
    with locked(output):
        output.with_suffix(".json").unlink(missing_ok=True)
        shutil.rmtree(files_folder(output), ignore_errors=True)
        if any(files.iterdir()):
            files.rename(files_folder(output))
        (work / output.name).replace(output)
        finished.replace(output.with_suffix(".json"))
