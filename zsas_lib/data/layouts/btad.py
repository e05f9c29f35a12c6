"""``btad``: beanTech Anomaly Detection (Mishra et al., ISIE 2021) as its archive unpacks; also ``embedded-c``.

Three products, ``ROOT`` being the folder that holds them (``BTech_Dataset_transformed`` in the archive)::

    ROOT/01/train/ok/0000.bmp   ROOT/01/test/ok/0000.bmp   ROOT/01/test/ko/0000.bmp   ROOT/01/ground_truth/ko/0000.png
    ROOT/02/train/ok/0000.png   ROOT/02/test/ok/0000.png   ROOT/02/test/ko/0000.png   ROOT/02/ground_truth/ko/0000.png
    ROOT/03/train/ok/0000.bmp   ROOT/03/test/ok/0000.bmp   ROOT/03/test/ko/0000.bmp   ROOT/03/ground_truth/ko/0000.bmp

Normal pictures are "ok" on disk and "good" here; the one kind of defect is called "ko". Pictures are 1600 x 1600 (01),
600 x 600 (02) and 800 x 600 (03, width x height). Public statistics of the data set count ten blank masks among the
41 of product 03 (0028 to 0037): these pictures are anomalous without an anomalous pixel. The authors' page interchanges
the numbers of pictures of 02 and 03. Copies in which every file was converted to .png are read as well.
"""

from pathlib import Path

from ..record import Record
from .folder import category_folders, category_records

SOURCE = "github.com/pankajmishra000/VT-ADL"
LICENCE = "CC BY-SA 4.0"
EXPECTED = (
    "BTAD as unpacked: ROOT/01/train/ok/NNNN.bmp, ROOT/01/test/ok/NNNN.bmp, ROOT/01/test/ko/NNNN.bmp and "
    "ROOT/01/ground_truth/ko/NNNN.png, likewise 02 and 03 "
    f"(from {SOURCE}, licence {LICENCE})"
)

BLANK = tuple(f"03/ground_truth/ko/{number:04}*" for number in range(28, 38))
"""Masks that are blank as published."""

NORMAL_FOLDER = "ok"
"""What folders of normal pictures are called."""


def records(root: Path, split: str) -> list[Record]:
    """The pictures of one split, sorted by product, kind and name.

    :raises DataError: ``root`` holds no product.
    """
    return [
        record
        for folder in category_folders(root, EXPECTED)
        for record in category_records(folder, split, normal=NORMAL_FOLDER, mask_names=("{}", "{}_mask"))
    ]
