"""``mvtec``: MVTec AD (Bergmann et al., CVPR 2019 and IJCV 2021) as its archive unpacks; also ``embedded-b``.

15 categories, ``ROOT`` being the folder that holds them::

    ROOT/bottle/train/good/000.png
    ROOT/bottle/test/good/000.png
    ROOT/bottle/test/broken_large/000.png
    ROOT/bottle/ground_truth/broken_large/000_mask.png

Pictures are square, 700 to 1024 pixels wide; those of ``grid``, ``screw`` and ``zipper`` are grey. Masks are 0 or 255
and as large as their picture.
"""

from pathlib import Path

from ..record import Record
from .folder import category_folders, category_records

SOURCE = "mvtec.com/company/research/datasets/mvtec-ad"
LICENCE = "CC BY-NC-SA 4.0"
EXPECTED = (
    "MVTec AD as unpacked: ROOT/CATEGORY/train/good/NNN.png, ROOT/CATEGORY/test/good/NNN.png, "
    "ROOT/CATEGORY/test/DEFECT/NNN.png and ROOT/CATEGORY/ground_truth/DEFECT/NNN_mask.png "
    f"(from {SOURCE}, licence {LICENCE})"
)


def records(root: Path, split: str) -> list[Record]:
    """The pictures of one split, sorted by category, kind of defect and name.

    :raises DataError: ``root`` holds no category.
    """
    return [record for folder in category_folders(root, EXPECTED) for record in category_records(folder, split)]
