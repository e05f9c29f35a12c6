"""Comparing a data set on disk with the official one: pictures of each kind, masks, readability, what is not read."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from os import PathLike
from pathlib import Path

import pandas as pd

from ..base.errors import DataError
from . import official
from .copies import repeated
from .dataset import read_sample
from .extreme_masks import extreme
from .masks import mask_size
from .official import Part
from .pictures import upright_size
from .record import NORMAL, Record, below, masked, missing_files, such_a_mask
from .registry import SPLITS, DatasetRecord, dataset_record, located
from .unread import unread

COLUMNS = ["category", "split", "kind", "expected", "found", "without_mask", "verdict"]


def check_dataset(name: str, root: str | PathLike | None = None, *, decode: bool = False) -> pd.DataFrame:
    """Compare the data set in ``root`` with the official one; incomplete ones are what this is for.

    :param decode: also read every picture and mask in full, which finds truncated ones (minutes for a large data set).
        Otherwise only the sizes of anomalous pictures and their masks are compared.
    :returns: one row per category, split ("train", "validation" or "test") and kind ("good" or a kind of defect): the
        official count (``expected``, missing where there is none, as for ``folder``), the pictures ``found``, how many
        of these lack their mask, and a ``verdict``, which is "complete" or "present" (nothing official to compare with)
        or says what is wrong. ``.attrs["problems"]`` lists, one sentence each, everything that is missing or unreadable
        (for kinds that are missing altogether, not each picture), masks of anomalous pictures that are blank or full,
        categories of a data set without official counts that lack test pictures of either kind, what is there twice
        (see `copies.repeated`), and what is there and not read (see `unread.unread`); it is never empty where no
        picture was found.
    :raises UnknownNameError: unknown data set.
    :raises DataError: there is no folder, or nothing in it has the expected layout.
    """
    root = located(name, root)
    known = dataset_record(name)
    layout, published = known.layout, official.counts(name)
    listed = {split: layout.records(root, split) for split in SPLITS}
    found, without_mask = Counter(), Counter()
    absent, problems = [], []
    for split, records in listed.items():
        if (maskless := not masked(records)) and any(record.path.is_file() for record in records):
            problems.append(_no_masks(records, root))
        for record in records:
            part = Part(record.category, split, record.defect)
            pictures, masks = missing_files(root, [record])
            if pictures:
                absent.append((part, f"Missing picture: {pictures[0]}."))
            else:
                found[part] += 1
                without_mask[part] += len(masks)
                missing = [f"Missing mask: {line}." for line in masks if not maskless]
                problems += missing or _misfits(record, decode) or _extremes(record, root, known)
    rows = [
        (*part, published.get(part), found[part], without_mask[part], _verdict(part, published, found, without_mask))
        for part in sorted(published.keys() | found.keys(), key=_rank)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"expected": "Int64"})
    absent_singly = [line for part, line in absent if found[part]]
    nothing = [] if found.total() else [f"No pictures in {root}. Expected {layout.EXPECTED}."]
    every = [record for records in listed.values() for record in records]
    remarks = layout.remarks(root) if hasattr(layout, "remarks") else []
    read = [path for record in every for path in (record.path, *record.mask_paths)]
    beside, normal = getattr(layout, "BESIDE", ()), getattr(layout, "NORMAL_FOLDER", NORMAL)
    reasons = layout.unlisted(root) if hasattr(layout, "unlisted") else {}
    table.attrs["problems"] = [
        *nothing,
        *_shortfalls(published, found),
        *absent_singly,
        *problems,
        *remarks,
        *(line for records in listed.values() for line in repeated(records, root, decode=decode)),
        *unread(root, read, beside, reasons, normal),
        *([] if published else _one_sided(found)),
    ]
    return table


def _rank(part: Part) -> tuple:
    return part.category, SPLITS.index(part.split), part.kind != NORMAL, part.kind


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


def _no_masks(records: Sequence[Record], root: Path) -> str:
    count = sum(record.is_anomalous for record in records)
    return f"None of {count} anomalous pictures has a mask{such_a_mask(records, root)}: image-level numbers only."


def _misfits(record: Record, decode: bool) -> list[str]:
    if decode or _doubtful(record):
        try:
            read_sample(_alone(record), needs_mask=False)
        except DataError as error:
            return [str(error)]
    return []


def _alone(record: Record) -> Record:
    """The picture without its masks where none of them is there: of a data set without any, which may be."""
    there = any(path.is_file() for path in record.mask_paths)
    return record if there or record.doubt else replace(record, mask_path=None, further_masks=())


def _one_sided(found: Counter) -> list[str]:
    """Of categories that nobody published, what a score cannot be judged by."""
    lines = []
    for category in dict.fromkeys(part.category for part in found):
        tested = [part for part in found if (part.category, part.split) == (category, "test") and found[part]]
        if not tested:
            lines.append(f"Category {category} has no test pictures: nothing can be evaluated.")
        elif len({part.kind == NORMAL for part in tested}) == 1:
            missing = "anomalous" if tested[0].kind == NORMAL else "normal"
            lines.append(f"Category {category} has no {missing} test pictures: no score can tell both kinds apart.")
    return lines


def _doubtful(record: Record) -> bool:
    if record.doubt or not record.mask_paths or not all(path.is_file() for path in record.mask_paths):
        return False
    try:
        return len({upright_size(record.path), *map(mask_size, record.mask_paths)}) > 1
    except DataError:
        return True


def _extremes(record: Record, root: Path, known: DatasetRecord) -> list[str]:
    """A sentence where the mask of an anomalous picture is blank or full, unless it was published so."""
    if record.doubt or not (record.is_anomalous and record.mask_path and record.mask_path.is_file()):
        return []
    try:
        kind = extreme(record, known.mask_rule)
    except DataError as error:
        return [str(error)]
    place = below(record.mask_path, root)
    if not kind or any(fnmatchcase(place, pattern) for pattern in getattr(known.layout, "BLANK", ())):
        return []
    return [f"The mask {place} of an anomalous picture is {kind}."]
