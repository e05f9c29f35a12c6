"""Masks of anomalous pictures that say nothing: blank ones, and full ones."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ..base.errors import DataError
from .dataset import file_state
from .masks import mask_levels, read_mask
from .record import Record, below, first

_kinds: dict[tuple, str | None] = {}


def extreme(record: Record, rule: str) -> str | None:
    """ "blank" or "full" for a picture whose masks together are one of these by a rule of `masks`, and None for others.
    They are looked at again only when a file has changed. Raises DataError as `read_mask`."""
    states = [file_state(path) if path.is_file() else None for path in record.mask_paths]
    if None in states:
        return _kind(record, rule)
    if (known := (rule, *states)) not in _kinds:
        _kinds[known] = _kind(record, rule)
    return _kinds[known]


def _kind(record: Record, rule: str) -> str | None:
    levels = [mask_levels(path) for path in record.mask_paths]
    if not any(own.any() for own in levels):
        return "blank"
    if len({own.shape for own in levels}) > 1 or np.maximum.reduce(levels).min() == 0:
        return None
    return "full" if torch.stack([read_mask(path, rule) for path in record.mask_paths]).any(0).all() else None


def warn_of_extremes(name: str, root: Path, records: Sequence[Record], rule: str) -> None:
    """One warning that names the blank and the full masks among those of anomalous pictures, where there are any.
    Unreadable ones are passed over: they raise when they are read."""
    found: dict[str, list[str]] = {"blank": [], "full": []}
    masked = [record for record in records if record.is_anomalous and record.mask_path is not None]
    for record in masked:
        try:
            kind = extreme(record, rule)
        except DataError:
            continue
        if kind and record.mask_path:
            found[kind].append(below(record.mask_path, root))
    if any(found.values()):
        named = " and ".join(f"{len(paths)} {kind} ({first(paths)})" for kind, paths in found.items() if paths)
        warnings.warn(
            f"Of the {len(masked)} masks of anomalous pictures of data set {name!r} in {root}, these say nothing: "
            f"{named}. Such a picture has no anomalous pixel, or no normal one. Draw them anew, or leave these "
            "pictures out.",
            stacklevel=3,
        )
