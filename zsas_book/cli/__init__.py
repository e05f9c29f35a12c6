"""The command line: ``zsas doctor``, ``run``, ``fork``, ``shard``, ``status``, ``plan``, ``train``, ``data check``,
``results``; thin over the library's functions."""

import os
import platform
import re
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from zsas_lib.base.errors import UnknownNameError

from ..machine.gpus import one_gpu
from ..project.chapters import CHAPTERS, COMPUTED, ChaptersError, Page, load_pages, project_root

AMISS = "amiss"
BOOK_TOOLS = ("jupyter-book", "papermill", "jupytext", "snakemake")

app = typer.Typer(
    help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)
data = typer.Typer(no_args_is_help=True, help="Data sets on disk.")
app.add_typer(data, name="data")
results = typer.Typer(no_args_is_help=True, help="Results and computed pages that travel as one file.")
app.add_typer(results, name="results")


@app.command()
def run(
    target: Annotated[str, typer.Argument(metavar="PAGE_OR_NOTEBOOK", help="A page of chapters.yaml or a notebook.")],
    parameter: Annotated[
        list[str] | None, typer.Option("-p", metavar="NAME VALUE", help="A parameter's value; may be repeated.")
    ] = None,
    profile: Annotated[str, typer.Option(help="Under which profile of chapters.yaml a page is made.")] = "embedded",
    output: Annotated[Path | None, typer.Option(help="Where the computed notebook goes.")] = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="Take one of this machine's GPUs for this run alone.")] = False,
) -> None:
    """Check the parameters, run the notebook and publish the result.

    A page with the book's own parameters becomes part of the book. Anything else goes to a new folder in runs/, where it
    is rendered beside the book's own run, with the differences of their numbers.
    """
    from ..pages.compute import check_parameters, compute_page

    root = project_root()
    overrides = _overrides(parameter or ())
    page = _page(target, profile, root)
    if output is not None or (page.profile and not overrides):
        output = output or root / COMPUTED / f"{page.name}.ipynb"
        with one_gpu() if gpu else nullcontext():
            compute_page(page, output, root=root, overrides=overrides)
        typer.echo(f"{page.name} is computed: {os.path.relpath(output)}")
        return
    from ..site.rerun import new_run_folder, render_beside, summary

    check_parameters(page, root, overrides)
    output = new_run_folder(page.name, root) / f"{page.name}.ipynb"
    with one_gpu() if gpu else nullcontext():
        compute_page(page, output, root=root, overrides=overrides)
    typer.echo(f"{page.name} is computed: {os.path.relpath(output)}; rendering it beside the book's run")
    html, differences = render_beside(page, output, root)
    typer.echo(f"{summary(differences)} Open {os.path.relpath(html)}")


@app.command()
def fork(
    page: Annotated[str, typer.Argument(help="The page of chapters.yaml to start from, such as uniform_sweep.")],
    name: Annotated[str, typer.Option("--as", help="The new page's name: small letters, digits and _.")],
    backbone: Annotated[
        str, typer.Option(help="An alias, ARCHITECTURE:PRETRAINED, hf-hub:ORG/NAME, or a new name with the next two.")
    ],
    architecture: Annotated[
        str | None, typer.Option(help="Of a backbone of your own: an open_clip name or a JSON file.")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="Of a backbone of your own: its weights file.")] = None,
) -> None:
    """Make a chapter of your own: a notebook pair, its entries, and a checklist that zsas doctor ticks off."""
    from ..site.fork import checklist, fork_page

    root = project_root()
    for path in fork_page(page, name, backbone, root, architecture=architecture, weights=weights):
        typer.echo(f"written: {os.path.relpath(path)}")
    for point in checklist(load_pages(root, "embedded")[name], root):
        typer.echo(str(point))


@app.command()
def shard(
    page: Annotated[str, typer.Argument(help="A page of chapters.yaml that lists shards.")],
    name: Annotated[str, typer.Argument(metavar="SHARD", help="One of its shards, such as a category.")],
    parameter: Annotated[
        list[str] | None, typer.Option("-p", metavar="NAME VALUE", help="As for run; leaves no receipt.")
    ] = None,
    profile: Annotated[str, typer.Option(help="Under which profile of chapters.yaml.")] = "embedded",
    gpu: Annotated[bool, typer.Option("--gpu", help="Take one of this machine's GPUs for this run alone.")] = False,
) -> None:
    """Compute one piece of a page's work and put it into the store, from where the page takes it."""
    from ..jobs.shards import compute_shard, page_shards

    root = project_root()
    shards = page_shards(_page(page, profile, root), root)
    if name not in shards:
        raise UnknownNameError(f"shard of {page}", name, shards)
    with one_gpu() if gpu else nullcontext():
        counts = compute_shard(shards[name], root, _overrides(parameter or ()))
    typer.echo(f"{page}/{name} is in the store: {counts['asked']} results, {counts['computed']} of them computed now.")


