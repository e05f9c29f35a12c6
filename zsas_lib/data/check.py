"""Comparing a data set on disk with the official one: how many pictures of each kind, masks, readability."""

from collections import Counter
from collections.abc import Mapping
from os import PathLike

import pandas as pd
from PIL import Image

from ..base.errors import DataError
from . import official
from .dataset import read_sample
from .official import Part
from .record import NORMAL, Record, missing_files
from .registry import SPLITS, dataset_record, located

COLUMNS = ["category", "split", "kind", "expected", "found", "without_mask", "verdict"]


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
    root = located(name, root)
    published = official.counts(name)
    found, without_mask = Counter(), Counter()
    absent, problems = [], []
    for split in SPLITS:
        for record in dataset_record(name).layout.records(root, split):
            part = Part(record.category, split, record.defect)
            pictures, masks = missing_files(root, [record])
            if pictures:
                absent.append((part, f"Missing picture: {pictures[0]}."))
            else:
                found[part] += 1
                without_mask[part] += len(masks)
                problems += [f"Missing mask: {line}." for line in masks] or _misfits(record, decode)
    rows = [
        (*part, published.get(part), found[part], without_mask[part], _verdict(part, published, found, without_mask))
        for part in sorted(published.keys() | found.keys(), key=_rank)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"expected": "Int64"})
    absent_singly = [line for part, line in absent if found[part]]
    table.attrs["problems"] = _shortfalls(published, found) + absent_singly + problems
    return table


def _rank(part: Part) -> tuple:
    return part.category, part.split == "test", part.kind != NORMAL, part.kind


def _verdict(part: Part, published: Mapping[Part, int], found: Counter, without_mask: Counter) -> str:
    wrong = []
    surplus = found[part] - published.get(part, 0)
    if published and part not in published:
        wrong.append("not in the official data set")
    elif published and surplus:
        wrong.append(f"{surplus} too many" if surplus > 0 else f"{-surplus} missing")
    if without_mask[part]:
        wrong.append(f"{without_mask[part]} without mask")
    return ", ".join(wrong) or ("complete" if published else "present")


def _shortfalls(published: Mapping[Part, int], found: Counter) -> list[str]:
    present = {part.category for part in found}
    absent = sorted({part.category for part in published} - present)
    return [f"Category {category} is missing altogether." for category in absent] + [
        f"{part.category}/{part.split}/{part.kind}: {found[part]} of {count} pictures."
        for part, count in published.items()
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
