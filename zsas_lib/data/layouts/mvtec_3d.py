"""``mvtec-3d``: the colour pictures of MVTec 3D-AD (Bergmann et al., VISAPP 2022) as its archive unpacks.

10 categories, ``ROOT`` being the folder that holds them (``mvtec_3d_anomaly_detection``)::

    ROOT/bagel/train/good/rgb/000.png        ROOT/bagel/train/good/xyz/000.tiff
    ROOT/bagel/validation/good/rgb/000.png   ROOT/bagel/validation/good/xyz/000.tiff
    ROOT/bagel/test/good/rgb/000.png         ROOT/bagel/test/good/xyz/000.tiff     ROOT/bagel/test/good/gt/000.png
    ROOT/bagel/test/crack/rgb/000.png        ROOT/bagel/test/crack/xyz/000.tiff    ROOT/bagel/test/crack/gt/000.png

``rgb`` is read, with the masks of ``gt``, which are blank in ``good``. ``xyz``, the places in space of all pixels, is
not read: models here see colours only, and what shows in depth alone they cannot find.
"""

from pathlib import Path

from ..record import Record
from .folder import category_folders, category_records

SOURCE = "mvtec.com/company/research/datasets/mvtec-3d-ad"
LICENCE = "CC BY-NC-SA 4.0"
EXPECTED = (
    "MVTec 3D-AD as unpacked: ROOT/CATEGORY/train/good/rgb/NNN.png, ROOT/CATEGORY/validation/good/rgb/NNN.png, "
    "ROOT/CATEGORY/test/good/rgb/NNN.png, ROOT/CATEGORY/test/DEFECT/rgb/NNN.png and "
    f"ROOT/CATEGORY/test/DEFECT/gt/NNN.png (from {SOURCE}, licence {LICENCE})"
)
BESIDE = ("*/*/*/xyz/*", "*/test/good/gt/*")
"""What belongs to the data set and is not read."""


def records(root: Path, split: str) -> list[Record]:
    """The pictures of one split, sorted by category, kind of defect and name.

    :raises DataError: ``root`` holds no category.
    """
    return [
        record
        for folder in category_folders(root, EXPECTED)
        for record in category_records(folder, split, mask_names=("{}",))
    ]
