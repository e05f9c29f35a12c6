"""Which notebook runs with which parameters, under which profile, as which page: ``chapters.yaml`` and its schema."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import jsonschema

from zsas_lib.base.errors import UnknownNameError

from .plain_yaml import YamlError, read_yaml

CHAPTERS = "chapters.yaml"
SCHEMA = "zsas_book/workflow/schema/chapters.schema.json"
COMPUTED = "book/_computed"


class ChaptersError(ValueError):
    """A ``chapters.yaml`` that is missing or not of its schema. The message names the entry and what is wrong."""


@dataclass(frozen=True)
class Page:
    """One page of the book under one profile; `notebook` is relative to the project's root.

    `title` stands in place of the notebook's own where the page runs with the book's parameters, so that pages of one
    notebook can be told apart; "" leaves the notebook's. A `long` page takes longer than most and is computed first;
    of pages that share their trainings one, so that the others find them and wait for none. `shards` are the list
    parameters by whose values its work can be cut (see `shards`). `fork_of` is the page that this one was forked from,
    "" for the book's own. `costs` are formulas for its forward passes (see `jobs.costs`),
    None where none are given; a fork has those of the page it was forked from. `notice` stands at its top, or, where a
    run is given data or a backbone of its own, `own_data_notice`.
    """

    name: str
    notebook: Path
    profile: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)
    notice: str = ""
    own_data_notice: str = ""
    title: str = ""
    long: bool = False
    shards: tuple[str, ...] = ()
    fork_of: str = ""
    costs: Mapping[str, str | int] | None = None


@dataclass(frozen=True)
class Profile:
    """A profile of ``chapters.yaml``: the `notice` at the top of its pages, the one of runs with data or a backbone of
    their own (`own_data.has_own_data`), the same where it is not given, whether they are computed in `shards`, and
    what one page or shard takes: `gpu` GPUs (0 or 1) and `mem_mb` megabytes of memory."""

    name: str
    notice: str = ""
    own_data_notice: str = ""
    shards: bool = False
    gpu: int = 0
    mem_mb: int = 4000


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
    of = _profile(chapters, profile)
    return {
        name: Page(
            name,
            Path(entry["notebook"]),
            profile,
            entry["parameters"][profile] or {},
            of.notice,
            of.own_data_notice,
            **{key: entry[key] for key in ("title", "long", "fork_of") if key in entry},
            shards=tuple(entry.get("shards", ())),
            costs=_costs(chapters, entry),
        )
        for name, entry in chapters["pages"].items()
        if profile in entry["parameters"]
    }


def find_page(target: str, profile: str, root: Path) -> Page:
    """The page called `target` under `profile`, or a page of its own for a notebook's path, which ends in ``.ipynb``.

    Raises UnknownNameError for an unknown page, and as `load_pages`.
    """
    if target.endswith(".ipynb"):
        notebook = Path(target).resolve()
        inside = notebook.is_relative_to(root)
        return Page(notebook.stem, notebook.relative_to(root) if inside else notebook)
    pages = load_pages(root, profile)
    if target not in pages:
        raise UnknownNameError("page", target, pages, f"These are the ones of profile {profile!r} in {CHAPTERS}.")
    return pages[target]


def page_profiles(root: Path) -> dict[str, dict]:
    """The entries of all pages in ``chapters.yaml`` of the project at `root`, of whatever profile, by name.

    Raises ChaptersError when the file is not of its schema.
    """
    return _checked(root)["pages"]


def load_profile(root: Path, name: str) -> Profile:
    """The profile of this name in ``chapters.yaml`` of the project at `root`. Raises as `load_pages`."""
    return _profile(_checked(root), name)


def _costs(chapters: dict, entry: dict) -> Mapping[str, str | int] | None:
    """What its notebook's passes are, or else those of the page that it was forked from."""
    costs, pages = chapters.get("costs", {}), chapters["pages"]
    origin = pages.get(entry.get("fork_of"), entry)
    return costs.get(Path(entry["notebook"]).stem, costs.get(Path(origin["notebook"]).stem))


def _profile(chapters: dict, name: str) -> Profile:
    if name not in chapters["profiles"]:
        raise UnknownNameError("profile", name, chapters["profiles"])
    entry = chapters["profiles"][name]
    notice, own = (" ".join(entry.get(key, "").split()) for key in ("notice", "own_data_notice"))
    return Profile(name, **entry | {"notice": notice, "own_data_notice": own or notice})


def _checked(root: Path) -> dict:
    path = root / CHAPTERS
    try:
        chapters = read_yaml(path)
    except YamlError as error:
        raise ChaptersError(str(error)) from None
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
