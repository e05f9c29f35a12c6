"""``zsas plan`` and ``zsas status``: what would be computed for the book, and how its pages and shards stand."""

from typing import Annotated

import typer

Profile = Annotated[str, typer.Option(help="Under which profile of chapters.yaml.")]


def status(profile: Profile = "embedded") -> None:
    """List pages and shards as fresh, stale, missing or failed, with the reason and the last run's time."""
    from ..jobs.status import book_state, state_lines
    from ..project.chapters import project_root

    for line in state_lines(book_state(project_root(), profile)):
        typer.echo(line)


def plan(
    profile: Profile = "embedded",
    executor: Annotated[str, typer.Option(help="Where the jobs would run: local or slurm.")] = "local",
    partition: Annotated[str | None, typer.Option(help="A Slurm partition.")] = None,
    shards: Annotated[bool | None, typer.Option(help="Whether in shards; as the profile says without it.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say only what stands in the way.")] = False,
) -> None:
    """List what would be computed for the book and what it costs; exit status 2 where something stands in the way."""
    from ..jobs.plan import make_plan, report
    from ..project.chapters import project_root

    root = project_root()
    made = make_plan(root, profile, executor=executor, partition=partition or None, sharded=shards)
    if not quiet:
        for line in report(made, profile, root):
            typer.echo(line)
    if made.problems:
        typer.echo(f"zsas: the book cannot be made with profile {profile!r} here:", err=True)
        for problem in made.problems:
            typer.echo(f"- {' '.join(problem.split())}", err=True)
        raise typer.Exit(2)
