"""Whether a computed page is what its notebook, parameters, library files and data would give today, and if not, why.

A computed page is a notebook ``PAGE.ipynb`` with a certificate ``PAGE.json`` beside it, which says by digests what it
was made from. Contents are compared, never times, so a checkout or a copy makes nothing stale. Data that are not on this
machine make nothing stale either: a page computed where they are is shown, and says so (`missing_data`).
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from .chapters import COMPUTED, Page
from .digests import PACKAGE, file_digest


def stale_reason(page: Page, root: Path) -> str:
    """Why the page must be computed (again), in a few words; "" where it is fresh."""
    computed = root / COMPUTED / f"{page.name}.ipynb"
    try:
        certificate = json.loads(computed.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "not computed yet"
    if _changed(computed, certificate["digest"]):
        return "its computed notebook is missing or was changed"
    if certificate["profile"] != page.profile:
        return f"computed with profile {certificate['profile'] or 'none'}"
    if certificate["given"] != json.loads(json.dumps(page.parameters)):
        return "its parameters changed"
    if certificate.get("title", "") != page.title:
        return "its title changed"
    if certificate["notebook"]["path"] != page.notebook.as_posix():
        return f"its notebook is now {page.notebook}"
    if _changed(root / page.notebook, certificate["notebook"]["digest"]):
        return f"{page.notebook} changed"
    return _changed_library(certificate["library"]) or _changed_data(certificate["data"], root)


def folder_fingerprint(folder: Path) -> str:
    """SHA-256 over names, sizes and times of all files below `folder`: cheap, and other whenever the content is."""
    lines = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            status = path.stat()
            lines.append(f"{path.relative_to(folder).as_posix()} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def missing_data(certificate: Mapping, root: Path) -> list[str]:
    """The folders of data that a page was made from and that are not on this machine, as its certificate names them."""
    return [folder for folder in certificate["data"] if not (root / Path(folder).expanduser()).is_dir()]


def _changed_library(files: Mapping[str, str]) -> str:
    return next((f"{name} changed" for name, digest in files.items() if _changed(PACKAGE.parent / name, digest)), "")


def _changed_data(fingerprints: Mapping[str, str], root: Path) -> str:
    for folder, fingerprint in fingerprints.items():
        path = root / Path(folder).expanduser()
        if path.is_dir() and folder_fingerprint(path) != fingerprint:
            return f"the data in {folder} changed"
    return ""


def _changed(path: Path, digest: str) -> bool:
    return not path.is_file() or file_digest(path) != digest
