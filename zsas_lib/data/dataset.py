"""Pictures and their masks: listed as records, read one by one as samples, grouped into batches.

Conventions of the library: pictures are RGB float32 in [0, 1], masks are bool and True where anomalous; how files
become these, `pictures` and `masks` say. A picture and its mask must have the same size. Of several masks of one
picture, a pixel in any is anomalous.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resize

from ..base.errors import DataError, UnknownNameError
from ..base.options import is_whole, listed, plain
from .masks import MASK_RULES, check_rule, read_mask
from .pictures import read_image
from .record import Record, first, missing_files, row_name

ASPECTS = ("squash", "keep")

_CLOCK_GRAIN_NS = 2_000_000_000

FileState = tuple[str, int, int, int]

KEPT_BYTES = 400 * 2**20
"""Of pictures in memory, in `read_once`."""

_kept: "dict[tuple, Sample] | None" = None
_content_digests: dict[FileState | None, str] = {}


@dataclass(frozen=True)
class Sample:
    """One picture, RGB in [0, 1], with its mask (True where anomalous; all False for a normal picture)."""

    image: Float[Tensor, "3 height width"]
    mask: Bool[Tensor, "height width"]
    is_anomalous: bool
    category: str
    defect: str
    path: Path


@dataclass(frozen=True)
class Batch:
    """Samples of one category and one size, stacked; see `Sample` for the conventions."""

    images: Float[Tensor, "batch 3 height width"]
    masks: Bool[Tensor, "batch height width"]
    is_anomalous: Bool[Tensor, " batch"]
    categories: list[str]
    defects: list[str]
    paths: list[Path]


class AnomalyDataset(Dataset):
    """The pictures of a data set, read when asked for.

    :param name: name of the data set, for tables and messages.
    :param root: folder that the records lie under.
    :param records: what there is to read, in order.
    :param image_size: None keeps each picture's own size; S resizes pictures (bicubic, antialiased, clamped to
        [0, 1]) and masks (nearest pixel).
    :param aspect: "squash" makes S x S of any picture, "keep" makes the shorter side S.
    :param mask_rule: which levels of a mask are anomalous, one of `masks.MASK_RULES`.
    :raises DataError: there is no record.
    :raises UnknownNameError: ``aspect`` or ``mask_rule`` is none of the known ones.
    :raises ValueError: ``image_size`` is below 1.

    >>> dataset = zsas.load_dataset("embedded-b", image_size=144)
    >>> dataset = dataset.select(["ceramic_ring"], per_category=4)
    >>> len(dataset), [len(batch.images) for batch in dataset.batches(3)]
    (4, [3, 1])
    """

    def __init__(
        self,
        name: str,
        root: Path,
        records: Sequence[Record],
        image_size: int | None = None,
        aspect: str = "squash",
        mask_rule: str = MASK_RULES[0],
    ):
        if not records:
            raise DataError(f"Data set {name!r} at {root} has no pictures left to read; expected at least one.")
        if aspect not in ASPECTS:
            raise UnknownNameError("aspect", aspect, ASPECTS)
        image_size = plain(image_size)
        if image_size is not None and (isinstance(image_size, bool) or not isinstance(image_size, int)):
            raise ValueError(
                f"image_size must be one whole number of pixels, or None to keep each size; got {image_size!r}. For a "
                "backbone whose pictures are not square take the longer side: models make of it what they read."
            )
        if image_size is not None and image_size < 1:
            raise ValueError(f"image_size must be at least 1 pixel, or None to keep each size; got {image_size}.")
        check_rule(mask_rule)
        self.name = name
        self.root = root
        self.records = tuple(records)
        self.image_size = image_size
        self.aspect = aspect
        self.mask_rule = mask_rule

    def part(self, records: Sequence[Record]) -> "AnomalyDataset":
        """Other pictures of the same data set, read in the same way. Raises DataError where there are none."""
        return AnomalyDataset(self.name, self.root, records, self.image_size, self.aspect, self.mask_rule)

    def squashed(self, image_size: int) -> "AnomalyDataset":
        """The same pictures, each made a square of that many pixels."""
        return AnomalyDataset(self.name, self.root, self.records, image_size, mask_rule=self.mask_rule)

    @property
    def has_masks(self) -> bool:
        """Whether every anomalous picture has a mask. Without, `evaluate` and `uniform_sweep` give image-level numbers
        alone; what needs a mask raises DataError when it is read."""
        return not any(record.is_anomalous and record.mask_path is None for record in self.records)

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories in their order of appearance."""
        return tuple(dict.fromkeys(record.category for record in self.records))

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Sample:
        """Read one picture, see `read_sample`. Raises IndexError beyond the last one, TypeError for what is no whole
        number."""
        if not hasattr(index, "__index__"):
            raise TypeError(
                f"A data set gives one picture by its number, got {index!r}; `select` and `part` give several."
            )
        return read_sample(self.records[index], self.image_size, self.aspect, self.mask_rule)

    def select(
        self,
        categories: str | Sequence[str] | None = None,
        anomalous: bool | None = None,
        per_category: int | None = None,
    ) -> "AnomalyDataset":
        """The part with these categories, called as here or as tables call them (`record.row_name`), with only
        anomalous (True) or only normal (False) pictures, and with at most ``per_category`` pictures of each category:
        the same ones every time, evenly spaced in their order, half of them anomalous (one more if odd) as far as there
        are enough of both.

        :raises UnknownNameError: a category has no pictures here.
        :raises DataError: nothing is left, or no category is named.
        :raises ValueError: ``per_category`` is below 1.
        """
        called = {row_name(category): category for category in self.categories}
        wanted = self.categories if categories is None else [called.get(name, name) for name in listed(categories)]
        if not wanted:
            raise DataError(
                f"No category of data set {self.name!r} was selected; name at least one of "
                f"{', '.join(self.categories)}, or None for all."
            )
        for category in wanted:
            if category not in self.categories:
                raise UnknownNameError("category", category, self.categories, f"These have pictures in {self.root}.")
        if per_category is not None and not is_whole(per_category, 1):
            raise ValueError(f"per_category must be at least 1 picture, or None for all; got {per_category!r}.")
        records = [
            record for record in self.records if record.category in wanted and anomalous in (None, record.is_anomalous)
        ]
        if per_category is not None:
            kept = {record for category in wanted for record in _spaced_half(records, category, per_category)}
            records = [record for record in records if record in kept]
        if not records and anomalous is not None:
            kind, names = ("anomalous" if anomalous else "normal"), ", ".join(dict.fromkeys(wanted))
            raise DataError(f"Data set {self.name!r} at {self.root} has no {kind} pictures of {names}.")
        return self.part(records)

    @property
    def digest(self) -> str:
        """SHA-256 of the name, the reading options and, per record, where it lies below the root, what it is called
        and what its files contain. The content of a file is hashed again only when the file has changed."""
        lines = [[self.name, self.image_size, self.aspect, self.mask_rule]]
        for record in self.records:
            masks = [content_digest(path) for path in record.mask_paths]
            mask = masks if len(masks) > 1 else next(iter(masks), None)
            lines.append([record.name(self.root), record.category, record.defect, content_digest(record.path), mask])
        return hashlib.sha256(json.dumps(lines).encode()).hexdigest()

    @property
    def masks_digest(self) -> str:
        """SHA-256 of the mask rule and, per record, what it is called and what its masks contain, whatever the
        pictures."""
        lines = [[self.mask_rule]]
        lines += [[record.name(self.root), *map(content_digest, record.mask_paths)] for record in self.records]
        return hashlib.sha256(json.dumps(lines).encode()).hexdigest()

    def batches(self, batch_size: int, *, needs_masks: bool = True) -> Iterator[Batch]:
        """Consecutive samples, at most ``batch_size`` together, a new batch wherever category or size changes.

        :param needs_masks: without, pictures that should have a mask and have none (`has_masks`) get an empty one.
        :raises DataError: as `read_sample`.
        :raises ValueError: ``batch_size`` is below 1.
        """
        if not is_whole(batch_size, 1):
            raise ValueError(f"batch_size must be at least 1; got {batch_size!r}.")
        held: list[Sample] = []
        for index, record in enumerate(self.records):
            if needs_masks or record.mask_path or not record.is_anomalous:
                sample = self[index]
            else:
                sample = read_sample(record, self.image_size, self.aspect, needs_mask=False)
            same = held and (held[0].category, held[0].mask.shape) == (sample.category, sample.mask.shape)
            if held and (not same or len(held) == batch_size):
                yield _let_go(held)
            held.append(sample)
        yield _let_go(held)


