"""The command ``zsas``: one file for each group of commands, thin over the functions of the library and the book."""

import sys
from collections.abc import Sequence

import typer

from . import data, doctor, fork, plan, results, run, train

HELP = "Compute, check and share the chapters of the book, and what they stand on."
COMMANDS = (run.run, fork.fork, run.shard, plan.status, plan.plan, train.train, doctor.doctor)

app = typer.Typer(
    help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(data.app, name="data")
app.add_typer(results.app, name="results")


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point: errors of the library's own and of files end in one sentence and exit status 2."""
    try:
        app(run.paired(sys.argv[1:] if arguments is None else arguments), prog_name="zsas")
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] not in ("zsas_lib", "zsas_book"):
            raise
        typer.echo(f"zsas: {' '.join(str(error).split())}", err=True)
        raise SystemExit(2) from None
