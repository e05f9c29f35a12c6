"""What folders hold: pictures, and folders of them. The one place that says which files are pictures."""

from collections.abc import Collection, Iterator
from pathlib import Path

PICTURE_ENDINGS = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pnm"}
)
"""The endings of files that are read, in any letter case."""
MASK_ENDINGS = PICTURE_ENDINGS | {".npy"}
"""Those of masks, which may be arrays of NumPy too."""
MASK_FOLDERS = frozenset({"ground_truth", "gt", "mask", "masks", "label", "labels"})
"""What folders of masks are called, in any letter case."""


def folders(folder: Path) -> list[Path]:
    """The folders in ``folder``, sorted; [] where there is no such folder."""
    return sorted(entry for entry in visible(folder) if entry.is_dir())


def pictures(folder: Path) -> list[Path]:
    """The pictures in ``folder`` and below it, sorted; [] where there is no such folder.

    Where a folder holds ``rgb`` (MVTec 3D-AD's ``rgb``, ``xyz`` and ``gt``), its pictures are those of ``rgb``. Masks,
    in folders called as one of `MASK_FOLDERS`, are no pictures.
    """
    inside = folders(folder)
    if colours := [entry for entry in inside if entry.name.lower() == "rgb"]:
        return [path for entry in colours for path in files(entry)]
    below = [path for entry in inside if entry.name.lower() not in MASK_FOLDERS for path in pictures(entry)]
    return sorted(files(folder) + below)


def files(folder: Path, endings: Collection[str] = PICTURE_ENDINGS) -> list[Path]:
    """The files with one of these endings in ``folder`` itself, sorted; [] where there is no such folder."""
    return sorted(entry for entry in visible(folder) if entry.suffix.lower() in endings and entry.is_file())


def visible(folder: Path) -> Iterator[Path]:
    """What a folder holds but hidden entries and the folder ``__MACOSX`` that archives of macOS bring along."""
    if folder.is_dir():
        yield from (entry for entry in folder.iterdir() if not is_hidden(entry.name))


def is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
