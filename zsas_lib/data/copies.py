"""Pictures that are there twice, and so would count twice: the same file, or a copy converted to another format."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import combinations
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torchvision.transforms.v2.functional import resize

from ..base.errors import DataError
from .dataset import content_digest
from .pictures import read_image
from .record import Record, below

_SIDE = 64  # pixels, of the squares to which two pictures are squashed and compared
_DIFFERENCE = 3 / 255  # they look the same where their brightness differs by no more than this, on average,
_CORRELATION = 0.98  # or is correlated at least so much
_LUMA = torch.tensor([0.299, 0.587, 0.114])[:, None, None]  # of red, green and blue in the brightness that JPEG keeps


def repeated(records: Sequence[Record], root: Path, *, decode: bool = False) -> list[str]:
    """A sentence for each group of pictures of one split that are the same and count more than once: of one category
    and kind, files of the same bytes, converted copies (see `converted`), or files of the same pixels.

    The last are looked for where a kind has more than one format, and with ``decode`` everywhere, which reads every
    picture. A copy that is cropped, turned or changed otherwise, or compressed under another name, is not found.
    """
    parts = defaultdict(set)
    for record in records:
        if record.path.is_file():
            parts[record.category, record.defect].add(record.path)
    found: dict[tuple[Path, ...], str] = {}
    for paths in map(sorted, parts.values()):
        same = _groups(paths, lambda path: path.stat().st_size, content_digest)
        found |= dict.fromkeys(same, "the same file")
        single = sorted({*paths} - {path for group in same for path in group[1:]})
        looks = _converted(single)
        found |= dict.fromkeys(looks, "the same picture in two formats")
        if decode or len({*map(_ending, single)}) > 1:
            pixels = _groups(sorted({*single} - {pair[1] for pair in looks}), _pixel_digest)
            found |= dict.fromkeys(pixels, "the same pixels")
    return [
        f"{' and '.join(below(path, root) for path in paths)} are {what}, which counts {len(paths)} times; keep one."
        for paths, what in found.items()
    ]


def converted(records: Iterable[Record]) -> list[tuple[Path, ...]]:
    """Pairs of pictures of one category and kind that differ in the ending of their names (a.png, a.jpg; folders aside)
    and look the same: their brightness, at 64 x 64 pixels, differs by at most 3 of 255 levels on average or is
    correlated to 0.98; JPEG of any usual quality gives 0.99, two photographs of one product under one camera at most
    0.96. Two different pictures of one name are none."""
    parts = defaultdict(set)
    for record in records:
        parts[record.category, record.defect].add(record.path)
    return [pair for paths in parts.values() for pair in _converted(sorted(paths))]


def _converted(paths: Iterable[Path]) -> list[tuple[Path, ...]]:
    named = _by(paths, lambda path: path.stem.lower())
    pairs = [pair for own in named.values() for pair in combinations(own, 2)]
    return [pair for pair in pairs if _ending(pair[0]) != _ending(pair[1]) and _look_the_same(*pair)]


def _ending(path: Path) -> str:
    return path.suffix.lower()


def _look_the_same(one: Path, other: Path) -> bool:
    try:
        a, b = _brightness(one), _brightness(other)
    except DataError:
        return False  # which of them cannot be read is said where it is read
    if (a - b).abs().mean() <= _DIFFERENCE:
        return True
    return bool(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1] >= _CORRELATION)


def _brightness(path: Path) -> Float[Tensor, "height width"]:
    return (resize(read_image(path), [_SIDE, _SIDE], antialias=True) * _LUMA).sum(0)


def _groups(paths: Iterable[Path], *keys: Callable[[Path], Hashable]) -> list[tuple[Path, ...]]:
    """Groups of two or more paths that agree in all keys; a later key is asked only where the earlier ones agree."""
    groups = [tuple(paths)]
    for key in keys:
        groups = [tuple(own) for group in groups for own in _by(group, key).values() if len(own) > 1]
    return groups


def _by(paths: Iterable[Path], key: Callable[[Path], Hashable]) -> dict[Hashable, list[Path]]:
    found: dict[Hashable, list[Path]] = defaultdict(list)
    for path in paths:
        found[key(path)].append(path)
    return found


def _pixel_digest(path: Path) -> str:
    try:
        pixels = read_image(path)
    except DataError:
        return str(path)  # equal to no other; that it cannot be read is said where it is read
    return hashlib.sha256(f"{tuple(pixels.shape)}".encode() + pixels.numpy().tobytes()).hexdigest()
