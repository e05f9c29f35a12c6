"""Data sets: finding them on disk and reading them in their official layouts.

To add a data set, write a module with a function ``records(root, split)`` and a text ``EXPECTED`` that says its layout
and where to get it, and enter it in `LAYOUTS`.
"""

import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from types import ModuleType

from ..base.errors import DataError, UnknownNameError
from .cache import cache_folder
from .dataset import AnomalyDataset, Batch, Record, Sample, require_files
from .layouts import btad, folder, mpdd, mvtec, visa

__all__ = [
    "LAYOUTS",
    "SPLITS",
    "AnomalyDataset",
    "Batch",
    "Record",
    "Sample",
    "cache_folder",
    "list_datasets",
    "load_dataset",
    "located",
]

LAYOUTS: dict[str, ModuleType] = {
    "mvtec": mvtec,
    "visa": visa,
    "btad": btad,
    "mpdd": mpdd,
    "folder": folder,
    "embedded-a": visa,
    "embedded-b": mvtec,
}
SPLITS = ("train", "test")
DATA_VARIABLE = "ZSAS_DATA"


def list_datasets() -> list[str]:
    """The names that `load_dataset` knows."""
    return list(LAYOUTS)


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
    """
    layout, root = located(name, root)
    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    records = layout.records(root, split)
    if not records:
        raise DataError(f"No {split} pictures in {root}. Expected {layout.EXPECTED}.")
    dataset = AnomalyDataset(name, root, records, image_size, aspect)
    if categories is not None:
        dataset = dataset.select([categories] if isinstance(categories, str) else categories)
    require_files(dataset)
    return dataset


def located(name: str, root: str | PathLike | None = None) -> tuple[ModuleType, Path]:
    """The module that reads this data set's layout, and the data set's folder.

    :raises UnknownNameError: unknown data set.
    :raises DataError: no folder was given, or there is none.
    """
    if name not in LAYOUTS:
        raise UnknownNameError("data set", name, LAYOUTS)
    layout = LAYOUTS[name]
    if root is None and name.startswith("embedded-"):
        from .embedded import written

        root = written(name)
    elif root is None and DATA_VARIABLE in os.environ:
        root = Path(os.environ[DATA_VARIABLE]) / name
    if root is None:
        raise DataError(
            f"Data set {name!r} needs root=FOLDER, the folder that holds it, or ${DATA_VARIABLE}, one that holds {name}/. "
            f"Expected {layout.EXPECTED}."
        )
    root = Path(root).expanduser()
    if not root.is_dir():
        came = "a file" if root.exists() else "nothing"
        remedy = "Leave root out to have it made." if name.startswith("embedded-") else "Unpack it and pass its folder."
        raise DataError(
            f"No folder {root} for data set {name!r}: there is {came}. Expected {layout.EXPECTED}. {remedy}"
        )
    return layout, root
