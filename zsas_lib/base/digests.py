"""SHA-256 digests of files and configurations; those of source code are in `sources`."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np

PACKAGE = Path(__file__).resolve().parents[1]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def configuration_digest(configuration: Mapping[str, object]) -> str:
    """SHA-256 of a configuration as canonical JSON, see `canonical`: equal settings, equal digest."""
    return hashlib.sha256(json.dumps(canonical(configuration), sort_keys=True, allow_nan=False).encode()).hexdigest()


def canonical(value: object) -> Any:
    """`value` as JSON holds it, one way to write each: 45.0 is 45, tuples and arrays are lists, paths are strings.

    Raises TypeError for anything else and ValueError for nan and infinity, which are equal to nothing or anything.
    """
    match value:
        case np.ndarray() | np.generic():
            return canonical(value.tolist())
        case bool() | int() | str() | None:
            return value
        case float():
            if not math.isfinite(value):
                raise ValueError(f"Expected finite numbers in a configuration, got {value}.")
            return int(value) if value.is_integer() else value
        case PurePath():
            return value.as_posix()
        case Mapping():
            return {str(key): canonical(item) for key, item in value.items()}
        case list() | tuple():
            return [canonical(item) for item in value]
    raise TypeError(
        f"Expected numbers, strings, paths, lists or mappings in a configuration, got {type(value).__name__} {value!r}."
    )
