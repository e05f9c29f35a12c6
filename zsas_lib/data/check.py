"""Comparing a data set on disk with the official one: how many pictures of each kind, masks, readability.

``official_counts.csv`` (columns dataset, category, split, kind, count) was established as follows.

=====  ==========================================================================================================
mvtec  Counted in the file lists that UniAS (github.com/Mwxinnn/UniAS, ``data/MVTec-AD``) publishes for the official
       archive; the test part agrees with AA-CLIP's list and the training part with VCP-CLIP's. 3,629 training pictures,
       467 normal and 1,258 anomalous test pictures, the totals of the paper.
visa   Counted in the official ``split_csv/1cls.csv``: 8,659, 962 and 1,200.
btad   Counted in the per-picture statistics of github.com/dataset-ninja/btad; the test part agrees with AA-CLIP's list
       (github.com/Mwxinnn/AA-CLIP, ``dataset/metadata``). 1,799, 451 and 290.
mpdd   Test: counted in AA-CLIP's list. Training: an inventory that a public repository took from the archive's
       directory, whose test part agrees with that list. 888, 176 and 282.
=====  ==========================================================================================================
"""

import csv
from collections import Counter
from importlib.resources import files
from os import PathLike
from typing import NamedTuple

import pandas as pd
from PIL import Image

from ..base.errors import DataError
from .dataset import NORMAL, Record, missing_files, read_sample
from .registry import SPLITS, located

COLUMNS = ["category", "split", "kind", "expected", "found", "without_mask", "verdict"]


class _Part(NamedTuple):
    category: str
    split: str
    kind: str

    @property
    def rank(self) -> tuple:
        return self.category, self.split == "test", self.kind != NORMAL, self.kind


def check_dataset(name: str, root: str | PathLike | None = None, *, decode: bool = False) -> pd.DataFrame:
    """Compare the data set in ``root`` with the official one; incomplete ones are what this is for.

    :param decode: also read every picture and mask in full, which finds truncated ones (minutes for a large data set).
        Otherwise only the sizes of anomalous pictures and their masks are compared.
    :returns: one row per category, split ("train" or "test") and kind ("good" or a kind of defect): the official count
        (``expected``, missing where there is none, as for ``folder``), the pictures ``found``, how many of these lack
        their mask, and a ``verdict``, which is "complete" or "present" (nothing official to compare with) or says what
        is wrong. ``.attrs["problems"]`` lists, one sentence each, everything that is missing or unreadable
        (for kinds that are missing altogether, not each picture).
    :raises UnknownNameError: unknown data set.
    :raises DataError: there is no folder, or nothing in it has the expected layout.
    """
    layout, root = located(name, root)
    official = _official_counts(name)
    found, without_mask = Counter(), Counter()
    absent, problems = [], []
    for split in SPLITS:
        for record in layout.records(root, split):
            part = _Part(record.category, split, record.defect)
            pictures, masks = missing_files(root, [record])
            if pictures:
                absent.append((part, f"Missing picture: {pictures[0]}."))
            else:
                found[part] += 1
                without_mask[part] += len(masks)
                problems += [f"Missing mask: {line}." for line in masks] or _misfits(record, decode)
    rows = [
        (*part, official.get(part), found[part], without_mask[part], _verdict(part, official, found, without_mask))
        for part in sorted(official.keys() | found.keys(), key=lambda part: part.rank)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"expected": "Int64"})
    absent_singly = [line for part, line in absent if found[part]]
    table.attrs["problems"] = _shortfalls(official, found) + absent_singly + problems
    return table


def _official_counts(name: str) -> dict[_Part, int]:
    with files(__package__).joinpath("tables", "official_counts.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["dataset"] == name]
    return {_Part(row["category"], row["split"], row["kind"]): int(row["count"]) for row in rows}


def _verdict(part: _Part, official: dict[_Part, int], found: Counter, without_mask: Counter) -> str:
    wrong = []
    surplus = found[part] - official.get(part, 0)
    if official and part not in official:
        wrong.append("not in the official data set")
    elif official and surplus:
        wrong.append(f"{surplus} too many" if surplus > 0 else f"{-surplus} missing")
    if without_mask[part]:
        wrong.append(f"{without_mask[part]} without mask")
    return ", ".join(wrong) or ("complete" if official else "present")


def _shortfalls(official: dict[_Part, int], found: Counter) -> list[str]:
    present = {part.category for part in found}
    absent = sorted({part.category for part in official} - present)
    return [f"Category {category} is missing altogether." for category in absent] + [
        f"{part.category}/{part.split}/{part.kind}: {found[part]} of {count} pictures."
        for part, count in official.items()
        if part.category in present and found[part] < count
    ]


def _misfits(record: Record, decode: bool) -> list[str]:
    if decode or _doubtful(record):
        try:
            read_sample(record)
        except DataError as error:
            return [str(error)]
    return []


def _doubtful(record: Record) -> bool:
    if record.mask_path is None:
        return False
    try:
        with Image.open(record.path) as picture, Image.open(record.mask_path) as mask:
            return picture.size != mask.size
    except (OSError, SyntaxError):
        return True
