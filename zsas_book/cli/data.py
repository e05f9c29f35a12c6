"""``zsas data``: data sets on disk."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Data sets on disk.")


@app.callback()
def group() -> None:
    """Keeps ``check`` a command of its own while it is the only one."""


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="The data set's name, such as mvtec.")],
    path: Annotated[Path, typer.Argument(help="The folder that holds it.")],
    decode: Annotated[bool, typer.Option(help="Also read every picture in full.")] = False,
) -> None:
    """Compare a data set on disk with the official one; exit status 1 if any is missing, there twice or unread."""
    from zsas_lib.data.check import check_dataset

    table = check_dataset(name, path, decode=decode)
    typer.echo(table.to_string(index=False))
    problems = table.attrs["problems"]
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{name} in {path}: {table['found'].sum()} pictures, nothing is missing.")
