"""Receipts: the certificates of shards, which also say which results are in the store."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from zsas_lib.base.digests import canonical, file_digest

from ..pages.certificate import Certificate, CertificateError, folder_fingerprint, text_digest


@dataclass(frozen=True, kw_only=True)
class Receipt(Certificate):
    """A finished shard: ``script`` is the digest of what ran, ``results`` are the files of the store that it requested,
    of which it computed ``computed``, in ``seconds`` altogether."""

    shard: str
    script: str
    results: list[str]
    computed: int
    seconds: float

    def why_stale(self, given: Mapping[str, object], script: str, notebook: Path, now: "Now") -> str:
        """Why the shard with these parameters and this script, of cells of ``notebook``, must be computed again; "" if
        it need not."""
        if self.script != text_digest(script):
            if self.given != canonical(given):
                return "its parameters changed"
            return f"its cells in {notebook} changed"
        return self.changed_source(now.root, now.digest, now.fingerprint) or next(self._gone(now), "")

    def _gone(self, now: "Now") -> Iterator[str]:
        for name in self.results:
            if Path(name).name not in now.names((now.store / name).parent):
                yield f"its result {name} is gone"

    @property
    def duration(self) -> str:
        """How long the shard took, such as "12 s"."""
        return f"{self.seconds:.0f} s"


@dataclass(frozen=True)
class Now:
    """The project at ``root`` and its ``store`` at this moment; every file and folder is read once for all receipts."""

    root: Path
    store: Path
    digest: object = field(default_factory=lambda: cache(file_digest))
    fingerprint: object = field(default_factory=lambda: cache(folder_fingerprint))
    names: object = field(default_factory=lambda: cache(_names_in))


def read_receipt(path: Path) -> Receipt | None:
    """The receipt in ``path``, None where there is none or it cannot be read."""
    try:
        return Receipt.read(path)
    except (FileNotFoundError, CertificateError):
        return None


def _names_in(folder: Path) -> frozenset[str]:
    return frozenset(os.listdir(folder)) if folder.is_dir() else frozenset()
