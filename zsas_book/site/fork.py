"""A chapter of one's own from a page of the book: its notebook pair, its entries, and a checklist."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import yaml

from zsas_lib.backbones.aliases import IN_A_FILE
from zsas_lib.backbones.configuration import named_configuration
from zsas_lib.base.errors import UnknownNameError

from ..pages.states import FRESH, page_state
from ..project.backbones import registered_in, unknown_backbones
from ..project.chapters import CHAPTERS, Page, page_profiles
from ..project.parameters import parameters_cell, read_parameters
from ..project.paths import NO_PATHS
from ..project.suited import unsuited
from ..project.written import literal, with_default

NAME = re.compile(r"[a-z][a-z0-9_]*")
CONTENTS = Path("book", "_toc.yml")
PART = "  - caption: Forks\n    chapters:\n"
OF_THE_BACKBONE = ("backbone", "weights", "image_size", "activation", "precision")
TODO = "TODO"


class ForkError(ValueError):
    """A fork that cannot be made. The message says what stands in the way; nothing was written."""


@dataclass(frozen=True)
class Point:
    """One point of a fork's checklist: what is needed, whether it is done, and what to do where it is not."""

    what: str
    done: bool
    remedy: str = ""

    def __str__(self) -> str:
        return f"[{'x' if self.done else ' '}] {self.what}" + ("" if self.done else f": {self.remedy}")


def fork_page(
    of: str, name: str, backbone: str, root: Path, *, architecture: str | None = None, weights: str | None = None
) -> list[Path]:
    """Make the chapter `name` from the page `of`, with `backbone` as its default, on which the page's models must run
    (ForkError); returns the files written or changed.

    `backbone` is what `load_backbone` takes. With `architecture` it is a new name that the notebook itself registers,
    as in `register_backbone`: an open_clip name or a JSON file with `weights`, a file, or a module of one's own,
    "FILE.py:NAME", with or without them. The notebook's answer and caveat become points to fill in. Raises
    UnknownNameError for a page that is not there, ForkError for a name that is taken or badly formed, a notebook
    without a parameter `backbone` or in another encoding than UTF-8, one of `architecture` and `weights` without the
    other, and files that are not there; both are relative to `root`. Raises what `register_backbone` does of an
    architecture, UnknownNameError or DataError.
    """
    profiles = page_profiles(root)
    if of not in profiles:
        raise UnknownNameError("page", of, profiles, f"These are the pages of {CHAPTERS}.")
    if not NAME.fullmatch(name):
        raise ForkError(f"Expected a name of small letters, digits and _, such as my_vit; got {name!r}.")
    source = root / profiles[of]["notebook"]
    made = root / "notebooks" / f"{name}.md"
    if name in profiles or made.exists() or made.with_suffix(".ipynb").exists():
        raise ForkError(f"{name!r} is taken by a page or a notebook; choose another name.")
    own = IN_A_FILE.fullmatch(architecture or "")
    if (architecture is None) != (weights is None) and not own:
        raise ForkError(
            "A backbone of your own needs both --architecture (an open_clip name or a JSON file) and --weights (a "
            "file), or --architecture FILE.py:NAME, a module of yours."
        )
    file = own[1] if own else architecture if str(architecture).endswith(".json") else None
    for path in (weights, file):
        if path is not None and not path.startswith(NO_PATHS) and not (root / Path(path).expanduser()).is_file():
            raise ForkError(f"No file {root / Path(path).expanduser()} for the backbone {backbone!r}.")
    if architecture is not None and not own and not architecture.startswith(NO_PATHS):
        named_configuration(root / Path(architecture).expanduser() if file else architecture)
    try:
        text = source.with_suffix(".md").read_text(encoding="utf-8")
        chapters, contents = ((root / file).read_text(encoding="utf-8") for file in (CHAPTERS, CONTENTS))
    except UnicodeDecodeError as error:
        raise ForkError(f"{source.stem}.md, {CHAPTERS} and {CONTENTS.name} must be in UTF-8: {error}.") from None
    notebook = jupytext.reads(text, fmt="md:myst")
    declared = read_parameters(notebook)
    if "backbone" not in {parameter.name for parameter in declared}:
        raise ForkError(f"{source.name} has no parameter `backbone`; fork a page that has one, such as uniform_sweep.")
    values = {parameter.name: parameter.default for parameter in declared}
    asked = values | {"backbone": backbone}
    registered = {backbone} if architecture is not None else registered_in(notebook, root)
    for problem in [*unknown_backbones(declared, asked, root, registered), *unsuited(declared, asked, fetch=False)]:
        raise ForkError(problem)
    cell = parameters_cell(notebook).source
    text = text.replace(cell, with_default(cell, "backbone", backbone), 1)
    made.write_text(_own_text(text, name, backbone, of, architecture, weights), encoding="utf-8")
    jupytext.write(jupytext.read(made), made.with_suffix(".ipynb"))
    entry = _entry(name, of, profiles[of])
    (root / CHAPTERS).write_text(chapters.rstrip("\n") + "\n" + entry, encoding="utf-8")
    contents = contents.rstrip("\n") + "\n"
    contents += ("" if PART in contents else PART) + f"      - file: _computed/{name}\n"
    (root / CONTENTS).write_text(contents, encoding="utf-8")
    return [made, made.with_suffix(".ipynb"), root / CHAPTERS, root / CONTENTS]


