"""Reading a data set by its name."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

from ..base.errors import DataError, UnknownNameError
from .copies import converted
from .dataset import AnomalyDataset, require_files
from .extreme_masks import warn_of_extremes
from .record import Record, below, masked, such_a_mask
from .registry import SPLITS, dataset_record, located


def load_dataset(
    name: str,
    root: str | PathLike | None = None,
    *,
    categories: str | Sequence[str] | None = None,
    split: str = "test",
    image_size: int | None = None,
    aspect: str = "squash",
    mask_rule: str | None = None,
) -> AnomalyDataset:
    """A data set whose pictures are read when asked for. That all its files exist is checked here, and every mask is
    looked at (some 5 ms each): one warning names those of anomalous pictures that are blank or full.

    Where no anomalous picture has a mask, there are image-level numbers only, which a warning says; see
    `AnomalyDataset.has_masks`.

    :param name: one of `list_datasets`.
    :param root: folder of the data set. Where it is None, that is the folder of the data set's name in $ZSAS_DATA; the
        embedded ones are made in the cache folder.
    :param categories: those to read, in the data set's own order; None reads every one that is there.
    :param split: "test", or "train" or "validation" (normal pictures only).
    :param image_size: None keeps each picture's own size; see `AnomalyDataset`.
    :param aspect: "squash" to a square, or "keep" the aspect with ``image_size`` as the shorter side.
    :param mask_rule: which levels of a mask are anomalous where it has more than one: "half-maximum" (of each region),
        "half-of-file" or "nonzero", see `data.masks`. None takes the data set's own, "nonzero" for VisA, whose levels
        number kinds of defects, and else "half-maximum".
    :raises UnknownNameError: unknown data set, category, split, aspect or mask rule.
    :raises DataError: the folder is missing, empty or laid out otherwise, or holds other products than the embedded
        data set that it is called; a listed picture or the mask of an anomalous one is missing, or one mask may be that
        of two. The message says where it looked, what it expected and where to get it. A converted copy of a normal
        picture beside its original is warned of (`copies.converted`); of all else that is there twice, or is not read,
        `check.check_dataset` tells.

    >>> dataset = zsas.load_dataset("embedded-b", image_size=144)
    >>> dataset[0].image.shape, dataset[0].is_anomalous
    (torch.Size([3, 144, 144]), True)
    """
    root = located(name, root)
    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    known = dataset_record(name)
    layout = known.layout
    records = layout.records(root, split)
    if not records:
        raise DataError(f"No {split} pictures in {root}. Expected {layout.EXPECTED}.")
    if known.embedded:
        _require_embedded(name, root, records)
    has_masks, listed = masked(records), records
    if not has_masks:
        records = [replace(record, mask_path=None, further_masks=()) for record in records]
    rule = known.mask_rule if mask_rule is None else mask_rule
    dataset = AnomalyDataset(name, root, records, image_size, aspect, rule)
    if categories is not None:
        dataset = dataset.select(categories)
    require_files(dataset, masks=has_masks)
    if not has_masks:
        count = sum(record.is_anomalous for record in listed)
        warnings.warn(
            f"Data set {name!r} in {root} has no pixel masks: none of its {count} anomalous pictures has "
            f"one{such_a_mask(listed, root)}. Image-level numbers can be had; pixel-level ones are nan, and training "
            "and searches are refused.",
            stacklevel=2,
        )
    if copies := converted(record for record in dataset.records if not record.is_anomalous):
        named = ", ".join(" and ".join(below(path, root) for path in pair) for pair in copies[:3])
        warnings.warn(
            f"{len(copies)} pictures of data set {name!r} in {root} look the same as another of their name in another "
            f"format and count twice: {named}. Keep one of each.",
            stacklevel=2,
        )
    warn_of_extremes(name, root, dataset.records, dataset.mask_rule)
    return dataset


def _require_embedded(name: str, root: Path, records: Sequence[Record]) -> None:
    from .embedded.catalogue import PRODUCTS

    if strange := sorted({record.category for record in records} - {*PRODUCTS}):
        raise DataError(
            f"{root} is no copy of the embedded data set {name!r}: it holds {', '.join(strange[:5])}. Name the data "
            "set that it is; pictures of your own in folders are the data set 'folder'."
        )
