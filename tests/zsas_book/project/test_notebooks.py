import json

import nbformat
import pytest
from mini_project import write_cells, write_notebook
from nbformat.v4 import new_code_cell

from zsas_book.project.notebooks import NotebookError, read_notebook

METADATA = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
EMPTY = {"cells": [], "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}


@pytest.mark.parametrize(
    "content",
    [
        [],
        None,
        {},
        EMPTY | {"cells": 3},
        EMPTY | {"cells": [3]},
        EMPTY | {"cells": [{}]},
        EMPTY | {"metadata": []},
        EMPTY | {"metadata": {"kernelspec": []}},
        EMPTY | {"nbformat": 3, "worksheets": []},
        EMPTY | {"nbformat": 99},
    ],
)
def test_json_that_is_no_notebook_is_refused_in_one_sentence(content, tmp_path):
    path = tmp_path / "page.ipynb"
    path.write_text(json.dumps(content))
    with pytest.raises(NotebookError, match=r"page\.ipynb cannot be read as a notebook in UTF-8 \(\w+: "):
        read_notebook(path)


def test_other_encodings_are_refused_and_a_mark_of_utf_8_is_read(tmp_path):
    path = write_notebook(tmp_path / "page.ipynb", "print('Ähre')")
    text = path.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8-sig")
    assert read_notebook(path).cells == nbformat.reads(text, as_version=4).cells
    for encoding in ("utf-16", "latin-1"):
        path.write_bytes(text.encode(encoding))
        with pytest.raises(NotebookError, match=r"in UTF-8 \(UnicodeDecodeError: "):
            read_notebook(path)


@pytest.mark.parametrize("tag", ["raises-exception", "skip-execution"])
def test_a_cell_that_need_not_run_well_is_refused(tag, tmp_path):
    cells = [new_code_cell("x = 1"), new_code_cell("\n1 / 0", metadata={"tags": ["hide-input", tag]})]
    path = write_cells(tmp_path / "page.ipynb", cells)
    with pytest.raises(NotebookError, match=f"the cell `1 / 0` is tagged '{tag}'.*take the tag away"):
        read_notebook(path)
