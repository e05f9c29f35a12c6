"""Whether a computed page is what its notebook, parameters, library files and data would give today, and if not, why.

A computed page is a notebook ``PAGE.ipynb`` with a certificate ``PAGE.json`` beside it, which says by digests what it
was made from. Contents are compared, never times, so a checkout or a copy makes nothing stale. Data that are not on this
machine make nothing stale either: a page computed where they are is shown, and says so (`missing_data`).
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from zsas_lib.base.digests import PACKAGE, file_digest
from zsas_lib.base.ledger import file_fingerprint

from ..project.chapters import COMPUTED, Page


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
    return (
        changed_library(certificate["library"])
        or changed_data(certificate["data"], root)
        or changed_weights(certificate.get("weights", {}), root)
    )


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


def text_digest(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def unedited_since(started: float, files: Mapping[str, str]) -> dict[str, str]:
    """The digests of library files, but none for a file edited since the time `started`: which version of it ran is not
    known, so what it made is stale."""
    edited = {name for name in files if (PACKAGE.parent / name).stat().st_mtime >= started}
    return {name: "edited meanwhile" if name in edited else files[name] for name in files}


def abbreviated(folder: Path, root: Path) -> str:
    """A folder from the project's root or the user's home, as certificates name it."""
    for base, sign in ((root, ""), (Path.home(), "~/")):
        if folder.is_relative_to(base):
            return sign + folder.relative_to(base).as_posix()
    return folder.as_posix()


def changed_library(files: Mapping[str, str], digest: Callable[[Path], str] = file_digest) -> str:
    """Which of the library's files is no longer what its digest says, "" if none; `digest` may remember what it has read."""
    paths = {name: PACKAGE.parent / name for name in files}
    return next(
        (f"{name} changed" for name, path in paths.items() if not path.is_file() or digest(path) != files[name]), ""
    )


def changed_data(
    fingerprints: Mapping[str, str], root: Path, fingerprint: Callable[[Path], str] = folder_fingerprint
) -> str:
    """Which of these folders is no longer what its `folder_fingerprint` says, "" if none."""
    for folder, before in fingerprints.items():
        place = root / Path(folder).expanduser()
        if place.is_dir() and fingerprint(place) != before:
            return f"the data in {folder} changed"
    return ""


def changed_weights(fingerprints: Mapping[str, str], root: Path) -> str:
    """Which of these weights files, outside the library, is another than its `file_fingerprint` says, "" if none. One that
    is not on this machine is no reason to compute anything."""
    for name, before in fingerprints.items():
        path = root / Path(name).expanduser()
        if path.is_file() and file_fingerprint(path) != before:
            return f"the weights in {name} changed"
    return ""


def _changed(path: Path, digest: str) -> bool:
    return not path.is_file() or file_digest(path) != digest
