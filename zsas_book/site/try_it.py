"""The page *Try it*, and its compact forms in chapters: the embedded model, to run in the reader's browser.

What the browser loads is written from the library when the book is rendered: see `zsas_book.browser`.
"""

from pathlib import Path

import nbformat
import pandas as pd
from nbformat.v4 import new_markdown_cell

from zsas_lib.backbones.registry import load_backbone
from zsas_lib.data.load import load_dataset

from ..browser.export import Example, export_page, known_names
from ..browser.form import form
from ..project.chapters import COMPUTED
from ..tables.numbers import read_published

PAGE = "try_it.md"
FORM, NUMBERS = "<!-- the model -->", "<!-- its numbers -->"
"""What stands in the page's text for both."""
FOLDER = "model"
"""Of the scripts, in the built book."""
BACKBONE, DATASET = "embedded", "embedded-b"
COMPACT = {"winclip_windows": "windows", "uniform_sweep": "rotation"}
"""Which form stands at the end of which chapter."""
SHOWN = ("plastic_capsule", "brushed_hexagon", "leather_sheet")
"""The categories whose pictures ship, one damaged and one sound each."""
BENCHMARK = "embedded_benchmark"
ON_YOUR_OWN = """## On your own picture

The same model, in this page. [Try it](../try_it) has all of it, and says what it can and cannot see.

{form}
"""


def write_try_it(root: Path, source: Path) -> None:
    """Write the scripts into the staged sources of a book that has the page, and the forms into its pages."""
    page = source / PAGE
    if not page.is_file():
        return
    backbone = load_backbone(BACKBONE)
    pictures = load_dataset(DATASET, image_size=backbone.image_size)
    names = sorted({*known_names(), *pictures.categories}, key=str.lower)
    sizes = export_page(backbone, source / "_extra" / FOLDER, names=names, examples=examples(pictures))
    text = page.read_text(encoding="utf-8")
    text = text.replace(FORM, _raw(form(f"{FOLDER}/", sizes))).replace(NUMBERS, numbers(root))
    page.write_text(text, encoding="utf-8")
    for name, kind in COMPACT.items():
        chapter = source / Path(COMPUTED).name / f"{name}.ipynb"
        if chapter.is_file():
            notebook = nbformat.read(chapter, as_version=4)
            asked = _raw(form(f"../{FOLDER}/", sizes, kind, "Load the model"))
            notebook.cells.append(new_markdown_cell(ON_YOUR_OWN.format(form=asked)))
            nbformat.write(notebook, chapter)


def examples(pictures) -> list[Example]:
    """A damaged and a sound picture of each of the categories `SHOWN`."""
    chosen = []
    for category in SHOWN:
        part = pictures.select([category])
        for damaged in (True, False):
            place = next(i for i, record in enumerate(part.records) if record.is_anomalous == damaged)
            label = f"{category.replace('_', ' ')}, {'damaged' if damaged else 'sound'}"
            sample = part[place]
            chosen.append(Example(sample.image, sample.mask, category, label))
    return chosen


def numbers(root: Path) -> str:
    """What *The embedded benchmark* found of this tower, in a sentence; a hint where it has not been computed."""
    found = {name: _mean(root, name) for name in ("winclip", "best_trivial_map")}
    if any(row is None for row in found.values()):
        return "Its numbers are on [The embedded benchmark](_computed/embedded_benchmark), once that page is computed."
    ours, trivial = found.values()
    return (
        f"On the pictures of [The embedded benchmark](_computed/embedded_benchmark), products that it was not trained "
        f"on, it reaches {100 * ours.pixel_auroc:.1f} % pixel AUROC, {100 * ours.aupro:.1f} % AUPRO and "
        f"{100 * ours.image_auroc:.1f} % image AUROC; the best map made without any model has "
        f"{100 * trivial.pixel_auroc:.1f}, {100 * trivial.aupro:.1f} and {100 * trivial.image_auroc:.1f}."
    )


def _mean(root: Path, name: str) -> pd.Series | None:
    path = root / COMPUTED / f"{BENCHMARK}_files" / f"{name}.csv"
    return read_published(path).set_index("category").loc["mean"] if path.is_file() else None


def _raw(html: str) -> str:
    return f"```{{raw}} html\n{html}```"
