"""``visa``: Visual Anomaly (Zou et al., ECCV 2022) as its archive unpacks; also ``embedded-a``.

12 categories and a table of what belongs to which split, ``ROOT`` being the folder that holds them::

    ROOT/split_csv/1cls.csv                        columns object, split, label, image, mask
    ROOT/candle/Data/Images/Normal/0000.JPG
    ROOT/candle/Data/Images/Anomaly/000.JPG
    ROOT/candle/Data/Masks/Anomaly/000.png

The table's paths start at ``ROOT``, its labels are "normal" and "anomaly", and only anomalous pictures have a mask. It
names no kind of defect, so the defect of an anomalous picture is "anomaly". Masks number their kinds of defect from 1:
every non-zero value is anomalous. The pictures are not square. A picture that is listed twice counts once. Training
pictures are normal ones: a table of the authors' two-class splits lists anomalous ones too, which are left out.

The copies that the authors' ``prepare_data.py`` makes (``ROOT/candle/test/bad/000.JPG`` with
``ROOT/candle/ground_truth/bad/000.png`` of 1cls, or ``ROOT/candle/ground_truth/test/bad/000.png`` of 2cls_highshot and
2cls_fewshot) are recognised by their ``test/bad`` folders and read with the same names.
"""

import csv
from dataclasses import replace
from pathlib import Path

from ...base.errors import DataError
from ..record import NORMAL, Record
from .folder import category_folders, category_records

TABLE = Path("split_csv/1cls.csv")
COLUMNS = ("object", "split", "label", "image", "mask")
DEFECTS = {"normal": NORMAL, "anomaly": "anomaly"}
SOURCE = "github.com/amazon-science/spot-diff, which holds split_csv too"
LICENCE = "CC BY 4.0"
EXPECTED = (
    f"VisA as unpacked: ROOT/{TABLE.as_posix()} and the pictures it lists, ROOT/CATEGORY/Data/Images/Normal/NNNN.JPG, "
    "ROOT/CATEGORY/Data/Images/Anomaly/NNN.JPG and ROOT/CATEGORY/Data/Masks/Anomaly/NNN.png "
    f"(from {SOURCE}; licence {LICENCE})"
)


def records(root: Path, split: str) -> list[Record]:
    """The pictures that the table lists for one split, grouped by category, whether or not their files exist.

    :raises DataError: there is no table, or it lacks a column, holds an unknown label, or says two things of one
        picture.
    """
    table = root / TABLE
    if not table.is_file():
        if any(root.glob("*/test/bad")):
            return _prepared(root, split)
        deeper = [path.parent.parent for path in root.glob(f"*/{TABLE.as_posix()}")]
        hint = f" Did you mean {deeper[0]}?" if deeper else ""
        raise DataError(f"No {TABLE.as_posix()} in {root}. Expected {EXPECTED}.{hint}")
    rows = [row for row in _rows(table) if row["split"] == split]
    found = [_record(root, row) for row in rows if split == "test" or row["label"] == "normal"]
    return sorted(found, key=lambda record: record.category)


def remarks(root: Path) -> list[str]:
    """What a check is to say of the table: pictures that are listed twice, and anomalous ones for training."""
    table = root / TABLE
    if not table.is_file():
        return []
    rows = _rows(table)
    twice = [row["image"] for row in rows if row["times"] > 1]
    both = {Path(row["image"]) for row in rows if row["split"] == "train"} & {
        Path(row["image"]) for row in rows if row["split"] == "test"
    }
    anomalous = sum(row["split"] != "test" and row["label"] != "normal" for row in rows)
    said = []
    if twice:
        said.append(f"{TABLE.as_posix()} lists {len(twice)} pictures twice, which count once, such as {twice[0]}.")
    if both:
        said.append(f"{TABLE.as_posix()} lists {len(both)} pictures for training and for testing, such as {min(both)}.")
    if anomalous:
        said.append(
            f"{TABLE.as_posix()} lists {anomalous} anomalous pictures for training, which are not read: training "
            "pictures are normal ones, as in the official 1cls.csv."
        )
    return said


def unlisted(root: Path) -> dict[str, str]:
    """Why pictures and masks in the folders of the archive are not read, by the pattern of their places."""
    return {"*/Data/*": f"{TABLE.as_posix()} does not list them"} if (root / TABLE).is_file() else {}


def _rows(table: Path) -> list[dict]:
    """The rows of the table, each once, with how many ``times`` it is there.

    :raises DataError: the table lacks a column, or a row one, is not in UTF-8, holds an unknown label, or says two
        things of one picture.
    """
    with table.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        reader = csv.DictReader(file)
        lacking = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if lacking:
            raise DataError(
                f"{table} lacks the columns {', '.join(lacking)}; expected {', '.join(COLUMNS)}. "
                "Copy the official table from github.com/amazon-science/spot-diff."
            )
        rows = list(reader)
    known: dict[tuple, dict] = {}
    said: dict[Path, tuple] = {}
    for number, row in enumerate(rows, 2):
        if any(row[column] is None for column in COLUMNS) or "\ufffd" in "".join(row[column] for column in COLUMNS):
            raise DataError(
                f"{table}, line {number}: expected {', '.join(COLUMNS)} in UTF-8, got "
                f"{', '.join(str(row[column] or '') for column in COLUMNS)}."
            )
        if row["label"] not in DEFECTS:
            raise DataError(f"{table} labels {row['image']} as {row['label']!r}; expected {' or '.join(DEFECTS)}.")
        image, own = Path(row["image"]), (row["object"], row["label"], row["mask"] if row["label"] == "anomaly" else "")
        if said.setdefault(image, own) != own:
            both = " and as ".join(", ".join(filter(None, what)) for what in (said[image], own))
            raise DataError(f"{table} lists {row['image']} as {both}; expected one category, label and mask a picture.")
        first = known.setdefault((row["split"], image), {**row, "times": 0})
        first["times"] += 1
    return list(known.values())


def _record(root: Path, row: dict) -> Record:
    mask_path = root / row["mask"] if row["mask"] and row["label"] == "anomaly" else None
    return Record(root / row["image"], mask_path, row["object"], DEFECTS[row["label"]])


def _prepared(root: Path, split: str) -> list[Record]:
    return [
        replace(record, defect="anomaly") if record.defect == "bad" else record
        for folder in category_folders(root, EXPECTED)
        for record in category_records(folder, split, mask_names=("{}", "{}_mask"))
    ]
