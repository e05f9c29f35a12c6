"""The data sets that the library knows, one record each, and where they lie on disk. Needs no torch.

To add one, write a module in ``layouts`` with a function ``records(root, split)`` and a text ``EXPECTED`` that says its
layout, and enter a record of it in `DATASETS`. It may have a tuple ``BESIDE`` of patterns of files that belong to the
data set and are not read, another, ``BLANK``, of patterns of masks that are blank as published, a text
``NORMAL_FOLDER``, what folders of normal pictures are called if not "good", and for a check functions
``remarks(root)``, with sentences to say, and ``unlisted(root)``, with reasons, by patterns of files, why some are not
read. All else that is to be known of a data set is read from its record.
"""

import os
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import ModuleType

from ..base.errors import DataError, UnknownNameError
from ..base.places import expanded
from .layouts import btad, folder, mpdd, mvtec, mvtec_3d, mvtec_loco, visa

SPLITS = ("train", "validation", "test")
DATA_VARIABLE = "ZSAS_DATA"


@dataclass(frozen=True)
class DatasetRecord:
    """What is known of a data set.

    :param name: as `load_dataset` takes it, and :param label: as the papers write it.
    :param layout: the module that reads its official layout.
    :param family: the data set, by its name in the papers' tables, whose printed numbers a page may show beside this
        one's; None where nothing is printed. Where this data set only takes that one's place, `stand_in` is True.
    :param auxiliary: the data set that models learn from which are tested on this one, None where there is none.
    :param licence: of the pictures, and :param source: where to get them.
    :param download_gb: size of the archive, and :param disk_gb: of the folder it unpacks to, about; 0 where the data
        set is not downloaded or nobody measured it.
    :param embedded: the library makes it itself, in the cache folder, when it is first asked for.
    :param names_defects: whether its layout tells kinds of defects apart.
    :param mask_rule: which levels of its masks are anomalous, one of `masks.MASK_RULES`.
    """

    name: str
    label: str
    layout: ModuleType
    family: str | None = None
    auxiliary: str | None = None
    licence: str = ""
    source: str = ""
    download_gb: float = 0.0
    disk_gb: float = 0.0
    embedded: bool = False
    names_defects: bool = True
    mask_rule: str = "half-maximum"

    @property
    def stand_in(self) -> bool:
        """Whether it takes the place of its family where that is not at hand, and cannot be compared with it."""
        return self.embedded


DATASETS: dict[str, DatasetRecord] = {
    record.name: record
    for record in (
        DatasetRecord(
            "mvtec",
            "MVTec AD",
            mvtec,
            family="MVTec-AD",
            auxiliary="visa",
            licence=mvtec.LICENCE,
            source=mvtec.SOURCE,
            download_gb=4.9,
            disk_gb=5.1,
        ),
        DatasetRecord(
            "visa",
            "VisA",
            visa,
            family="VisA",
            auxiliary="mvtec",
            licence=visa.LICENCE,
            source=visa.SOURCE,
            download_gb=1.9,
            disk_gb=2.0,
            names_defects=False,
            mask_rule="nonzero",
        ),
        DatasetRecord(
            "btad",
            "BTAD",
            btad,
            family="BTAD",
            auxiliary="visa",
            licence=btad.LICENCE,
            source=btad.SOURCE,
            download_gb=1.9,
            disk_gb=2.0,
        ),
        DatasetRecord(
            "mpdd",
            "MPDD",
            mpdd,
            family="MPDD",
            auxiliary="visa",
            licence=mpdd.LICENCE,
            source=mpdd.SOURCE,
            download_gb=1.8,
            disk_gb=2.0,
        ),
        DatasetRecord(
            "mvtec-loco",
            "MVTec LOCO AD",
            mvtec_loco,
            auxiliary="visa",
            licence=mvtec_loco.LICENCE,
            source=mvtec_loco.SOURCE,
            mask_rule="nonzero",
        ),
        DatasetRecord(
            "mvtec-3d",
            "MVTec 3D-AD",
            mvtec_3d,
            auxiliary="visa",
            licence=mvtec_3d.LICENCE,
            source=mvtec_3d.SOURCE,
        ),
        DatasetRecord("folder", "own folder", folder, licence="its owner's"),
        DatasetRecord(
            "embedded-a",
            "embedded A",
            visa,
            family="VisA",
            auxiliary="embedded-b",
            licence="MIT",
            embedded=True,
            names_defects=False,
            mask_rule="nonzero",
        ),
        DatasetRecord(
            "embedded-b",
            "embedded B",
            mvtec,
            family="MVTec-AD",
            auxiliary="embedded-a",
            licence="MIT",
            embedded=True,
        ),
        DatasetRecord(
            "embedded-c",
            "embedded C",
            btad,
            family="BTAD",
            auxiliary="embedded-a",
            licence="MIT",
            embedded=True,
            names_defects=False,
        ),
        DatasetRecord(
            "embedded-d",
            "embedded D",
            mpdd,
            family="MPDD",
            auxiliary="embedded-a",
            licence="MIT",
            embedded=True,
        ),
    )
}


def list_datasets() -> list[str]:
    """The names that `load_dataset` knows.

    >>> "embedded-b" in zsas.list_datasets()
    True
    """
    return list(DATASETS)


def dataset_record(name: str) -> DatasetRecord:
    """What is known of the data set of this name. Raises UnknownNameError for an unknown one."""
    if name not in DATASETS:
        raise UnknownNameError("data set", name, DATASETS)
    return DATASETS[name]


def auxiliary_name(dataset: str) -> str:
    """The data set that models are trained on which are tested on ``dataset``: the papers', VisA for all but VisA
    itself, and so for the embedded ones. Raises UnknownNameError for a data set without one.

    >>> zsas.auxiliary_name("mvtec"), zsas.auxiliary_name("visa")
    ('visa', 'mvtec')
    """
    known = {name: record.auxiliary for name, record in DATASETS.items() if record.auxiliary}
    if dataset not in known:
        raise UnknownNameError("data set with an auxiliary one", dataset, known)
    return known[dataset]


def located(name: str, root: str | PathLike | None = None) -> Path:
    """The folder of a data set: ``root``, or else the folder of its name in $ZSAS_DATA; an embedded one is made in the
    cache folder.

    :raises UnknownNameError: unknown data set.
    :raises DataError: no folder was given, or there is none.
    """
    record = dataset_record(name)
    if root is None and record.embedded:
        from .embedded import written

        root = written(name)
    elif root is None and DATA_VARIABLE in os.environ:
        root = Path(os.environ[DATA_VARIABLE]) / name
    if root is None:
        raise DataError(
            f"Data set {name!r} needs root=FOLDER, the folder that holds it, or ${DATA_VARIABLE}, one that holds "
            f"{name}/. Expected {record.layout.EXPECTED}."
        )
    root = expanded(Path(root))
    if not root.is_dir():
        came = "a file" if root.exists() else "nothing"
        remedy = "Leave root out to have it made." if record.embedded else "Unpack it and pass its folder."
        raise DataError(
            f"No folder {root} for data set {name!r}: there is {came}. Expected {record.layout.EXPECTED}. {remedy}"
        )
    return root
