"""Opening picture files, and pictures as RGB float32 in [0, 1].

What a file is, its content says and not its name. Reading follows these rules, whatever the layout:

* An orientation tag (EXIF) turns the picture, and a mask that has one of its own, the way viewers show them.
* Grey becomes RGB. 16-bit grey is divided by 65535; a floating-point picture must lie in [0, 1] already.
* A palette is looked up, and other colour spaces become RGB. Transparency is laid on white; an alpha channel that is
  zero everywhere is ignored, since it hides all there is.
* Of a file with several pages the first is the picture.
* Pictures of more pixels than `largest` are refused before they are unpacked.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ..base.errors import DataError

PIXELS_VARIABLE = "ZSAS_MAX_PIXELS"

_ORIENTATION = 0x0112
_PNG = b"\x89PNG\r\n\x1a\n"  # how one begins
_TURNED = (5, 6, 7, 8)  # orientations that lie on their side
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError)
_opening = threading.Lock()


def read_image(path: Path) -> Float[Tensor, "3 height width"]:
    """The picture in ``path`` as RGB in [0, 1], by the rules at the top of this module.

    :raises DataError: it is missing, truncated, too large, no picture, or outside the range its type promises.
    """
    picture = decoded(path)
    if is_deep(picture):
        levels = np.array(picture, dtype=np.float32) / (1 if picture.mode == "F" else 65535)
        if not (levels.min() >= 0 and levels.max() <= 1):
            expected = "floating-point values in [0, 1]" if picture.mode == "F" else "16-bit values in [0, 65535]"
            raise DataError(f"{path} holds values outside its range; expected {expected}. Rescale the picture.")
        return torch.from_numpy(levels).expand(3, -1, -1).contiguous()
    if picture.has_transparency_data:
        picture = converted(picture, "RGBA", path)
        if picture.getchannel("A").getextrema() != (0, 0):
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    pixels = torch.from_numpy(np.array(converted(picture, "RGB", path)))
    return pixels.permute(2, 0, 1).contiguous().float().div_(255)


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture as viewers show it, from the head of its file.

    :raises DataError: it is missing, too large or no picture.
    """
    with _opened(path) as picture:
        width, height = picture.size
        ends = picture.format == "PNG" and _ends_with_pixels(path)
        tags = Image.Image.getexif(picture) if ends else picture.getexif()
        return (height, width) if tags.get(_ORIENTATION, 1) in _TURNED else (width, height)


def _ends_with_pixels(path: Path) -> bool:
    """Whether a PNG is whole and has nothing but pixels from these on, so that its tags are known without unpacking
    them, which is what Pillow does to look for tags behind them."""
    with path.open("rb") as file:
        kind, seen = b"", False
        file.seek(len(_PNG))
        while kind != b"IEND":
            head = file.read(8)
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            if len(head) < 8 or (seen and kind not in (b"IDAT", b"IEND")):
                return False
            seen |= kind == b"IDAT"
            file.seek(length + 4, os.SEEK_CUR)
        return seen and file.tell() <= os.fstat(file.fileno()).st_size


def decoded(path: Path, *, single: bool = False) -> Image.Image:
    """The picture in ``path`` as Pillow decodes it, turned upright.

    :param single: refuse a file with several pages of the picture's size, of which only the first would be read.
    :raises DataError: it is missing, truncated, too large or no picture.
    """
    with _opened(path) as picture:
        if single:
            _refuse_pages(path, picture)
        picture.load()
        upright = picture.getexif().get(_ORIENTATION, 1) == 1
        return picture if upright else ImageOps.exif_transpose(picture)


def is_deep(picture: Image.Image) -> bool:
    """Whether its values are more than 8 bits deep: 16-bit or 32-bit integers, or floating-point numbers."""
    return picture.mode == "F" or picture.mode.startswith("I")


def converted(picture: Image.Image, mode: str, path: Path) -> Image.Image:
    """The picture in another of Pillow's modes. Raises DataError, naming ``path``, for a mode that cannot become it."""
    try:
        return picture.convert(mode)
    except ValueError as error:
        raise DataError(
            f"{path} has the colour space {picture.mode}, which cannot be turned into {mode}; expected grey, RGB, CMYK "
            "or a palette. Save it as one of these."
        ) from error


def largest() -> int | None:
    """How many pixels a picture may have: what $ZSAS_MAX_PIXELS says, or else what Pillow's own limit lets pass, twice
    ``Image.MAX_IMAGE_PIXELS`` (None where that is). A small file can unpack to more than the memory holds.

    :raises DataError: the variable holds no whole number of at least 1.
    """
    allowed = os.environ.get(PIXELS_VARIABLE, "").strip()
    if allowed:
        if not (allowed.isascii() and allowed.isdigit() and int(allowed)):
            raise DataError(
                f"${PIXELS_VARIABLE} is {allowed!r}; expected how many pixels a picture may have, a whole number such "
                "as 200000000."
            )
        return int(allowed)
    return None if Image.MAX_IMAGE_PIXELS is None else 2 * Image.MAX_IMAGE_PIXELS


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    limit = largest()
    try:
        with _head(path) as picture:
            width, height = picture.size
            if limit is not None and width * height > limit:
                raise DataError(
                    f"{path} is too large: {width} x {height} are {width * height:,} pixels, and pictures of at most "
                    f"{limit:,} are read, since a small file can unpack to more than the memory holds. Make it "
                    f"smaller, or, if you know where it comes from, allow its size: set the environment variable "
                    f"{PIXELS_VARIABLE}={width * height}."
                )
            yield picture
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist (any more); expected a picture. Restore the file.") from error
    except UnidentifiedImageError as error:
        raise DataError(
            f"{path} cannot be read as a picture (its content is of no kind that Pillow {Image.__version__} knows, or "
            "has channels that it does not take). Copy or download it again, or save it as PNG."
        ) from error
    except _UNREADABLE as error:
        raise DataError(
            f"{path} cannot be read as a picture ({error}); it may be truncated. Copy or download it again."
        ) from error


def _head(path: Path) -> Image.Image:
    """The picture before it is unpacked, whatever its size: `_opened` judges that, in words of its own.

    Pillow's limit is a global of its own, so it is lifted for the reading of the head alone.
    """
    with _opening:
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            return Image.open(path)
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _refuse_pages(path: Path, picture: Image.Image) -> None:
    """Of several pages, those of another size are previews."""
    pages = getattr(picture, "n_frames", 1)
    size, same = picture.size, 1
    for page in range(1, pages):
        picture.seek(page)
        same += picture.size == size
    if pages > 1:
        picture.seek(0)
    if same > 1:
        raise DataError(
            f"{path} holds {same} pages of {size[0]}x{size[1]}; expected a single one. Save what is anomalous on any "
            "of them as one mask."
        )