@app.command()
def status(profile: Annotated[str, typer.Option(help="Under which profile of chapters.yaml.")] = "embedded") -> None:
    """List pages and shards as fresh, stale, missing or failed, with the reason and the last run's time."""
    from ..jobs.status import book_state, state_lines

    for line in state_lines(book_state(project_root(), profile)):
        typer.echo(line)


@app.command()
def plan(
    profile: Annotated[str, typer.Option(help="Under which profile of chapters.yaml.")] = "embedded",
    executor: Annotated[str, typer.Option(help="Where the jobs would run: local or slurm.")] = "local",
    partition: Annotated[str | None, typer.Option(help="A Slurm partition.")] = None,
    shards: Annotated[bool | None, typer.Option(help="Whether in shards; as the profile says without it.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say only what stands in the way.")] = False,
) -> None:
    """List what would be computed for the book and what it costs; exit status 2 where something stands in the way."""
    from ..jobs.plan import make_plan, report

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


@app.command()
def train(
    model: Annotated[str, typer.Argument(help="A model that learns, such as vcpclip+ or anomalyclip.")],
    output: Annotated[
        Path, typer.Argument(help="The file of what is learned, for zsas.load_model(..., checkpoint=...).")
    ],
    dataset: Annotated[str, typer.Option(help="The auxiliary data set.")] = "embedded-a",
    root: Annotated[Path | None, typer.Option(help="The folder that holds it.")] = None,
    backbone: Annotated[str, typer.Option(help="The frozen backbone.")] = "embedded",
    image_size: Annotated[int | None, typer.Option(help="In pixels; the backbone's own without it.")] = None,
    activation: Annotated[str | None, typer.Option(help="gelu or quick_gelu; the weights' own without it.")] = None,
    seed: Annotated[int, typer.Option()] = 0,
    epochs: Annotated[int | None, typer.Option(help="The paper's without it; so for the next three.")] = None,
    training_batch_size: Annotated[int | None, typer.Option()] = None,
    rate: Annotated[float | None, typer.Option()] = None,
    augment: Annotated[bool | None, typer.Option()] = None,
    zoom: Annotated[float, typer.Option(help="How often a picture is cut to a part of itself, in 0..1.")] = 0.0,
    decay: Annotated[bool, typer.Option(help="Let the rate fall to zero.")] = False,
    loss_size: Annotated[
        int | None, typer.Option(help="Side in pixels at which maps meet masks; the pictures' without it.")
    ] = None,
) -> None:
    """Train a model's learnable parts on an auxiliary data set; a run that was stopped goes on from its last epoch."""
    import zsas_lib as zsas

    tower = zsas.load_backbone(backbone, image_size=image_size, activation=activation)
    learner = zsas.load_model(model, tower)
    log = zsas.fit(
        learner,
        zsas.load_dataset(dataset, root, image_size=tower.image_size),
        seed=seed,
        epochs=epochs,
        training_batch_size=training_batch_size,
        rate=rate,
        augment=augment,
        zoom=zoom,
        decay=decay,
        loss_size=loss_size,
        checkpoint=output.with_suffix(".checkpoint"),
    )
    learner.save(output)
    typer.echo(
        f"{model} is trained: {len(log)} steps, loss {log.loss.iloc[0]:.3f} to {log.loss.iloc[-1]:.3f}, in {output}"
    )


@data.command()
def check(
    name: Annotated[str, typer.Argument(help="The data set's name, such as mvtec.")],
    path: Annotated[Path, typer.Argument(help="The folder that holds it.")],
    decode: Annotated[bool, typer.Option(help="Also read every picture in full.")] = False,
) -> None:
    """Compare a data set on disk with the official one; exit status 1 where something is missing."""
    from zsas_lib.data.check import check_dataset

    table = check_dataset(name, path, decode=decode)
    typer.echo(table.to_string(index=False))
    problems = table.attrs["problems"]
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{name} in {path}: {table['found'].sum()} pictures, nothing is missing.")


