"""Which mask belongs to which picture, by the names of the files."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .tree import MASK_ENDINGS, files


@dataclass(frozen=True)
class Pairing:
    """The masks of one picture, and where nobody can say which they are, why."""

    masks: tuple[Path, ...] = ()
    doubt: str = ""


def paired(pictures: Sequence[Path], kind: Path, mask_folders: Sequence[Path], names: Sequence[str]) -> list[Pairing]:
    """The masks of each of the ``pictures`` of ``kind``, the folder that they lie in or below.

    A mask lies in one of ``mask_folders``, as far below it as its picture is below ``kind`` or at its top, and is
    called as one of ``names``, in which "{}" stands for the picture's name without ending. Earlier folders come first,
    and in a folder earlier names; a name that ends in "/" is that of a folder, all of whose masks are the picture's.
    Of masks that differ by their ending only, the one with the picture's own is taken. Where that leaves two masks for
    a picture or one mask for two pictures, the ``doubt`` of the pairing names both. A picture without a mask gets none.
    """
    masks_by_stem = cache(_masks_by_stem)
    found = []
    for path in pictures:
        place = path.parent.relative_to(kind)
        places = dict.fromkeys(top / beneath for beneath in (place, Path()) for top in mask_folders)
        choices = (_choice(path, folder, name, masks_by_stem(folder)) for folder in places for name in names)
        found.append(next((choice for choice in choices if choice), Pairing()))
    claimants = defaultdict(list)
    for path, pairing in zip(pictures, found):
        for mask in pairing.masks:
            claimants[mask].append(path.relative_to(kind).as_posix())
    return [_undisputed(pairing, claimants) for pairing in found]


def _choice(path: Path, folder: Path, name: str, beside: Mapping[str, Sequence[Path]]) -> Pairing | None:
    """The masks of a picture that are called so, None where there are none."""
    called = name.format(path.stem)
    if name.endswith("/"):
        masks = files(folder / called, MASK_ENDINGS)
        return Pairing(tuple(masks)) if masks else None
    masks = beside.get(called, ())
    own = [mask for mask in masks if mask.suffix.lower() == path.suffix.lower()]
    left = own or masks
    if len(left) > 1:
        both = " and ".join(mask.name for mask in left)
        return Pairing(tuple(left), f"{both} may each be its mask; keep one of them")
    return Pairing(tuple(left)) if left else None


def _undisputed(pairing: Pairing, claimants: Mapping[Path, Sequence[str]]) -> Pairing:
    for mask in pairing.masks:
        if len(claimants[mask]) > 1:
            both = " and ".join(claimants[mask])
            return Pairing(
                pairing.masks, f"{both} would share the mask {mask.name}; each needs one of its own name and ending"
            )
    return pairing


def _masks_by_stem(folder: Path) -> dict[str, list[Path]]:
    found = defaultdict(list)
    for mask in files(folder, MASK_ENDINGS):
        found[mask.stem].append(mask)
    return found
