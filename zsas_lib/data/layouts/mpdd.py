"""``mpdd``: Metal Parts Defect Detection (Jezek et al., ICUMT 2021), in the layout of MVTec AD; also ``embedded-d``.

6 categories of 1024 x 1024 pictures, ``ROOT`` being the folder that holds them (``MPDD`` in the archive)::

    ROOT/bracket_black/train/good/000.png
    ROOT/bracket_black/test/good/000.png
    ROOT/bracket_black/test/scratches/000.png
    ROOT/bracket_black/ground_truth/scratches/000_mask.png

All defects of ``tubes`` lie in one folder, ``anomalous``; the paper calls them flattening.
"""

from pathlib import Path

from ..record import Record
from .folder import category_folders, category_records

SOURCE = "github.com/stepanje/MPDD"
LICENCE = "CC BY-NC-SA 4.0"
EXPECTED = (
    "MPDD as unpacked: ROOT/CATEGORY/train/good/NNN.png, ROOT/CATEGORY/test/good/NNN.png, "
    "ROOT/CATEGORY/test/DEFECT/NNN.png and ROOT/CATEGORY/ground_truth/DEFECT/NNN_mask.png "
    f"(from {SOURCE}, licence {LICENCE})"
)


def records(root: Path, split: str) -> list[Record]:
    """The pictures of one split, sorted by category, kind of defect and name.

    :raises DataError: ``root`` holds no category.
    """
    return [record for folder in category_folders(root, EXPECTED) for record in category_records(folder, split)]
