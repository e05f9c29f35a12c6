"""``zsas results``: stored results and computed pages that travel as one file."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Results and computed pages that travel as one file.")


@app.command()
def pack(
    archive: Annotated[Path, typer.Argument(help="The file to write; a new one.")],
    kind: Annotated[
        list[str] | None, typer.Option(help="Only results of this function, such as evaluate; may be repeated.")
    ] = None,
    page: Annotated[list[str] | None, typer.Option(help="Only this computed page; may be repeated.")] = None,
) -> None:
    """Pack the stored results and the computed pages, or those named, into one file with a manifest and digests.

    Where only kinds or only pages are named, nothing else is packed.
    """
    from ..jobs.archive import pack as packed

    store, computed = _folders()
    some = bool(kind or page)
    moved = packed(archive, store, computed, kinds=kind or [] if some else None, pages=page or [] if some else None)
    typer.echo(f"{archive} holds {moved}, in {archive.stat().st_size / 1e6:.1f} MB")


@app.command()
def unpack(archive: Annotated[Path, typer.Argument(help="A file that zsas results pack wrote.")]) -> None:
    """Check such a file as a whole, then add its results to the store and its pages to the book."""
    from ..jobs.archive import unpack as unpacked
    from ..project.chapters import CHAPTERS, page_profiles, project_root

    store, computed = _folders()
    moved = unpacked(archive, store, computed)
    typer.echo(f"{archive}: {moved}, in {store} and {computed}")
    for name in set(moved.named) - page_profiles(project_root()).keys():
        typer.echo(f"No page of {CHAPTERS} is called {name}: it is kept there and not rendered.", err=True)


def _folders() -> tuple[Path, Path]:
    from zsas_lib.store.folder import results_folder

    from ..project.chapters import COMPUTED, project_root

    return results_folder(), project_root() / COMPUTED
