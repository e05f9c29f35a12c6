"""The one reader of JSON that this program writes: a dataclass is its schema.

Annotations say what an entry holds: str, int, float, bool, object, None, a list or dict of them, a TypedDict, or one of
several. Entries without a default and the required keys of a TypedDict must be there; entries that the schema does not
name, as other versions of this program may write, are ignored.
"""

import json
import math
import types
from collections.abc import Mapping, Set
from dataclasses import MISSING, fields
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

T = TypeVar("T")


class RecordError(ValueError):
    """JSON that is not what its reader expects. The message says what it lacks or holds as another type."""


def read_record(schema: type[T], text: str | bytes) -> T:
    """The dataclass ``schema`` from a JSON text. Raises RecordError for text that is no JSON, or not of the schema."""
    try:
        entries = json.loads(text)
        json.dumps(entries, ensure_ascii=False).encode()  # halves of characters that no file can hold
    except (ValueError, RecursionError) as error:
        raise RecordError(f"it is no JSON ({' '.join(str(error).split())[:100]})") from None
    return as_record(schema, entries)


def as_record(schema: type[T], entries: object) -> T:
    """The dataclass ``schema`` from what a JSON text held. Raises RecordError."""
    if not isinstance(entries, dict):
        raise RecordError(f"expected a JSON object, got {type(entries).__name__}")
    kinds = get_type_hints(schema)
    needed = {entry.name for entry in fields(schema) if entry.default is entry.default_factory is MISSING}  # type: ignore[arg-type]
    lacking, wrong = _misfits(entries, kinds, needed)
    if lacking or wrong:
        found = [f"it lacks {', '.join(lacking)}"] * bool(lacking)
        found += [f"of another type than expected: {', '.join(wrong)}"] * bool(wrong)
        raise RecordError("; ".join(found))
    return schema(**{name: entries[name] for name in kinds if name in entries})


def _misfits(entries: Mapping[str, Any], kinds: Mapping[str, Any], needed: Set[str]) -> tuple[list[str], list[str]]:
    """The entries that a JSON object lacks, and those that it holds as another type; deeper ones with dots."""
    lacking = [name for name in kinds if name in needed and name not in entries]
    wrong: list[str] = []
    for name in (name for name in kinds if name in entries):
        kind, value = kinds[name], entries[name]
        if is_typeddict(kind) and isinstance(value, dict):
            for found, inner in zip((lacking, wrong), _misfits(value, get_type_hints(kind), kind.__required_keys__)):
                found += [f"{name}.{one}" for one in inner]
        elif not _is_of(kind, value):
            wrong.append(name)
    return lacking, wrong


def _is_of(kind: Any, value: object) -> bool:
    items = get_args(kind)
    if get_origin(kind) in (Union, types.UnionType):
        return any(_is_of(item, value) for item in items)
    if get_origin(kind) is dict:
        return isinstance(value, dict) and all(_is_of(items[1], item) for item in value.values())
    if get_origin(kind) is list:
        return isinstance(value, list) and all(_is_of(items[0], item) for item in value)
    if is_typeddict(kind):
        return isinstance(value, dict) and not any(_misfits(value, get_type_hints(kind), kind.__required_keys__))
    if kind is float:
        return type(value) is int or (type(value) is float and math.isfinite(value))
    if kind is int:
        return type(value) is int
    return isinstance(value, kind)
