#!/usr/bin/env bash
# safetensors 0.8.0: from numpy, an array that lies in memory column by column is saved as other numbers, without a word: its
# memory is written in order, under its shape.
#
# Expected: the array comes back, as it does with 0.7.0, or an error, as the same library gives for such a tensor of torch.
# "Contiguous and dense", which is what the documentation asks for, it is.
# Seen: right shape and type, the same numbers, in other places. A projection that is transposed on its way from one
# library's weights to another's lies so, and so do axes that a decomposition returns.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 numpy==2.4.6
cat >save.py <<'PY'
from importlib.metadata import version

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch

projection = np.arange(6, dtype=np.float32).reshape(2, 3)
arrays = {"as made": projection, "transposed": projection.T, "Fortran's order": np.asfortranarray(projection)}
print("safetensors", version("safetensors"))
for name, array in arrays.items():
    safetensors.numpy.save_file({"projection": array}, "weights.safetensors")
    back = safetensors.numpy.load_file("weights.safetensors")["projection"]
    same = back.shape == array.shape and back.dtype == array.dtype
    print(f"{name:15}", array.astype(int).tolist(), "->", back.astype(int).tolist(), "shape and type kept:", same)
try:
    safetensors.torch.save_file({"projection": torch.from_numpy(projection).T}, "weights.safetensors")
    print("from torch, transposed: saved")
except ValueError as error:
    print("from torch, transposed:", type(error).__name__)
PY
{
  for version in 0.7.0 0.8.0; do
    venv/bin/python -m uv pip install --quiet --python venv/bin/python "safetensors[torch]==$version"
    venv/bin/python save.py
  done
} | tee seen
diff seen - <<'SEEN'
safetensors 0.7.0
as made         [[0, 1, 2], [3, 4, 5]] -> [[0, 1, 2], [3, 4, 5]] shape and type kept: True
transposed      [[0, 3], [1, 4], [2, 5]] -> [[0, 3], [1, 4], [2, 5]] shape and type kept: True
Fortran's order [[0, 1, 2], [3, 4, 5]] -> [[0, 1, 2], [3, 4, 5]] shape and type kept: True
from torch, transposed: ValueError
safetensors 0.8.0
as made         [[0, 1, 2], [3, 4, 5]] -> [[0, 1, 2], [3, 4, 5]] shape and type kept: True
transposed      [[0, 3], [1, 4], [2, 5]] -> [[0, 1], [2, 3], [4, 5]] shape and type kept: True
Fortran's order [[0, 1, 2], [3, 4, 5]] -> [[0, 3, 1], [4, 2, 5]] shape and type kept: True
from torch, transposed: ValueError
SEEN
