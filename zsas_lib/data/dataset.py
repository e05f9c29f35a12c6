"""Pictures and their masks: listed as records, read one by one as samples, grouped into batches.

Conventions of the library: pictures are RGB float32 in [0, 1], masks are bool and True where anomalous. Reading
follows these rules, whatever the layout:

* An orientation tag (EXIF) turns the picture, and the mask if it has one of its own, the way viewers show them.
* Grey becomes RGB. 16-bit grey is divided by 65535; a floating-point picture must lie in [0, 1] already.
* A palette is looked up. Transparency is laid on white in a picture and counts as normal in a mask.
* In a mask every non-zero value is anomalous. JPEG leaves faint ripples around what is drawn, so in a ``.jpg`` mask
  only values above half of that mask's maximum are.
* A picture and its mask must have the same size. Of several masks of one picture, a pixel in any is anomalous.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resize

from ..base.errors import DataError, UnknownNameError
from .record import Record, missing_files, row_name

ASPECTS = ("squash", "keep")

ORIENTATION = 0x0112  # the EXIF tag
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
_CLOCK_GRAIN_NS = 2_000_000_000

_content_digests: dict[tuple[str, int, int, int], str] = {}


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
    :raises DataError: there is no record.
    :raises UnknownNameError: ``aspect`` is neither.
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
    ):
        if not records:
            raise DataError(f"Data set {name!r} at {root} has no pictures left to read; expected at least one.")
        if aspect not in ASPECTS:
            raise UnknownNameError("aspect", aspect, ASPECTS)
        if image_size is not None and image_size < 1:
            raise ValueError(f"image_size must be at least 1 pixel, or None to keep each size; got {image_size}.")
        self.name = name
        self.root = root
        self.records = tuple(records)
        self.image_size = image_size
        self.aspect = aspect

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories in their order of appearance."""
        return tuple(dict.fromkeys(record.category for record in self.records))

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Sample:
        """Read one picture, see `read_sample`."""
        return read_sample(self.records[index], self.image_size, self.aspect)

    def select(
        self, categories: Sequence[str] | None = None, anomalous: bool | None = None, per_category: int | None = None
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
        wanted = self.categories if categories is None else [called.get(name, name) for name in categories]
        if not wanted:
            raise DataError(
                f"No category of data set {self.name!r} was selected; name at least one of "
                f"{', '.join(self.categories)}, or None for all."
            )
        for category in wanted:
            if category not in self.categories:
                raise UnknownNameError("category", category, self.categories, f"These have pictures in {self.root}.")
        if per_category is not None and per_category < 1:
            raise ValueError(f"per_category must be at least 1 picture, or None for all; got {per_category}.")
        records = [
            record for record in self.records if record.category in wanted and anomalous in (None, record.is_anomalous)
        ]
        if per_category is not None:
            kept = {record for category in wanted for record in _spaced_half(records, category, per_category)}
            records = [record for record in records if record in kept]
        return AnomalyDataset(self.name, self.root, records, self.image_size, self.aspect)

    @property
    def digest(self) -> str:
        """SHA-256 of the name, the reading options and, per record, where it lies below the root, what it is called
        and what its files contain. The content of a file is hashed again only when the file has changed."""
        lines = [[self.name, self.image_size, self.aspect]]
        for record in self.records:
            masks = [content_digest(path) for path in record.mask_paths]
            mask = masks if len(masks) > 1 else next(iter(masks), None)
            lines.append([record.name(self.root), record.category, record.defect, content_digest(record.path), mask])
        return hashlib.sha256(json.dumps(lines).encode()).hexdigest()

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Consecutive samples, at most ``batch_size`` together, a new batch wherever category or size changes.

        :raises ValueError: ``batch_size`` is below 1.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1; got {batch_size}.")
        held: list[Sample] = []
        for index in range(len(self)):
            sample = self[index]
            same = held and (held[0].category, held[0].mask.shape) == (sample.category, sample.mask.shape)
            if held and (not same or len(held) == batch_size):
                yield stacked(held)
                held = []
            held.append(sample)
        yield stacked(held)


def read_sample(record: Record, image_size: int | None = None, aspect: str = "squash") -> Sample:
    """One picture with its mask, resized as `AnomalyDataset` says.

    :raises DataError: the picture or its mask cannot be read, their sizes differ, or there are two pictures or masks of
        one name; the message names the files.
    """
    if record.doubt:
        raise DataError(f"Nobody can say which mask is that of {record.path}: {record.doubt}.")
    image = read_image(record.path)
    mask = torch.zeros(image.shape[1:], dtype=torch.bool)
    for path in record.mask_paths:
        own = read_mask(path)
        if own.shape != mask.shape:
            raise DataError(
                f"{record.path} is {_size_in_words(image)} but its mask {path} is {_size_in_words(own)} (width x "
                "height, turned upright); expected equal sizes. Redraw or resize the mask to fit the picture."
            )
        mask |= own
    if image_size is not None:
        size = [image_size, image_size] if aspect == "squash" else [image_size]
        image = resize(image, size, interpolation=InterpolationMode.BICUBIC, antialias=True).clamp(0, 1)
        mask = resize(mask[None].byte(), size, interpolation=InterpolationMode.NEAREST_EXACT)[0].bool()
    return Sample(image, mask, record.is_anomalous, record.category, record.defect, record.path)


def read_image(path: Path) -> Float[Tensor, "3 height width"]:
    """The picture in ``path`` as RGB in [0, 1], by the rules at the top of this module.

    :raises DataError: it is missing, truncated, no picture, or outside the range its type promises.
    """
    picture = _decoded(path)
    if picture.mode == "F" or picture.mode.startswith("I"):
        levels = np.array(picture, dtype=np.float32) / (1 if picture.mode == "F" else 65535)
        if not (levels.min() >= 0 and levels.max() <= 1):
            expected = "floating-point values in [0, 1]" if picture.mode == "F" else "16-bit values in [0, 65535]"
            raise DataError(f"{path} holds values outside its range; expected {expected}. Rescale the picture.")
        return torch.from_numpy(levels).expand(3, -1, -1).contiguous()
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    pixels = torch.from_numpy(np.array(picture.convert("RGB")))
    return pixels.permute(2, 0, 1).contiguous().float().div_(255)


def read_mask(path: Path) -> Bool[Tensor, "height width"]:
    """The mask in ``path``, True where anomalous, by the rules at the top of this module.

    :raises DataError: it is missing, truncated or no picture.
    """
    picture = _decoded(path)
    if picture.has_transparency_data:
        levels = np.array(picture.convert("RGBA"))
        levels = levels[..., :3] * (levels[..., 3:] > 0)
    else:
        levels = np.array(picture.convert("RGB") if picture.mode in ("P", "CMYK") else picture)
    if levels.ndim == 3:
        levels = levels.max(axis=-1)
    floor = levels.max() / 2 if path.suffix.lower() in (".jpg", ".jpeg") else 0
    return torch.from_numpy(levels > floor)


def require_files(dataset: AnomalyDataset) -> None:
    """Check that every picture, and the mask of every anomalous one, exists.

    :raises DataError: some do not; the message names the first of them and where they were expected.
    """
    pictures, masks = missing_files(dataset.root, dataset.records)
    if pictures:
        raise DataError(
            f"Pictures listed for data set {dataset.name!r} but not found in {dataset.root}: "
            f"{_first(pictures)}. Complete the download, or pass categories=[...] that are complete."
        )
    if masks:
        raise DataError(
            f"Anomalous pictures of data set {dataset.name!r} without a mask in {dataset.root}: "
            f"{_first(masks)}. Add the masks; if these pictures are normal, move them to the normal ones."
        )


def _spaced_half(records: Sequence[Record], category: str, count: int) -> list[Record]:
    """``count`` records of a category, half of them anomalous; more of one class where the other has too few."""
    normal, anomalous = ([r for r in records if r.category == category and r.is_anomalous is a] for a in (False, True))
    count = min(count, len(normal) + len(anomalous))
    of_anomalous = min(len(anomalous), max((count + 1) // 2, count - len(normal)))
    return _spaced(normal, count - of_anomalous) + _spaced(anomalous, of_anomalous)


def _spaced(records: Sequence[Record], count: int) -> list[Record]:
    return [records[(2 * index + 1) * len(records) // (2 * count)] for index in range(count)]


def _first(lines: list[str], shown: int = 3) -> str:
    return ", ".join(lines[:shown]) + (f" and {len(lines) - shown} more" if len(lines) > shown else "")


def _decoded(path: Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            picture.load()
            upright = picture.getexif().get(ORIENTATION, 1) == 1
            return picture if upright else ImageOps.exif_transpose(picture)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist (any more); expected a picture. Restore the file.") from error
    except _UNREADABLE as error:
        raise DataError(
            f"{path} cannot be read as a picture ({error}); it may be truncated. Copy or download it again."
        ) from error


def _size_in_words(pixels: Tensor) -> str:
    return f"{pixels.shape[-1]}x{pixels.shape[-2]}"


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
    status = path.stat()
    key = (os.path.abspath(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if key in _content_digests:
        return _content_digests[key]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    # A file this young may change once more without its times showing it.
    if time.time_ns() - status.st_ctime_ns > _CLOCK_GRAIN_NS:
        _content_digests[key] = digest
    return digest
