"""Reading a data set by its name."""

from collections.abc import Sequence
from os import PathLike

from ..base.errors import DataError, UnknownNameError
from .dataset import AnomalyDataset, require_files
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
    :param split: "test" or "train" (normal pictures only).
    :param image_size: None keeps each picture's own size; see `AnomalyDataset`.
    :param aspect: "squash" to a square, or "keep" the aspect with ``image_size`` as the shorter side.
    :raises UnknownNameError: unknown data set, category, split or aspect.
    :raises DataError: the folder is missing, empty or laid out otherwise; a listed picture or the mask of an anomalous
        one is missing. The message says where it looked, what it expected and where to get it.

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
    return dataset
