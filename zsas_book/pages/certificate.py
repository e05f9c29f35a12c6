"""Certificates: what a page of the book or a shard's results were made from, and whether that is still what is there.

A computed page is a notebook ``PAGE.ipynb`` with its certificate ``PAGE.json`` beside it; a shard's certificate is its
receipt (`jobs.receipts`). Both say by digests what they were made from. Contents are compared, never times, so a
checkout or a copy makes nothing stale. Data that are not on this machine make nothing stale either: a page computed
where they are is shown, and says so (`Certificate.missing_data`).
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NotRequired, TypedDict

from zsas_lib.base.digests import PACKAGE, file_digest
from zsas_lib.base.files import write_atomically
from zsas_lib.base.ledger import file_fingerprint
from zsas_lib.base.places import expanded, home
from zsas_lib.base.records import RecordError, read_record

from ..project.chapters import COMPUTED, Page

NOT_COMPUTED = "not computed yet"


class Recorded(TypedDict):
    """What the book's pages show of a record, which holds more."""

    commit: str
    device: str
    versions: dict[str, str]
    computed: NotRequired[str]
    duration: NotRequired[str]


class Source(TypedDict):
    """A notebook and the SHA-256 of its content."""

    path: str
    digest: str


class CertificateError(ValueError):
    """A certificate that cannot be read. The message names the file and what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What something was made from, as JSON beside it.

    ``given`` are the parameters that were given, ``library`` the SHA-256 of the packages' files by name, ``data`` the
    `folder_fingerprint` of each folder of data, ``weights`` the `file_fingerprint` of each weights file outside the
    packages, ``record`` what the notebook recorded (`provenance.record`).
    """

    page: str
    profile: str
    given: dict[str, object]
    library: dict[str, str]
    data: dict[str, str]
    weights: dict[str, str] = field(default_factory=dict)
    record: Recorded

    @classmethod
    def read(cls, path: Path) -> "Certificate":
        """The certificate in ``path``; entries of other versions of this program are ignored.

        Raises FileNotFoundError where there is none, and CertificateError for a file that is no JSON, or lacks an entry
        or holds one of another type.
        """
        try:
            return read_record(cls, path.read_bytes())
        except FileNotFoundError:
            raise
        except (OSError, RecordError) as error:
            raise CertificateError(f"{path} is no certificate: {error}.") from None

    def write(self, path: Path) -> None:
        """Write it to ``path``, whole or not at all."""
        with write_atomically(path) as file:
            file.write((json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n").encode())

    def changed_source(
        self,
        root: Path,
        digest: Callable[[Path], str] = file_digest,
        fingerprint: Callable[[Path], str] | None = None,
    ) -> str:
        """Which library file, folder of data or weights file is no longer what it was, in a few words, "" if none.

        ``digest`` and ``fingerprint`` are of a file and of a folder; they may remember what they have read.
        """
        fingerprint = fingerprint or folder_fingerprint
        for name, before in self.library.items():
            path = PACKAGE.parent / name
            if not path.is_file() or digest(path) != before:
                return f"{name} changed"
        for folder, before in self.data.items():
            place = root / expanded(folder)
            if place.is_dir() and fingerprint(place) != before:
                return f"the data in {folder} changed"
        for name, before in self.weights.items():
            path = root / expanded(name)
            if path.is_file() and file_fingerprint(path) != before:
                return f"the weights in {name} changed"
        return ""

    def missing_data(self, root: Path) -> list[str]:
        """The folders of data that are not on this machine."""
        return [folder for folder in self.data if not (root / expanded(folder)).is_dir()]

    @property
    def duration(self) -> str:
        """How long the run took, such as "12 s"; "" where that is unknown."""
        took = self.record.get("duration", "")
        return took if re.fullmatch(r"\d{1,9} s", took) else ""


@dataclass(frozen=True, kw_only=True)
class PageCertificate(Certificate):
    """A computed page: ``parameters`` are the values used, ``digest`` is that of the computed notebook, ``files`` are
    the names of what its cells saved beside it."""

    title: str = ""
    files: list[str] = field(default_factory=list)
    parameters: dict[str, object] = field(default_factory=dict)
    notebook: Source
    digest: str

    def why_stale(self, page: Page, root: Path) -> str:
        """Why ``page`` of the project at ``root`` must be computed again, in a few words; "" where it is fresh."""
        if _changed(root / COMPUTED / f"{page.name}.ipynb", self.digest):
            return "its computed notebook is missing or was changed"
        if self.profile != page.profile:
            return f"computed with profile {self.profile or 'none'}"
        if self.given != json.loads(json.dumps(page.parameters)):
            return "its parameters changed"
        if self.title != page.title:
            return "its title changed"
        if self.notebook["path"] != page.notebook.as_posix():
            return f"its notebook is now {page.notebook}"
        if _changed(root / page.notebook, self.notebook["digest"]):
            return f"{page.notebook} changed"
        return self.changed_source(root)


def stale_reason(page: Page, root: Path) -> str:
    """Why the page must be computed (again), in a few words; "" where it is fresh.

    A certificate that cannot be read makes its page stale.
    """
    path = root / COMPUTED / f"{page.name}.json"
    try:
        return PageCertificate.read(path).why_stale(page, root)
    except FileNotFoundError:
        return NOT_COMPUTED
    except CertificateError:
        return unreadable(path, root)


def unreadable(path: Path, root: Path) -> str:
    """What is said of a page or shard whose certificate in ``path`` cannot be read."""
    return f"certificate unreadable: {path.relative_to(root) if path.is_relative_to(root) else path}"


def sources_of(facts: dict[str, object], root: Path, files: Mapping[str, str], started: float) -> dict[str, dict]:
    """A certificate's library, data, weights and record, from recorded ``facts`` and the digests of ``files``.

    ``started`` is when the run began. Of the facts, those that are entries of their own, and the folders of this
    machine, are left out of the record.
    """
    record = {name: fact for name, fact in facts.items() if name != "weights"}
    subjects = record["subjects"] = {
        name: dict(subject) if isinstance(subject, Mapping) else subject for name, subject in facts["subjects"].items()
    }
    folders = {
        Path(subject.pop("root")) for subject in subjects.values() if isinstance(subject, dict) and "root" in subject
    }
    return {
        "library": unedited_since(started, files),
        "data": {abbreviated(folder, root): folder_fingerprint(folder) for folder in sorted(folders)},
        "weights": {abbreviated(Path(name), root): fingerprint for name, fingerprint in facts["weights"].items()},
        "record": record,
    }


def folder_fingerprint(folder: Path) -> str:
    """SHA-256 over names, sizes and times of all files below ``folder``: cheap, and other whenever the content is."""
    lines = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            status = path.stat()
            lines.append(f"{path.relative_to(folder).as_posix()} {status.st_size} {status.st_mtime_ns}")
    return text_digest("\n".join(lines))


def text_digest(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def unedited_since(started: float, files: Mapping[str, str]) -> dict[str, str]:
    """The digests of library files, but none for a file edited since the time ``started``: which version of it ran is
    not known, so what it made is stale."""
    edited = {name for name in files if (PACKAGE.parent / name).stat().st_mtime >= started}
    return {name: "edited meanwhile" if name in edited else files[name] for name in files}


def abbreviated(folder: Path, root: Path) -> str:
    """A folder from the project's root or the user's home, as certificates name it."""
    for base, sign in ((root, ""), (home(), "~/")):
        if base and folder.is_relative_to(base):
            return sign + folder.relative_to(base).as_posix()
    return folder.as_posix()


def _changed(path: Path, digest: str) -> bool:
    return not path.is_file() or file_digest(path) != digest