def read_sample(
    record: Record,
    image_size: int | None = None,
    aspect: str = "squash",
    mask_rule: str = MASK_RULES[0],
    needs_mask: bool = True,
) -> Sample:
    """One picture with its mask, resized as `AnomalyDataset` says.

    :param needs_mask: without, an anomalous picture that has no mask gets an empty one.
    :raises DataError: the picture or its mask cannot be read, their sizes differ, there are two pictures or masks of
        one name, or an anomalous picture has no mask; the message names the files.
    """
    asked = record, image_size, aspect, mask_rule, needs_mask
    if _kept is not None and asked in _kept:
        return _kept[asked]
    sample = _read(*asked)
    if _kept is not None and sum(own.image.nbytes for own in _kept.values()) < KEPT_BYTES:
        _kept[asked] = sample
    return sample


@contextmanager
def read_once() -> Iterator[None]:
    """What is read inside is kept for whoever reads it next, up to `KEPT_BYTES`, and let go at the end: for several
    models that look at the same pictures. Files must not change meanwhile."""
    global _kept
    outer, _kept = _kept, {} if _kept is None else _kept
    try:
        yield
    finally:
        _kept = outer


def _read(record: Record, image_size: int | None, aspect: str, mask_rule: str, needs_mask: bool) -> Sample:
    if record.doubt:
        raise DataError(f"Nobody can say which mask is that of {record.path}: {record.doubt}.")
    if needs_mask and record.is_anomalous and record.mask_path is None:
        raise DataError(
            f"{record.path} is anomalous and has no mask, which is needed here: without masks there are image-level "
            "numbers (evaluate, uniform_sweep), but no pixel-level ones, no training and no search. Add the masks."
        )
    image = read_image(record.path)
    mask = whole_mask(record, (image.shape[-1], image.shape[-2]), mask_rule)
    if image_size is not None:
        size = [image_size, image_size] if aspect == "squash" else [image_size]
        image = resize(image, size, interpolation=InterpolationMode.BICUBIC, antialias=True).clamp(0, 1)
        mask = resize(mask[None].byte(), size, interpolation=InterpolationMode.NEAREST_EXACT)[0].bool()
    return Sample(image, mask, record.is_anomalous, record.category, record.defect, record.path)


