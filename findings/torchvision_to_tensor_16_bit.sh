#!/usr/bin/env bash
# torchvision 0.27.1, Pillow 12.3.0: `to_tensor` of a 16-bit grey picture gives signed 16-bit integers, neither scaled to
# [0, 1] as its documentation says of pictures nor with the values that the picture has.
#
# Expected: floats in [0, 1], as for 8 bits; or at least the picture's numbers, as `pil_to_tensor` and v2 give them.
# Seen: int16, in which 40000 is -25536 and 65535 is -1. `v2.functional.to_image` and `to_dtype(scale=True)` are right.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchvision==0.27.1 pillow==12.3.0 numpy==2.4.6
venv/bin/python - <<'PY' | tee seen
import numpy as np
import torch
from PIL import Image
from torchvision.transforms import functional, v2

picture = Image.fromarray(np.array([[0, 20000, 40000, 65535]], dtype=np.uint16))
old = functional.to_tensor(picture)
print("mode", picture.mode)
print("to_tensor", old.dtype, old.flatten().tolist())
print("pil_to_tensor", functional.pil_to_tensor(picture).dtype)
new = v2.functional.to_dtype(v2.functional.to_image(picture), torch.float32, scale=True)
print("v2, scaled", new.dtype, [round(value, 3) for value in new.flatten().tolist()])
PY
diff seen - <<'SEEN'
mode I;16
to_tensor torch.int16 [0, 20000, -25536, -1]
pil_to_tensor torch.uint16
v2, scaled torch.float32 [0.0, 0.305, 0.61, 1.0]
SEEN
