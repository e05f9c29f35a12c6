"""``zsas fork``: a chapter of one's own."""

import os
from pathlib import Path
from typing import Annotated

import typer


def fork(
    page: Annotated[str, typer.Argument(help="The page of chapters.yaml to start from, such as uniform_sweep.")],
    name: Annotated[str, typer.Option("--as", help="The new page's name: small letters, digits and _.")],
    backbone: Annotated[
        str,
        typer.Option(
            help="An alias, ARCHITECTURE:PRETRAINED, hf-hub:ORG/NAME, local-dir:FOLDER, or a name with the next two."
        ),
    ],
    architecture: Annotated[
        str | None, typer.Option(help="Of a backbone of your own: an open_clip name, a JSON file or FILE.py:NAME.")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="Of a backbone of your own: its weights file.")] = None,
) -> None:
    """Make a chapter of your own: a notebook pair, its entries, and a checklist that zsas doctor ticks off."""
    from zsas_lib.backbones.aliases import IN_A_FILE

    from ..project.chapters import load_pages, project_root
    from ..project.kinds import BACKBONE, FILE
    from ..project.paths import led
    from ..site.fork import checklist, fork_page

    root, here = project_root(), Path.cwd()
    own = IN_A_FILE.fullmatch(architecture or "")
    if architecture and own:
        architecture = f"{led(own[1], FILE, here, root)}:{own[2]}"
    elif architecture and architecture.endswith(".json"):
        architecture = led(architecture, FILE, here, root)
    backbone, weights = led(backbone, BACKBONE, here, root), led(weights, FILE, here, root)
    for path in fork_page(page, name, backbone, root, architecture=architecture, weights=weights):
        typer.echo(f"written: {os.path.relpath(path)}")
    for point in checklist(load_pages(root, "embedded")[name], root):
        typer.echo(str(point))
