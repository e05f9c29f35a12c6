"""``folder``: MVTec-like folders in the wild.

``ROOT`` is one category's folder, or a folder of such folders; folders without ``train`` or ``test`` are passed over::

    ROOT/[CATEGORY/]train/good/NAME.EXT
    ROOT/[CATEGORY/]validation/good/NAME.EXT
    ROOT/[CATEGORY/]test/good/NAME.EXT
    ROOT/[CATEGORY/]test/DEFECT/NAME.EXT
    ROOT/[CATEGORY/]ground_truth/DEFECT/NAME_mask.EXT  or  NAME.EXT  or  NAME/*.EXT, which are laid over each other

Pictures have the endings of `tree.PICTURE_ENDINGS` in any letter case, masks those of `tree.MASK_ENDINGS`, and need not
be of one kind: of masks that differ by their ending only, the one with the picture's own is taken. Every folder of
``test`` other than ``good``, in any letter case, names a kind of defect, and each of its pictures needs a mask, or none
has one. ``train`` and ``validation`` are read for normal pictures only. A single category is called what its folder is
called.

Also read, since they say the same: masks in ``ground_truth/test/DEFECT``; pictures in folders of ``good`` or of
``DEFECT``, whose masks lie in folders of the same names or in none; ``DEFECT/rgb`` with ``DEFECT/gt``, as in MVTec
3D-AD, or masks in any other folder of `tree.MASK_FOLDERS` in ``DEFECT``; and ``images/DEFECT`` with ``masks/DEFECT`` in
place of ``test`` and ``ground_truth``. What is not read is named by `check.check_dataset`.
"""

from collections.abc import Sequence
from pathlib import Path

from ...base.errors import DataError
from ..record import NORMAL, Record
from .pairing import paired
from .tree import MASK_FOLDERS, folders, pictures

EXPECTED = (
    "MVTec-like folders: ROOT/[CATEGORY/]train/good/*, ROOT/[CATEGORY/]test/good/*, "
    "ROOT/[CATEGORY/]test/DEFECT/NAME.EXT and ROOT/[CATEGORY/]ground_truth/DEFECT/NAME_mask.EXT or NAME.EXT, or "
    "images/ and masks/ in place of test/ and ground_truth/"
)
MASK_NAMES = ("{}_mask", "{}", "{}/")
SPLIT_FOLDERS = ("train", "test")
NAMELESS = "object"  # a category whose folder is the root of a file system, which has no name


def records(root: Path, split: str) -> list[Record]:
    """The pictures of one split, sorted by category, kind and name.

    :raises DataError: ``root`` holds no category.
    """
    alone = is_category(root) or _has_images(root)
    found = [root] if alone else category_folders(root, EXPECTED, or_images=True)
    return [record for folder in found for record in _any_records(folder, split)]


def category_folders(root: Path, expected: str, *, or_images: bool = False) -> list[Path]:
    """The folders in ``root`` that hold a ``train`` or ``test`` folder, or with ``or_images`` folders of ``images`` and
    of ``masks``.

    :raises DataError: there are none. The message says what was ``expected``, what is there, and which folder nearby
        has the layout.
    """
    found = [folder for folder in folders(root) if is_category(folder) or (or_images and _has_images(folder))]
    if found:
        return found
    if is_category(root):
        hint = f" It is the folder of one category: give its parent, {root.resolve().parent}."
    elif or_images and {"images", "masks"} <= {folder.name for folder in folders(root)}:
        hint = " Pictures that are normal belong into images/good, others into images/DEFECT with masks/DEFECT."
    else:
        deeper = [folder for folder in folders(root) if any(map(is_category, folders(folder)))]
        hint = f" Did you mean {deeper[0]}?" if deeper else ""
    names = sorted(entry.name for entry in root.iterdir())
    holds = f"it holds {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}" if names else "it is empty"
    raise DataError(f"No category folders in {root}: {holds}. Expected {expected}.{hint}")


def category_records(
    folder: Path, split: str, *, normal: str = NORMAL, mask_names: Sequence[str] = MASK_NAMES
) -> list[Record]:
    """The pictures of one category's folder, in which normal ones lie in a folder called ``normal``.

    Which masks are whose is said by `pairing.paired`, with ``mask_names``; where there is none, the record names the
    one that was looked for first, so that whoever checks can say what was expected.
    """
    masks = folder / "ground_truth"
    return _records(folder, folder / split, (masks, masks / split), split == "test", normal, mask_names)


def category_name(folder: Path) -> str:
    """What a category is called: as its folder is, also where the path to it ends in "." or ".."."""
    name = folder.name if folder.name not in ("", "..") else folder.resolve().name
    return name or NAMELESS


def is_category(folder: Path) -> bool:
    """Whether ``folder`` holds the folder of a split, which is not itself a category called "train" or "test"."""
    inside = [folder / split for split in SPLIT_FOLDERS if (folder / split).is_dir()]
    return any(not any((split / name).is_dir() for name in SPLIT_FOLDERS) for split in inside)


def _any_records(folder: Path, split: str) -> list[Record]:
    if is_category(folder):
        return category_records(folder, split)
    if split != "test":
        return []
    return _records(folder, folder / "images", (folder / "masks",), True, NORMAL, MASK_NAMES)


def _has_images(folder: Path) -> bool:
    """Whether ``images`` holds folders of pictures, so that it tells normal ones from others, beside ``masks``."""
    return (folder / "masks").is_dir() and bool(folders(folder / "images"))


def _records(
    folder: Path, top: Path, masks: Sequence[Path], with_defects: bool, normal: str, mask_names: Sequence[str]
) -> list[Record]:
    """The pictures in the folders of ``top``, each a kind, whose masks lie in folders of its name in ``masks``."""
    category, found = category_name(folder), []
    for kind in folders(top):
        if kind.name.lower() in (normal.lower(), NORMAL):  # which names no defect
            found += [Record(path, None, category, NORMAL) for path in pictures(kind)]
        elif with_defects:
            beside = [entry for entry in folders(kind) if entry.name.lower() in MASK_FOLDERS]
            mask_folders = [*beside, *(mask / kind.name for mask in masks)]
            found += _anomalous(kind, category, mask_folders, mask_names)
    return found


def _anomalous(kind: Path, category: str, mask_folders: Sequence[Path], mask_names: Sequence[str]) -> list[Record]:
    paths = pictures(kind)
    found = []
    for path, pairing in zip(paths, paired(paths, kind, mask_folders, mask_names)):
        first, *further = pairing.masks or (_expected(path, mask_folders[0], mask_names[0]),)
        found.append(Record(path, first, category, kind.name, tuple(further), pairing.doubt))
    return found


def _expected(path: Path, folder: Path, name: str) -> Path:
    called = name.format(path.stem)
    return folder / (f"{called}000.png" if name.endswith("/") else f"{called}.png")
