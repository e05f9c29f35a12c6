"""``folder``: MVTec-like folders in the wild.

``ROOT`` is one category's folder, or a folder of such folders; folders without ``train`` or ``test`` are passed over::

    ROOT/[CATEGORY/]train/good/NAME.EXT
    ROOT/[CATEGORY/]test/good/NAME.EXT
    ROOT/[CATEGORY/]test/DEFECT/NAME.EXT
    ROOT/[CATEGORY/]ground_truth/DEFECT/NAME_mask.EXT  or  NAME.EXT

Pictures and masks are .png, .jpg, .jpeg, .bmp, .tif or .tiff in any letter case, and need not be of one kind. Every
folder of ``test`` other than ``good`` names a kind of defect, and each of its pictures needs a mask. ``train`` is read
for normal pictures only. A single category is called what its folder is called.
"""

from collections.abc import Sequence
from pathlib import Path

from ...base.errors import DataError
from ..record import NORMAL, Record

EXPECTED = (
    "MVTec-like folders: ROOT/[CATEGORY/]train/good/*, ROOT/[CATEGORY/]test/good/*, "
    "ROOT/[CATEGORY/]test/DEFECT/NAME.EXT and ROOT/[CATEGORY/]ground_truth/DEFECT/NAME_mask.EXT or NAME.EXT"
)
PICTURE_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})


def records(root: Path, split: str) -> list[Record]:
    """The pictures of one split, sorted by category, kind and name.

    :raises DataError: ``root`` holds no category.
    """
    if is_category(root):
        return category_records(root, split)
    return [record for folder in category_folders(root, EXPECTED) for record in category_records(folder, split)]


def category_folders(root: Path, expected: str) -> list[Path]:
    """The folders in ``root`` that hold a ``train`` or ``test`` folder.

    :raises DataError: there are none. The message says what was ``expected``, what is there, and which folder nearby
        has the layout.
    """
    found = [folder for folder in _folders(root) if is_category(folder)]
    if found:
        return found
    if is_category(root):
        hint = f" It is the folder of one category: give its parent, {root.parent}."
    else:
        deeper = [folder for folder in _folders(root) if any(map(is_category, _folders(folder)))]
        hint = f" Did you mean {deeper[0]}?" if deeper else ""
    names = sorted(entry.name for entry in root.iterdir())
    holds = f"it holds {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}" if names else "it is empty"
    raise DataError(f"No category folders in {root}: {holds}. Expected {expected}.{hint}")


def category_records(
    folder: Path, split: str, *, normal: str = NORMAL, mask_stems: Sequence[str] = ("{}_mask", "{}")
) -> list[Record]:
    """The pictures of one category's folder, in which normal ones lie in a folder called ``normal``.

    A mask is called as one of ``mask_stems``, earlier ones first; where there is none, the record names the first of
    them, so that whoever checks can say what was expected.
    """
    found = []
    for kind in _folders(folder / split):
        if kind.name == normal:
            found += [Record(path, None, category_name(folder), NORMAL) for path in _pictures(kind)]
        elif split == "test":
            mask_folder = folder / "ground_truth" / kind.name
            masks = {path.stem: path for path in _pictures(mask_folder)}
            for path in _pictures(kind):
                stems = [stem.format(path.stem) for stem in mask_stems]
                mask = next((masks[stem] for stem in stems if stem in masks), mask_folder / f"{stems[0]}.png")
                found.append(Record(path, mask, category_name(folder), kind.name))
    return found


def category_name(folder: Path) -> str:
    return folder.name or folder.resolve().name


def is_category(folder: Path) -> bool:
    return (folder / "train").is_dir() or (folder / "test").is_dir()


def _folders(folder: Path) -> list[Path]:
    return sorted(entry for entry in _visible(folder) if entry.is_dir())


def _pictures(folder: Path) -> list[Path]:
    return sorted(entry for entry in _visible(folder) if entry.suffix.lower() in PICTURE_ENDINGS)


def _visible(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__"))]
