"""One picture of a data set before it is read, and which of the listed files are missing. Needs no torch."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NORMAL = "good"
MEAN = "mean"  # names the rows of tables that hold means over the categories


@dataclass(frozen=True)
class Record:
    """One picture of a data set before it is read.

    :param mask_path: its mask; None for a normal picture.
    :param defect: "good" for a normal one.
    :param further_masks: masks that are laid over the first one: a pixel is anomalous where it is in any of them.
    :param doubt: why nobody can say which mask is the picture's, where that is so; such a picture is not read.
    """

    path: Path
    mask_path: Path | None
    category: str
    defect: str
    further_masks: tuple[Path, ...] = ()
    doubt: str = ""

    @property
    def is_anomalous(self) -> bool:
        return self.defect != NORMAL

    @property
    def mask_paths(self) -> tuple[Path, ...]:
        """All its masks, () for a normal picture."""
        return () if self.mask_path is None else (self.mask_path, *self.further_masks)

    def name(self, root: Path) -> str:
        """Where the picture lies below a data set's ``root``, with forward slashes on every system."""
        return below(self.path, root)


def row_name(category: str) -> str:
    """What tables of results call a category: by its name, and one that is called "mean", as the rows of means are,
    "mean (category)"."""
    return f"{MEAN} (category)" if category == MEAN else category


def below(path: Path, root: Path) -> str:
    """The way from ``root`` to ``path``, with forward slashes on every system."""
    return Path(os.path.relpath(path, root)).as_posix()


def masked(records: Sequence[Record]) -> bool:
    """Whether any anomalous picture has a mask, or several between which nobody can choose, or none is anomalous."""
    anomalous = [record for record in records if record.is_anomalous]
    return not anomalous or any(
        record.doubt or any(path.is_file() for path in record.mask_paths) for record in anomalous
    )


def such_a_mask(records: Sequence[Record], root: Path) -> str:
    """Where the first of the masks was expected, as words that end what is said of them; "" where none is listed."""
    expected = [below(record.mask_path, root) for record in records if record.mask_path]
    return f", such as {expected[0]}" if expected else ""


def first(lines: Sequence[str], shown: int = 3) -> str:
    """The first of several lines, and how many more there are."""
    return ", ".join(lines[:shown]) + (f" and {len(lines) - shown} more" if len(lines) > shown else "")


def missing_files(root: Path, records: Sequence[Record]) -> tuple[list[str], list[str]]:
    """One line per picture that does not exist, and one per anomalous picture whose mask does not or is in doubt."""
    pictures, masks = [], []
    for record in records:
        if not record.path.is_file():
            pictures.append(record.name(root))
        absent = [path for path in record.mask_paths if not path.is_file()]
        if record.doubt:
            masks.append(f"{record.name(root)} ({record.doubt})")
        elif record.is_anomalous and record.mask_path is None:
            masks.append(f"{record.name(root)} (no mask is listed)")
        elif absent:
            masks.append(f"{record.name(root)} (expected {below(absent[0], root)})")
    return pictures, masks
