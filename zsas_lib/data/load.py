"""Reading a data set by its name."""

import warnings
from collections.abc import Sequence
from os import PathLike

from ..base.errors import DataError, UnknownNameError
from .copies import converted
from .dataset import AnomalyDataset, require_files
from .record import below
from .registry import SPLITS, dataset_record, located


def load_dataset(
    name: str,
    root: str | PathLike | None = None,
    *,
    categories: str | Sequence[str] | None = None,
    split: str = "test",
    image_size: int | None = None,
    aspect: str = "squash",
) -> AnomalyDataset:
    """A data set whose pictures are read when asked for. That all its files exist is checked here.

    :param name: one of `list_datasets`.
    :param root: folder of the data set. Where it is None, that is the folder of the data set's name in $ZSAS_DATA; the
        embedded ones are made in the cache folder.
    :param categories: those to read, in the data set's own order; None reads every one that is there.
    :param split: "test", or "train" or "validation" (normal pictures only).
    :param image_size: None keeps each picture's own size; see `AnomalyDataset`.
    :param aspect: "squash" to a square, or "keep" the aspect with ``image_size`` as the shorter side.
    :raises UnknownNameError: unknown data set, category, split or aspect.
    :raises DataError: the folder is missing, empty or laid out otherwise; a listed picture or the mask of an anomalous
        one is missing, or one mask may be that of two. The message says where it looked, what it expected and where to
        get it. A converted copy of a normal picture beside its original is warned of (`copies.converted`); of all else
        that is there twice, or is not read, `check.check_dataset` tells.

    >>> dataset = zsas.load_dataset("embedded-b", image_size=144)
    >>> dataset[0].image.shape, dataset[0].is_anomalous
    (torch.Size([3, 144, 144]), True)
    """
    root = located(name, root)
    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    layout = dataset_record(name).layout
    records = layout.records(root, split)
    if not records:
        raise DataError(f"No {split} pictures in {root}. Expected {layout.EXPECTED}.")
    dataset = AnomalyDataset(name, root, records, image_size, aspect)
    if categories is not None:
        dataset = dataset.select([categories] if isinstance(categories, str) else categories)
    require_files(dataset)
    if copies := converted(record for record in dataset.records if not record.is_anomalous):
        named = ", ".join(" and ".join(below(path, root) for path in pair) for pair in copies[:3])
        warnings.warn(
            f"{len(copies)} pictures of data set {name!r} in {root} look the same as another of their name in another "
            f"format and count twice: {named}. Keep one of each.",
            stacklevel=2,
        )
    return dataset
