"""Which notebook runs with which parameters, under which profile, as which page: ``chapters.yaml`` and its schema."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import jsonschema
import yaml

from .errors import UnknownNameError

CHAPTERS = "chapters.yaml"
SCHEMA = "workflow/schema/chapters.schema.json"
COMPUTED = "book/_computed"


class ChaptersError(ValueError):
    """A ``chapters.yaml`` that is missing or not of its schema. The message names the entry and what is wrong."""


@dataclass(frozen=True)
class Page:
    """One page of the book under one profile; `notebook` is relative to the project's root.

    `title` stands in place of the notebook's own where the page runs with the book's parameters, so that pages of one
    notebook can be told apart; "" leaves the notebook's. A `long` page takes longer than most and is computed first. `fork_of` is the
    page that this one was forked from, "" for the book's own.
    """

    name: str
    notebook: Path
    profile: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)
    notice: str = ""
    title: str = ""
    long: bool = False
    fork_of: str = ""


def project_root(start: Path | None = None) -> Path:
    """The nearest folder at or above `start` (default: the working folder) that holds ``chapters.yaml``.

    Raises ChaptersError where there is none.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / CHAPTERS).is_file():
            return folder
    raise ChaptersError(f"No {CHAPTERS} in {start} or above it; run this inside a checkout of the book.")


def load_pages(root: Path, profile: str) -> dict[str, Page]:
    """The pages that ``chapters.yaml`` of the project at `root` makes under `profile`, by name, in its order.

    Raises ChaptersError when the file is not of its schema and UnknownNameError for an unknown profile.
    """
    chapters = _checked(root)
    if profile not in chapters["profiles"]:
        raise UnknownNameError("profile", profile, chapters["profiles"])
    notice = " ".join(chapters["profiles"][profile].get("notice", "").split())
    return {
        name: Page(
            name, Path(entry["notebook"]), profile, entry["parameters"][profile] or {}, notice,
            **{key: entry[key] for key in ("title", "long", "fork_of") if key in entry},
        )
        for name, entry in chapters["pages"].items()
        if profile in entry["parameters"]
    }


def page_profiles(root: Path) -> dict[str, dict]:
    """The entries of all pages in ``chapters.yaml`` of the project at `root`, of whatever profile, by name.

    Raises ChaptersError when the file is not of its schema.
    """
    return _checked(root)["pages"]


def _checked(root: Path) -> dict:
    path = root / CHAPTERS
    try:
        chapters = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ChaptersError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    schema = json.loads((root / SCHEMA).read_text(encoding="utf-8"))
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(chapters))
    if error is not None:
        raise ChaptersError(f"{path}, entry {error.json_path.removeprefix('$.')}: {error.message}")
    for name, entry in chapters["pages"].items():
        for profile in entry["parameters"]:
            if profile not in chapters["profiles"]:
                unknown = UnknownNameError("profile", profile, chapters["profiles"])
                raise ChaptersError(f"{path}, entry pages.{name}.parameters: {unknown}")
    return chapters
