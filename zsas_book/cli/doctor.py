"""``zsas doctor``: what is installed, which devices there are, and what of a fork is still to be done."""

import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path

import typer

from zsas_lib.base.writable import UnwritableError, why_unwritable

from ..parts import MissingPartError, require

AMISS = "amiss"
BOOK_TOOLS = ("jupyter_book", "papermill", "jupytext", "snakemake")


def doctor() -> None:
    """Say what is installed, which devices there are and where things are kept; exit status 1 where something is amiss.

    A fork's checklist is printed too; points that are open count as amiss. Nothing is downloaded or made.
    """
    findings = {
        "python": f"{platform.python_version()}, {sys.executable}",
        "zsas-lib": metadata.version("zsas-lib"),
        "torch": _torch_pair(),
        "open_clip": metadata.version("open_clip_torch"),
        "book tools": _book_tools(),
        "devices": _devices(),
        "cache": _cache(),
        "results": _results(),
        "data": _data(),
        "project": _project(),
    }
    for name, finding in findings.items():
        typer.echo(f"{name:{max(map(len, findings))}}  {finding}")
    open_points = _forks()
    if open_points or any(AMISS in finding for finding in findings.values()):
        raise typer.Exit(1)


def _forks() -> int:
    """Print the checklist of every fork of the project here; returns how many points are open."""
    try:
        from ..project.chapters import ChaptersError, load_pages, project_root
        from ..site.fork import checklist
    except MissingPartError:
        return 0
    try:
        root = project_root()
        forks = [page for page in load_pages(root, "embedded").values() if page.fork_of]
    except ChaptersError:
        return 0
    open_points = 0
    for page in forks:
        points = checklist(page, root)
        open_points += sum(not point.done for point in points)
        typer.echo(
            f"fork {page.name} of {page.fork_of}: {sum(point.done for point in points)} of {len(points)} points done"
        )
        for point in points:
            typer.echo(f"  {point}")
    return open_points


def _torch_pair() -> str:
    torch, torchvision = metadata.version("torch"), metadata.version("torchvision")
    built_for = re.search(r"^torch \(?==([\w.]+)", "\n".join(metadata.requires("torchvision")), re.MULTILINE)[1]
    pair = f"{torch} with torchvision {torchvision}"
    return pair if built_for == torch.partition("+")[0] else f"{pair}, {AMISS}: that one is built for torch {built_for}"


def _book_tools() -> str:
    try:
        require(*BOOK_TOOLS)
    except MissingPartError as error:
        return f"{AMISS}: {error}"
    return ", ".join(f"{name} {metadata.version(name)}" for name in BOOK_TOOLS)


def _devices() -> str:
    import torch

    devices = [f"cpu with {os.cpu_count()} cores"]
    devices += [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return ", ".join(devices + (["mps"] if torch.backends.mps.is_available() else []))


def _cache() -> str:
    from zsas_lib.data.cache import cache_folder

    folder = cache_folder()
    if reason := why_unwritable(folder):
        return f"{AMISS}: nothing can be kept in {folder} ({reason}); name another folder in $ZSAS_CACHE"
    made = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return f"{folder}, holds {', '.join(made) or 'nothing yet'}"


def _results() -> str:
    from zsas_lib.store.folder import require_writable_store

    try:
        return str(require_writable_store())
    except UnwritableError as error:
        return f"{AMISS}: {error}"


def _data() -> str:
    from zsas_lib.data.registry import DATA_VARIABLE

    if not (folder := os.environ.get(DATA_VARIABLE)):
        return f"no folder in ${DATA_VARIABLE}"
    there = sorted(path.name for path in Path(folder).iterdir() if path.is_dir()) if Path(folder).is_dir() else None
    if there is None:
        return f"{AMISS}: ${DATA_VARIABLE} names {folder}, which is no folder"
    return f"{folder}, holds {', '.join(there) or 'nothing'}"


def _project() -> str:
    try:
        from ..project.chapters import ChaptersError, load_pages, project_root
    except MissingPartError as error:
        return f"{AMISS}: {error}"
    try:
        root = project_root()
        return f"{root}, {len(load_pages(root, 'embedded'))} pages"
    except ChaptersError as error:
        return f"none here ({error})"
