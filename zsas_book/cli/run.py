"""``zsas run`` and ``zsas shard``: one page, or one piece of a page's work, with checked parameters."""

import os
import shlex
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zsas_lib.base.errors import OptionError, UnknownNameError

from ..machine.gpus import machine_gpus, one_gpu

if TYPE_CHECKING:
    from ..project.chapters import Page

Given = Annotated[
    list[str] | None, typer.Option("-p", metavar="NAME VALUE", help="A parameter's value; one -p for each parameter.")
]
Gpu = Annotated[bool, typer.Option("--gpu", help="Take one of this machine's GPUs for this run only.")]


def run(
    target: Annotated[str, typer.Argument(metavar="PAGE_OR_NOTEBOOK", help="A page of chapters.yaml or a notebook.")],
    parameter: Given = None,
    profile: Annotated[str, typer.Option(help="Under which profile of chapters.yaml a page is made.")] = "embedded",
    output: Annotated[Path | None, typer.Option(help="The computed notebook, a new file NAME.ipynb.")] = None,
    gpu: Gpu = False,
) -> None:
    """Check the parameters, run the notebook and publish the result.

    A page with the book's own parameters becomes part of the book. Anything else goes to a new folder in runs/, where
    it is rendered beside the book's own run, with the differences of their numbers.
    """
    from ..pages.compute import check_output, check_parameters, compute_page, require_places
    from ..project.chapters import COMPUTED, find_page, project_root

    root = project_root()
    page = find_page(target, profile, root)
    overrides = _overrides(parameter, page, root)
    if output is not None or (page.profile and not overrides):
        output = output or root / COMPUTED / f"{page.name}.ipynb"
        check_output(page, output, root)
        require_places(output)
        with _a_gpu_if(gpu):
            compute_page(page, output, root=root, overrides=overrides)
        typer.echo(f"{page.name} is computed: {os.path.relpath(output)}")
        return
    from ..site.rerun import RUNS, new_run_folder, render_beside, summary

    check_parameters(page, root, overrides)
    require_places(root / RUNS / f"{page.name}.ipynb")
    output = new_run_folder(page.name, root) / f"{page.name}.ipynb"
    try:
        with _a_gpu_if(gpu):
            compute_page(page, output, root=root, overrides=overrides)
    except BaseException:
        with suppress(OSError):  # it is not empty
            output.parent.rmdir()
        raise
    typer.echo(f"{page.name} is computed: {os.path.relpath(output)}; rendering it beside the book's run")
    html, differences = render_beside(page, output, root)
    typer.echo(f"{summary(differences)} Open {os.path.relpath(html)}")


def shard(
    page: Annotated[str, typer.Argument(help="A page of chapters.yaml that lists shards.")],
    name: Annotated[str, typer.Argument(metavar="SHARD", help="One of its shards, such as a category.")],
    parameter: Given = None,
    profile: Annotated[str, typer.Option(help="Under which profile of chapters.yaml.")] = "embedded",
    gpu: Gpu = False,
) -> None:
    """Compute one piece of a page's work and put it into the store, from where the page takes it.

    With parameters of your own it leaves no receipt.
    """
    from ..jobs.shards import compute_shard, page_shards
    from ..project.chapters import find_page, project_root

    root = project_root()
    whole = find_page(page, profile, root)
    shards = page_shards(whole, root)
    if not shards:
        raise OptionError(f"{page} has no shards; compute it whole: zsas run {page}.")
    if name not in shards:
        raise UnknownNameError(f"shard of {page}", name, shards)
    with _a_gpu_if(gpu):
        counts = compute_shard(shards[name], root, _overrides(parameter, whole, root))
    results = f"{counts['requested']} results, {counts['computed']} of them computed now"
    typer.echo(f"{page}/{name} is in the store: {results}.")


def _a_gpu_if(asked: bool) -> AbstractContextManager:
    if not asked:
        return nullcontext()
    names = machine_gpus()
    if not names:
        typer.echo("There is no GPU here that nvidia-smi lists: this run takes the processor.", err=True)
    return one_gpu(names)


def paired(arguments: Sequence[str]) -> list[str]:
    """``-p NAME VALUE``, as papermill spells it, becomes ``-p NAME=VALUE``: typer repeats one-value options only."""
    paired, rest = [], iter(arguments)
    for argument in rest:
        paired.append(argument)
        if argument == "-p":
            name = next(rest, "")
            paired.append(name if "=" in name else "=".join([name, *islice(rest, 1)]))
    return paired


def overrides_of(pairs: Sequence[str]) -> dict[str, str]:
    """The values by name of what ``-p`` was given, each as NAME=VALUE."""
    split = [pair.partition("=") for pair in pairs]
    if not all(name and separator for name, separator, _ in split):
        raise typer.BadParameter("-p takes a name and a value, such as -p steps 9.")
    given: dict[str, str] = {}
    for name, _, value in split:
        if name in given:
            raise typer.BadParameter(
                f"-p {name} is given twice, with {given[name]} and with {value}; of a list give all at once: "
                f"-p {name} {shlex.quote(f'{given[name]},{value}')}."
            )
        given[name] = value
    return given


def _overrides(pairs: Sequence[str] | None, page: "Page", root: Path) -> dict[str, str]:
    """What -p was given for a page; paths are relative to the folder in which the command was given."""
    from ..project.notebooks import read_notebook
    from ..project.parameters import read_parameters
    from ..project.paths import seen_from

    given = overrides_of(pairs or ())
    return seen_from(Path.cwd(), root, read_parameters(read_notebook(root / page.notebook)), given) if given else given
