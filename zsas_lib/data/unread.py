"""What lies in a data set's folder and is not read: pictures of other formats, in other places, masks of nothing."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
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


def unread(
    root: Path,
    read: Collection[Path],
    beside: Sequence[str] = (),
    reasons: Mapping[str, str] | None = None,
    normal: str = NORMAL,
) -> list[str]:
    """A sentence for each folder and reason, about the pictures in ``root`` that are not among those ``read``, and one
    for each folder of a category or a split that is empty.

    Files that match one of the patterns ``beside`` belong to the data set; hidden ones are passed over. A file of an
    unknown ending is a picture where Pillow takes it for one.

    :param reasons: why the data set does not read what it could, by patterns of the files.
    :param normal: what folders of normal pictures are called beside "good".
    """
    known = {os.path.abspath(path) for path in read}
    taken = {_picture_of(Path(path)) for path in known}
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
                why = _hindrance(path, parts) or _listed(below(path, root), reasons or {})
                left[place, why or _reason(path, parts, taken, {NORMAL, normal})].append(name)
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


def _hindrance(path: Path, parts: Sequence[str]) -> str:
    """Why a file is not read wherever it lies; "" where its ending is one that is read."""
    if not path.exists():
        return "a link to nothing"
    if path.suffix.lower() in (MASK_ENDINGS if MASK_FOLDERS & {*parts} else PICTURE_ENDINGS):
        return ""
    return f"files *{path.suffix} are not read; save them as .png" if path.suffix else "their names have no ending"


def _listed(name: str, reasons: Mapping[str, str]) -> str:
    return next((reason for pattern, reason in reasons.items() if fnmatchcase(name, pattern)), "")


def _reason(path: Path, parts: Sequence[str], taken: Collection[tuple[Path, str]], normal: Collection[str]) -> str:
    is_normal = not {*normal}.isdisjoint(parts)
    if MASK_FOLDERS & {*parts}:
        if _picture_of(Path(os.path.abspath(path))) in taken:
            return "another mask of the same picture is read"
        return "masks of normal pictures" if is_normal else "masks without a picture of their name"
    if {"train", "validation"} & {*parts} and not is_normal:
        return "pictures for training are normal ones, in the folder of these"
    return "the layout has no pictures there"


def _picture_of(mask: Path) -> tuple[Path, str]:
    """The folder of a mask and what the picture is called that its name says it belongs to."""
    return mask.parent, mask.stem.removesuffix("_mask")


def _sentence(place: str, names: Sequence[str], reason: str) -> str:
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"Not read, in {place}: {shown} ({reason})."
