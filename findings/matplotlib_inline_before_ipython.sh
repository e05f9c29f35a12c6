#!/usr/bin/env bash
# matplotlib 3.11.2, matplotlib-inline 0.2.2, ipykernel 7.4.0: whether a figure appears below its cell depends on when
# matplotlib_inline was imported.
#
# Expected: with MPLBACKEND naming the inline backend a kernel shows a figure at the end of its cell, whatever was imported
# before; a process that imports heavy packages once, and forks for each kernel, may import this one too.
# Seen: imported before IPython's shell is made, the backend never learns of the shell: cells run without an error or a word,
# and no figure appears. Imported later, or never by hand, it appears.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet matplotlib==3.11.2 matplotlib-inline==0.2.2 ipykernel==7.4.0 ipython==9.18.1 \
  nbclient==0.11.0 nbformat==5.11.1
cat > shown.py <<'PY'
import json
import os
import sys
from pathlib import Path

import nbclient
import nbformat

imports = {"never by hand": ("", ""), "in a cell": ("", "import matplotlib_inline.backend_inline"),
           "before the shell": ("import matplotlib_inline.backend_inline", "")}
os.environ |= {"JUPYTER_PATH": str(Path.cwd()), "MPLBACKEND": "module://matplotlib_inline.backend_inline",
               "IPYTHONDIR": str(Path.cwd() / "ipython")}
for number, (when, (early, late)) in enumerate(imports.items()):
    spec = Path("kernels", f"own{number}", "kernel.json")
    spec.parent.mkdir(parents=True)
    start = f"{early}\nfrom ipykernel.kernelapp import launch_new_instance\nlaunch_new_instance()"
    argv = [sys.executable, "-c", start, "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": argv, "display_name": "own", "language": "python"}))
    code = f"{late}\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbclient.NotebookClient(book, kernel_name=f"own{number}").execute()
    figures = sum("image/png" in output.get("data", {}) for output in book.cells[0].outputs)
    print(f"imported {when}: {figures} figure(s)")
PY
venv/bin/python shown.py 2>/dev/null | tee seen
diff seen - <<'SEEN'
imported never by hand: 1 figure(s)
imported in a cell: 1 figure(s)
imported before the shell: 0 figure(s)
SEEN
