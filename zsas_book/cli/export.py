"""``zsas export``: a backbone as a page that runs by itself, or as a graph for native runtimes."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    backbone: Annotated[
        str, typer.Argument(help="An alias, ARCHITECTURE:PRETRAINED, hf-hub:ORG/NAME or local-dir:FOLDER.")
    ],
    output: Annotated[Path, typer.Argument(help="A new or empty folder; with --onnx a new file.")],
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Write the ONNX graph of the image tower and its windows.")
    ] = False,
    name: Annotated[
        list[str] | None, typer.Option(help="A class name that the page knows; again for more. Those of data sets.")
    ] = None,
    image_size: Annotated[int | None, typer.Option(help="In pixels; the backbone's own without it.")] = None,
    megabytes: Annotated[float, typer.Option(min=0, help="How much a page may load.")] = 16,
) -> None:
    """Write WinCLIP on a class-token ViT as a folder whose index.html runs in any browser, with no server.

    A backbone that a page cannot run, or one that is too large, is refused, and why is said.
    """
    from zsas_lib.backbones.registry import load_backbone, shapes_only
    from zsas_lib.base.errors import OptionError

    if not all(own.strip() for own in name or ()):
        raise OptionError(f"export got the class names {name}; expected a text in each, such as hazelnut.")
    shapes = shapes_only(backbone, image_size)
    if onnx:
        from ..browser.onnx import export_onnx, require_graph

        require_graph(shapes, output)
        difference = export_onnx(load_backbone(backbone, image_size=image_size), output)
        typer.echo(
            f"written: {output}; ONNX Runtime's embeddings differ from the library's by at most {difference:.1e}"
        )
        return
    from ..browser.export import PAGE_FILE, export_page, require_page

    largest = round(1e6 * megabytes)
    require_page(shapes, output, largest)
    tower = load_backbone(backbone, image_size=image_size)
    sizes = export_page(tower, output, names=name or (), largest=largest, title=f"WinCLIP on {tower.name}")
    typer.echo(
        f"written: {output / PAGE_FILE}; {sum(sizes.values()) / 1e6:.1f} MB are loaded at most, nothing before the "
        "button is pressed"
    )
