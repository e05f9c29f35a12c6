"""One picture of a data set before it is read, and which of the listed files are missing. Needs no torch."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NORMAL = "good"


@dataclass(frozen=True)
class Record:
    """One picture of a data set before it is read. ``defect`` is "good" for a normal one, whose mask is None."""

    path: Path
    mask_path: Path | None
    category: str
    defect: str

    @property
    def is_anomalous(self) -> bool:
        return self.defect != NORMAL

    def name(self, root: Path) -> str:
        """Where the picture lies below a data set's ``root``, with forward slashes on every system."""
        return below(self.path, root)


def below(path: Path, root: Path) -> str:
    """The way from ``root`` to ``path``, with forward slashes on every system."""
    return Path(os.path.relpath(path, root)).as_posix()


def missing_files(root: Path, records: Sequence[Record]) -> tuple[list[str], list[str]]:
    """One line per picture that does not exist, and one per anomalous picture whose mask does not."""
    pictures, masks = [], []
    for record in records:
        if not record.path.is_file():
            pictures.append(record.name(root))
        if record.is_anomalous and record.mask_path is None:
            masks.append(f"{record.name(root)} (no mask is listed)")
        elif record.mask_path is not None and not record.mask_path.is_file():
            masks.append(f"{record.name(root)} (expected {below(record.mask_path, root)})")
    return pictures, masks