def checklist(page: Page, root: Path) -> list[Point]:
    """What a fork needs before it is a chapter, and which of it is done. Nothing is computed."""
    notebook = root / page.notebook
    text = notebook.with_suffix(".md")
    words = text.read_text(encoding="utf-8") if text.is_file() else TODO
    contents = (root / CONTENTS).read_text(encoding="utf-8")
    state = page_state(page, root)
    return [
        Point("answer and caveat are written", TODO not in words, f"replace each {TODO} in {text.relative_to(root)}"),
        Point(
            "the notebook pair agrees",
            _agrees(text, notebook),
            f"python -m jupytext --to ipynb --update {text.relative_to(root)}",
        ),
        Point(
            "it stands in chapters.yaml and in the table of contents",
            f"_computed/{page.name}\n" in contents + "\n",
            f"add `- file: _computed/{page.name}` to {CONTENTS}",
        ),
        Point("it is computed and fresh", state.word == FRESH, f"zsas run {page.name} ({state.reason})"),
    ]


def _own_text(text: str, name: str, backbone: str, of: str, architecture: str | None, weights: str | None) -> str:
    words = name.replace("_", " ")
    text = re.sub(r"(?m)^# (.*)", lambda found: f"# {found[1]}, {words}", text, count=1)
    text = re.sub(
        r"\*\*Answer\.\*\*.*?(?=\n\n)",
        f"**Answer.** {TODO}: your answer.\n**Caveat.** {TODO}: your caveat. Forked from `{of}`.",
        text,
        count=1,
        flags=re.DOTALL,
    )
    if architecture is None:
        return text
    parameters = re.search(r"```\{code-cell\}[^\n]*\n:tags: \[parameters\]\n.*?\n```\n", text, re.DOTALL)
    cell = (
        "\n```{code-cell} ipython3\n:tags: [hide-input]\n\nfrom zsas_lib import register_backbone\n\n"
        f"register_backbone({literal(backbone)}, architecture={literal(architecture)}, pretrained={literal(weights)})\n"
        "```\n"
    )
    return text[: parameters.end()] + cell + text[parameters.end() :]


def _entry(name: str, of: str, forked: Mapping[str, Any]) -> str:
    kept = {
        profile: {key: value for key, value in (given or {}).items() if key not in OF_THE_BACKBONE}
        for profile, given in forked["parameters"].items()
    }
    alike = {key: forked[key] for key in ("long", "shards") if key in forked}
    entry = {name: {"notebook": f"notebooks/{name}.ipynb", "fork_of": of, **alike, "parameters": kept}}
    lines = yaml.safe_dump(entry, sort_keys=False, default_flow_style=None, width=120).splitlines()
    return "".join(f"  {line}\n" for line in lines)


def _agrees(text: Path, notebook: Path) -> bool:
    if not (text.is_file() and notebook.is_file()):
        return False
    return [cell.source for cell in jupytext.read(text).cells] == [
        cell.source for cell in jupytext.read(notebook).cells
    ]
