"""Paths among parameters: relative to the folder of whoever gives them, while pages run in the project's folder."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from .kinds import BACKBONE, FILE, FOLDER
from .parameters import Parameter

LOCAL = "local-dir:"
NO_PATHS = ("hf-hub:", "http:", "https:")
RANDOM = "random"


def from_root(path: str, folder: Path, root: Path) -> str:
    """A path that is relative to `folder`, as one that leads to the same place from `root`; any other as it is."""
    place = Path(path).expanduser()
    if place.is_absolute() or folder == root:
        return str(place) if path.startswith("~") else path
    parts = list(place.parts)
    while parts and parts[0] == "..":  # further ones may follow a link, whose parent is elsewhere
        folder, parts = folder.parent, parts[1:]
    return os.path.join(os.path.relpath(folder, root), *parts).removeprefix(f".{os.sep}")


def seen_from(folder: Path, root: Path, declared: Sequence[Parameter], given: Mapping[str, object]) -> dict:
    """The given values, with those that are paths relative to `folder` led there from the project's folder `root`.

    Which are paths, the declared kinds say: ``(a folder)``, ``(a file)``, and in ``(a backbone)`` what stands behind
    "local-dir:" or, where such a file is there, behind "ARCHITECTURE:".
    """
    kinds = {parameter.name: parameter.kind for parameter in declared}
    return {name: led(value, kinds.get(name, ""), folder, root) for name, value in given.items()}


def led(value: object, kind: str, folder: Path, root: Path) -> object:
    """A value of this kind that was given in `folder`, as the project's folder `root` needs it (see `seen_from`)."""
    if isinstance(value, list | tuple):
        return [led(item, kind, folder, root) for item in value]
    if not isinstance(value, str):
        return value
    before, path = path_in(value, kind)
    if not path or (kind == BACKBONE and before != LOCAL and not (folder / path).is_file()):
        return value
    return before + from_root(path, folder, root)


def path_in(value: str, kind: str) -> tuple[str, str]:
    """What stands before a path in the value of a parameter of this kind, and the path, "" where there is none."""
    if kind not in (FOLDER, FILE, BACKBONE) or value.startswith(NO_PATHS) or value in ("None", "null"):
        return value, ""
    if value.startswith(LOCAL):
        return LOCAL, value.removeprefix(LOCAL)
    if kind == BACKBONE:
        architecture, colon, pretrained = value.partition(":")
        return architecture + colon, pretrained
    return ("", value) if kind == FOLDER or value != RANDOM else (value, "")