@results.command()
def pack(
    archive: Annotated[Path, typer.Argument(help="The file to write.")],
    kind: Annotated[
        list[str] | None, typer.Option(help="Only results of this function, such as evaluate; may be repeated.")
    ] = None,
    page: Annotated[list[str] | None, typer.Option(help="Only this computed page; may be repeated.")] = None,
) -> None:
    """Pack the stored results and the computed pages, or those named, into one file with a manifest and digests.

    Where only kinds or only pages are named, nothing else is packed.
    """
    from ..jobs.archive import pack as packed

    store, computed = _travelling()
    some = bool(kind or page)
    moved = packed(archive, store, computed, kinds=kind or [] if some else None, pages=page or [] if some else None)
    typer.echo(f"{archive} holds {moved}, in {archive.stat().st_size / 1e6:.1f} MB")


@results.command()
def unpack(archive: Annotated[Path, typer.Argument(help="A file that zsas results pack wrote.")]) -> None:
    """Check such a file as a whole, then add its results to the store and its pages to the book."""
    from ..jobs.archive import unpack as unpacked

    store, computed = _travelling()
    typer.echo(f"{archive}: {unpacked(archive, store, computed)}, in {store} and {computed}")


def _travelling() -> tuple[Path, Path]:
    from zsas_lib.store.results import results_folder

    return results_folder(), project_root() / COMPUTED


@app.command()
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
        "project": _project(),
    }
    for name, finding in findings.items():
        typer.echo(f"{name:{max(map(len, findings))}}  {finding}")
    open_points = _forks()
    if open_points or any(AMISS in finding for finding in findings.values()):
        raise typer.Exit(1)


def _forks() -> int:
    """Print the checklist of every fork of the project that the current folder lies in; returns how many points are open."""
    try:
        root = project_root()
        forks = [page for page in load_pages(root, "embedded").values() if page.fork_of]
    except ChaptersError:
        return 0
    if not forks:
        return 0
    from ..site.fork import checklist

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


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point: errors of the library's own and of files end in one sentence and exit status 2."""
    try:
        app(_paired(sys.argv[1:] if arguments is None else arguments), prog_name="zsas")
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] not in ("zsas_lib", "zsas_book"):
            raise
        typer.echo(f"zsas: {' '.join(str(error).split())}", err=True)
        raise SystemExit(2) from None


def _paired(arguments: Sequence[str]) -> list[str]:
    """``-p NAME VALUE``, as papermill spells it, becomes ``-p NAME=VALUE``: typer repeats one-value options only."""
    paired, rest = [], iter(arguments)
    for argument in rest:
        paired.append(argument)
        if argument == "-p":
            name = next(rest, "")
            paired.append(name if "=" in name else "=".join([name, *islice(rest, 1)]))
    return paired


def _overrides(pairs: Sequence[str]) -> dict[str, str]:
    split = [pair.partition("=") for pair in pairs]
    if not all(name and separator for name, separator, _ in split):
        raise typer.BadParameter("-p takes a name and a value, such as -p steps 9.")
    return {name: value for name, _, value in split}


def _torch_pair() -> str:
    torch, torchvision = metadata.version("torch"), metadata.version("torchvision")
    built_for = re.search(r"^torch \(?==([\w.]+)", "\n".join(metadata.requires("torchvision")), re.MULTILINE)[1]
    pair = f"{torch} with torchvision {torchvision}"
    return pair if built_for == torch.partition("+")[0] else f"{pair}, {AMISS}: that one is built for torch {built_for}"


def _book_tools() -> str:
    found = {}
    for name in BOOK_TOOLS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            return f"{AMISS}: {name} is not installed; install zsas-lib[book]"
    return ", ".join(f"{name} {version}" for name, version in found.items())


def _devices() -> str:
    import torch

    devices = [f"cpu with {os.cpu_count()} cores"]
    devices += [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return ", ".join(devices + (["mps"] if torch.backends.mps.is_available() else []))


def _cache() -> str:
    from zsas_lib.data.registry import cache_folder

    folder = cache_folder()
    made = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return f"{folder}, holds {', '.join(made) or 'nothing yet'}"


def _project() -> str:
    try:
        root = project_root()
        return f"{root}, {len(load_pages(root, 'embedded'))} pages"
    except ChaptersError as error:
        return f"none here ({error})"


def _page(target: str, profile: str, root: Path) -> Page:
    if target.endswith(".ipynb"):
        notebook = Path(target).resolve()
        inside = notebook.is_relative_to(root)
        return Page(notebook.stem, notebook.relative_to(root) if inside else notebook)
    pages = load_pages(root, profile)
    if target not in pages:
        raise UnknownNameError("page", target, pages, f"These are the ones of profile {profile!r} in {CHAPTERS}.")
    return pages[target]


if __name__ == "__main__":
    main()
