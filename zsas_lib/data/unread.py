"""What lies in a data set's folder and is not read: pictures of other formats, in other places, masks of nothing."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from PIL import Image

from .layouts.tree import MASK_ENDINGS, MASK_FOLDERS, PICTURE_ENDINGS, is_hidden
from .record import NORMAL, below
from .registry import SPLITS

OTHER_ENDINGS = frozenset(
    {".arw", ".avif", ".cr2", ".dcm", ".dng", ".exr", ".gif", ".heic", ".heif", ".j2k", ".jp2", ".jxl", ".nef", ".npy"}
    | {".npz", ".pbm", ".raw", ".tga"}
)
"""The endings of pictures that are not read."""
_NO_PICTURES = frozenset(
    {".csv", ".db", ".html", ".ini", ".json", ".md", ".pdf", ".py", ".txt", ".xml", ".yaml", ".yml"}
)


def unread(root: Path, read: Collection[Path], beside: Sequence[str] = ()) -> list[str]:
    """A sentence for each folder and reason, about the pictures in ``root`` that are not among those ``read``, and one
    for each folder of a category or a split that is empty.

    Files that match one of the patterns ``beside`` belong to the data set; hidden ones are passed over. A file of an
    unknown ending is a picture where Pillow takes it for one.
    """
    known = {os.path.abspath(path) for path in read}
    left: dict[tuple[str, str], list[str]] = defaultdict(list)
    empty = []
    for folder, names, holds_folders in _tree(root):
        place = below(folder, root)
        parts = [part.lower() for part in Path(place).parts]
        if not names and not holds_folders and (len(parts) == 1 or {*SPLITS} & {*parts}):
            empty.append(f"Empty folder: {place}.")
        for name in names:
            path = folder / name
            if os.path.abspath(path) in known or any(fnmatchcase(below(path, root), pattern) for pattern in beside):
                continue
            if _is_picture(path):
                left[place, _reason(path, parts)].append(name)
    return [_sentence(place, names, reason) for (place, reason), names in left.items()] + empty


def _tree(root: Path) -> Iterator[tuple[Path, list[str], bool]]:
    """Each folder from ``root`` down, the files in it and whether it holds folders; behind links too, each once."""
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        folders[:] = sorted(name for name in folders if not is_hidden(name)) if real not in seen else []
        if real not in seen:
            yield Path(folder), sorted(name for name in names if not is_hidden(name)), bool(folders)
        seen.add(real)


def _is_picture(path: Path) -> bool:
    ending = path.suffix.lower()
    if ending in PICTURE_ENDINGS | OTHER_ENDINGS:
        return True
    if ending in _NO_PICTURES:
        return False
    try:
        with Image.open(path):
            return True
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def _reason(path: Path, parts: Sequence[str]) -> str:
    if not path.exists():
        return "a link to nothing"
    if path.suffix.lower() not in (MASK_ENDINGS if MASK_FOLDERS & {*parts} else PICTURE_ENDINGS):
        return f"files *{path.suffix} are not read; save them as .png" if path.suffix else "their names have no ending"
    if MASK_FOLDERS & {*parts}:
        return "masks without a picture of their name" if NORMAL not in parts else "masks of normal pictures"
    if {"train", "validation"} & {*parts} and NORMAL not in parts:
        return "pictures for training are normal ones, in the folder of these"
    return "the layout has no pictures there"


def _sentence(place: str, names: Sequence[str], reason: str) -> str:
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"Not read, in {place}: {shown} ({reason})."
