"""All commands of ``zsas``, one file for each group."""

from ..parts import require

require("typer")

import typer

from . import data, doctor, export, fork, plan, results, run, train

HELP = "Compute, check and share the chapters of the book, and what they stand on."
COMMANDS = (run.run, fork.fork, run.shard, plan.status, plan.plan, train.train, export.export, doctor.doctor)

app = typer.Typer(
    help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(data.app, name="data")
app.add_typer(results.app, name="results")
