"""Masks of anomalous pictures that say nothing: blank ones, and full ones."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ..base.errors import DataError
from . import known_masks
from .dataset import file_state
from .masks import mask_levels, read_mask
from .record import Record, below, first

_kinds: known_masks.Known = {}
_recalled: set[Path] = set()


def extreme(record: Record, rule: str) -> str | None:
    """ "blank" or "full" for a picture whose masks together are one of these by a rule of `masks`, and None for others.
    They are looked at again only when a file has changed. Raises DataError as `read_mask`."""
    if (known := _known_by(record, rule)) is None:
        return _kind(record, rule)
    if known not in _kinds:
        _kinds[known] = _kind(record, rule)
    return _kinds[known]


def _known_by(record: Record, rule: str) -> tuple | None:
    """None while a file is missing, or so young that it may still change."""
    states = [file_state(path) if path.is_file() else None for path in record.mask_paths]
    return None if None in states else (rule, *states)


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
    if len(masked) >= known_masks.MANY and root not in _recalled:
        _recalled.add(root)
        _kinds.update(known_masks.recalled(root))
    before = len(_kinds)
    for record in masked:
        try:
            kind = extreme(record, rule)
        except DataError:
            continue
        if kind and record.mask_path:
            found[kind].append(below(record.mask_path, root))
    if len(_kinds) - before >= known_masks.MANY:
        keys = [_known_by(record, rule) for record in masked]
        known_masks.keep(root, {key: _kinds[key] for key in keys if key in _kinds})
    if any(found.values()):
        named = " and ".join(f"{len(paths)} {kind} ({first(paths)})" for kind, paths in found.items() if paths)
        warnings.warn(
            f"Of the {len(masked)} masks of anomalous pictures of data set {name!r} in {root}, these say nothing: "
            f"{named}. Such a picture has no anomalous pixel, or no normal one. Draw them anew, or leave these "
            "pictures out.",
            stacklevel=3,
        )
