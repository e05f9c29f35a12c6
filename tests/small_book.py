"""A rendered book of two pages that have what the book's pages have: formulas, figures, sliders, tables, hidden
code."""

import base64
import io
import json
from pathlib import Path

import matplotlib.pyplot as plt
import mini_project
import nbformat
import numpy as np
import pandas as pd
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from zsas_book import figures
from zsas_book.figures.slider import frame_slider

RUN = {"duration": 1.0, "exception": None}
RECORD = {
    "device": "no device",
    "duration": "1 s",
    "computed": "2026-01-01 00:00 UTC",
    "commit": "0" * 40,
    "versions": {"python": "3"},
}


def make(root: Path) -> Path:
    """Write and render the book in ``root``, which must not exist yet; returns the folder of its HTML."""
    mini_project.make(root)
    cells = [
        new_markdown_cell(
            "# Things to look at\n\nA formula, $\\sigma(x) = 1 / (1 + e^{-x})$, and one of its own:\n\n"
            "$$\\int_0^1 x^2\\,dx = \\tfrac13$$"
        ),
        new_markdown_cell(
            "| parameter | value | meaning |\n|---|---|---|\n| `a_long_name_of_a_parameter` | | "
            + "many words about it " * 9
            + "|"
        ),
        _shown(
            _figure(),
            {"mystnb": {"image": {"alt": "Two rising lines"}, "figure": {"name": "fig-lines", "caption": "Lines."}}},
        ),
        _shown(
            {"text/html": pd.DataFrame(np.eye(9), columns=[f"quantity number {n}" for n in range(9)]).to_html()},
            {"mystnb": {"figure": {"name": "tab-ones", "caption": "Ones and zeros."}}},
        ),
        _shown({"text/html": slider()}, {}),
        new_markdown_cell("```bash\nzsas run first --profile embedded\n```"),
    ]
    _write(root, "first", cells)
    published = root / "book" / "_computed" / "first_files"
    published.mkdir()
    (published / "lines.csv").write_text("line,rise,rise_se\none,1,0.25\ntwo,2,\nsteep,inf,\n")
    _write(
        root,
        "second",
        [
            new_markdown_cell(
                "# The other page\n\nNothing but words. See {numref}`fig-lines` and {numref}`tab-ones`.\n\n"
                f"$$ a = {' + '.join(f'b_{number}' for number in range(10, 50))} $$"
            )
        ],
    )
    rendered = mini_project.run_in(root, "-m", "zsas_book.site.render")
    assert rendered.returncode == 0, rendered.stderr
    return root / "book" / "_build" / "html"


def slider() -> str:
    """A slider of three grey frames, at the middle one."""
    frames = [np.full((30, 60, 3), grey, dtype=np.uint8) for grey in (10, 120, 230)]
    words = ["dark", "grey", "bright"]
    return frame_slider(frames, words, words, label="brightness", alt="A grey picture", start=1, curve=[1.0, 2.0, 3.0])


def _figure() -> dict[str, str]:
    with plt.rc_context():
        figures.use_style()
        figure, axes = plt.subplots(figsize=(7, 3))
        axes.plot([0, 1], [0, 1], label="one")
        axes.plot([0, 1], [0, 2], label="two")
        axes.legend()
        file = io.BytesIO()
        figure.savefig(file, format="png")
        plt.close(figure)
    return {"image/png": base64.b64encode(file.getvalue()).decode()}


def _shown(data: dict[str, str], metadata: dict) -> nbformat.NotebookNode:
    output = new_output("display_data", data)
    return new_code_cell("show()", outputs=[output], execution_count=1, metadata={"tags": ["hide-input"], **metadata})


def _write(root: Path, page: str, cells: list) -> None:
    notebook = new_notebook(cells=cells, metadata={"papermill": RUN})
    notebook.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    path = root / "book" / "_computed" / f"{page}.ipynb"
    path.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, path)
    path.with_suffix(".json").write_text(
        json.dumps(
            {
                "page": page,
                "profile": "embedded",
                "given": {},
                "notebook": {"path": f"notebooks/{page}.ipynb", "digest": ""},
                "digest": "not made from anything",
                "library": {},
                "data": {},
                "record": RECORD,
            }
        )
    )
