#!/usr/bin/env bash
# torch 2.12.1: on the meta device, where nothing is computed, operations take longer than on the CPU that computes them.
#
# Expected: shapes alone, hence at most the time of a small tensor's real operation; the device is the advised way to ask a
# large model for its shapes and operations.
# Seen: adding eight numbers takes one microsecond, adding eight without numbers some sixty; clamp and layer norm more than
# a hundred. The kernels of element-wise operations for this device are functions in Python, which take the place of those
# in C++; views, sums and products have the latter. A network of a hundred layers takes tenths of a second, whatever its
# size, of which initialising its weights, which have no numbers either, is a good part.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1
OMP_NUM_THREADS=1 venv/bin/python - <<'PY' | tee seen
import sys
from timeit import repeat

import torch
from torch.nn.functional import layer_norm

operations = {
    "add": lambda x: x + x,
    "clamp": lambda x: x.clamp(0, 1),
    "layer_norm": lambda x: layer_norm(x, (8,)),
    "view": lambda x: x.view(2, 4),
}
real, meta = torch.zeros(8), torch.zeros(8, device="meta")
for name, operation in operations.items():
    on_cpu, without = (min(repeat(lambda: operation(x), number=200, repeat=7)) for x in (real, meta))
    print(f"{name}: {on_cpu * 5e3:.1f} and {without * 5e3:.1f} microseconds", file=sys.stderr)
    print(f"{name}: without numbers more than ten times as long: {without > 10 * on_cpu}")
PY
diff seen - <<'SEEN'
add: without numbers more than ten times as long: True
clamp: without numbers more than ten times as long: True
layer_norm: without numbers more than ten times as long: True
view: without numbers more than ten times as long: False
SEEN
