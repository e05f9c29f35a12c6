"""``mvtec-loco``: MVTec LOCO AD (Bergmann et al., IJCV 2022) as its archive unpacks.

5 categories whose pictures break rules of logic ("logical_anomalies", such as a missing part) or are damaged
("structural_anomalies"), ``ROOT`` being the folder that holds them (``mvtec_loco_anomaly_detection``)::

    ROOT/pushpins/train/good/000.png
    ROOT/pushpins/validation/good/000.png
    ROOT/pushpins/test/good/000.png
    ROOT/pushpins/test/logical_anomalies/000.png
    ROOT/pushpins/ground_truth/logical_anomalies/000/000.png   (001.png, ... where a picture has several defects)
    ROOT/pushpins/defects_config.json

Each picture has a folder of masks, one mask a defect, whose value tells the kind of defect (``defects_config.json``);
here a pixel is anomalous where it is in any of them. The authors' own metric, sPRO, lets each defect be found by a part
of it that ``defects_config.json`` sets, because where something is missing has no one place; it is not computed here.
Pictures are 800 to 1700 pixels wide and not square.
"""

from pathlib import Path

from ..record import Record
from .folder import category_folders, category_records

SOURCE = "mvtec.com/company/research/datasets/mvtec-loco"
LICENCE = "CC BY-NC-SA 4.0"
EXPECTED = (
    "MVTec LOCO AD as unpacked: ROOT/CATEGORY/train/good/NNN.png, ROOT/CATEGORY/validation/good/NNN.png, "
    "ROOT/CATEGORY/test/good/NNN.png, ROOT/CATEGORY/test/DEFECT/NNN.png and "
    "ROOT/CATEGORY/ground_truth/DEFECT/NNN/000.png, 001.png, ..., DEFECT being logical_anomalies or "
    f"structural_anomalies (from {SOURCE}, licence {LICENCE})"
)


def records(root: Path, split: str) -> list[Record]:
    """The pictures of one split, sorted by category, kind of defect and name.

    :raises DataError: ``root`` holds no category.
    """
    return [
        record
        for folder in category_folders(root, EXPECTED)
        for record in category_records(folder, split, mask_names=("{}/",))
    ]