def whole_mask(record: Record, size: tuple[int, int], mask_rule: str = MASK_RULES[0]) -> Bool[Tensor, "height width"]:
    """The masks of a picture of this width and height laid over each other, as they are. Raises DataError where one
    cannot be read or is of another size."""
    width, height = size
    mask = torch.zeros((height, width), dtype=torch.bool)
    for path in record.mask_paths:
        own = read_mask(path, mask_rule)
        if own.shape != mask.shape:
            raise DataError(
                f"{record.path} is {width}x{height} but its mask {path} is {own.shape[1]}x{own.shape[0]} (width x "
                "height, turned upright); expected equal sizes. Redraw or resize the mask to fit the picture."
            )
        mask |= own
    return mask


def require_files(dataset: AnomalyDataset, *, masks: bool = True) -> None:
    """Check that every picture, and the mask of every anomalous one (unless without ``masks``), exists.

    :raises DataError: some do not; the message names the first of them and where they were expected.
    """
    pictures, maskless = missing_files(dataset.root, dataset.records)
    if pictures:
        raise DataError(
            f"Pictures listed for data set {dataset.name!r} but not found in {dataset.root}: "
            f"{first(pictures)}. Complete the download, or pass categories=[...] that are complete."
        )
    if masks and maskless:
        raise DataError(
            f"Anomalous pictures of data set {dataset.name!r} without a mask in {dataset.root}: "
            f"{first(maskless)}. Add the masks; if these pictures are normal, move them to the normal ones."
        )


def _spaced_half(records: Sequence[Record], category: str, count: int) -> list[Record]:
    """``count`` records of a category, half of them anomalous; more of one class where the other has too few."""
    normal, anomalous = ([r for r in records if r.category == category and r.is_anomalous is a] for a in (False, True))
    count = min(count, len(normal) + len(anomalous))
    of_anomalous = min(len(anomalous), max((count + 1) // 2, count - len(normal)))
    return _spaced(normal, count - of_anomalous) + _spaced(anomalous, of_anomalous)


def _spaced(records: Sequence[Record], count: int) -> list[Record]:
    return [records[(2 * index + 1) * len(records) // (2 * count)] for index in range(count)]


def _let_go(held: list[Sample]) -> Batch:
    """Samples as a batch, and no longer in their list: nothing holds them beside it while it is worked on."""
    batch = stacked(held)
    held.clear()
    return batch


def stacked(samples: list[Sample]) -> Batch:
    """Pictures of one size as a batch, in their order."""
    return Batch(
        images=torch.stack([sample.image for sample in samples]),
        masks=torch.stack([sample.mask for sample in samples]),
        is_anomalous=torch.tensor([sample.is_anomalous for sample in samples]),
        categories=[sample.category for sample in samples],
        defects=[sample.defect for sample in samples],
        paths=[sample.path for sample in samples],
    )


def content_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, computed again only when the file has changed."""
    if (state := file_state(path)) in _content_digests:
        return _content_digests[state]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if state:
        _content_digests[state] = digest
    return digest


def file_state(path: Path) -> FileState | None:
    """What is the same as long as a file's content is. None for a file so young that it may change once more without
    its times showing it. Raises OSError for one that is not there."""
    status = path.stat()
    old = time.time_ns() - status.st_ctime_ns > _CLOCK_GRAIN_NS
    return (os.path.abspath(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns) if old else None
