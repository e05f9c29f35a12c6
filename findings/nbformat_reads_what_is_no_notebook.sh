#!/usr/bin/env bash
# nbformat 5.11.1: what is JSON but no notebook is read as one without its code, or raises an error that is not
# nbformat's.
#
# Expected: nbformat.read returns a notebook with what the file holds, or raises NotJSONError, NBFormatError or
# ValidationError.
# Seen: a notebook that lacks its "nbformat" alone is taken for one of version 2 and brought up to date: it is valid,
# has as many cells as before, each empty, and nothing warns; written back, the code is gone. A list or a number
# raises AttributeError.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet nbformat==5.11.1
venv/bin/python - <<'PY' | tee seen
import json
import pathlib
import warnings
import nbformat

code = {"cell_type": "code", "id": "a", "metadata": {}, "source": "print(1)", "outputs": [], "execution_count": None}
whole = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [code]}
files = {
    "a notebook": whole,
    "a notebook without nbformat": {key: value for key, value in whole.items() if key != "nbformat"},
    "a notebook without cells": {key: value for key, value in whole.items() if key != "cells"},
    "an object": {"a": 1},
    "a list": [],
    "a number": 3,
}
for name, content in files.items():
    pathlib.Path("page.ipynb").write_text(json.dumps(content))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            notebook = nbformat.read("page.ipynb", as_version=4)
            nbformat.validate(notebook)
            seen = f"valid, sources {[cell.source for cell in notebook.cells]}"
        except Exception as error:
            seen = f"{type(error).__module__}.{type(error).__name__}"
    print(f"{name}: {seen}, warnings: {[entry.category.__name__ for entry in warned]}")
PY
diff seen - <<'SEEN'
a notebook: valid, sources ['print(1)'], warnings: []
a notebook without nbformat: valid, sources [''], warnings: []
a notebook without cells: jsonschema.exceptions.ValidationError, warnings: []
an object: jsonschema.exceptions.ValidationError, warnings: []
a list: builtins.AttributeError, warnings: []
a number: builtins.AttributeError, warnings: []
SEEN
