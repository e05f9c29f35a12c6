#!/usr/bin/env bash
# scipy 1.17.1: `binary_closing` removes what it should only add to: a defect at the border of the picture is gone after it.
#
# Expected: a closing, which joins pieces and fills gaps, contains what was there, as OpenCV's, scikit-image's and kornia's
# do, and as scipy's own `grey_closing` of the same mask does.
# Seen: its last step, the erosion, takes what lies outside of the picture for background (`border_value=0`), so that each
# iteration eats a rim: after three of them a chipped edge of 3 pixels is gone, and a mask that fills the picture has lost
# an eighth. `border_value=1` is no way out, since the dilation before it then grows in from the border: a spot in the
# middle is changed as well. Padding first is.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 kornia==0.9.0 scipy==1.17.1 \
  scikit-image==0.26.0 opencv-python-headless==5.0.0.93 numpy==2.4.6
venv/bin/python - <<'PY' 2>/dev/null | tee seen
import cv2
import kornia.morphology
import numpy as np
import skimage.morphology
import torch
from scipy import ndimage

STEPS = 3
box = np.ones((2 * STEPS + 1,) * 2, np.uint8)
cross = ndimage.iterate_structure(ndimage.generate_binary_structure(2, 1), STEPS)


def padded(mask):
    inner = (slice(STEPS, -STEPS),) * 2
    return ndimage.binary_closing(np.pad(mask, STEPS), iterations=STEPS)[inner]


ways = {
    "scipy binary_closing": lambda mask: ndimage.binary_closing(mask, iterations=STEPS),
    "scipy, border_value=1": lambda mask: ndimage.binary_closing(mask, iterations=STEPS, border_value=1),
    "scipy, padded": padded,
    "scipy grey_closing": lambda mask: ndimage.grey_closing(mask, footprint=cross),
    "scikit-image": lambda mask: skimage.morphology.closing(mask, cross),
    "OpenCV": lambda mask: cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, box),
    "kornia": lambda mask: kornia.morphology.closing(
        torch.from_numpy(mask)[None, None].float(), torch.from_numpy(box).float()
    ).numpy(),
}
masks = {name: np.zeros((100, 100), bool) for name in ("chip", "part", "spot")}
masks["chip"][:3, 20:80] = True
masks["part"][:] = True
masks["spot"][40:60, 40:60] = True
for name, close in ways.items():
    print(f"{name}:", {mask: f"{int(own.sum())} to {int(close(own).sum())}" for mask, own in masks.items()})
PY
diff seen - <<'SEEN'
scipy binary_closing: {'chip': '180 to 0', 'part': '10000 to 8836', 'spot': '400 to 400'}
scipy, border_value=1: {'chip': '180 to 210', 'part': '10000 to 10000', 'spot': '400 to 424'}
scipy, padded: {'chip': '180 to 180', 'part': '10000 to 10000', 'spot': '400 to 400'}
scipy grey_closing: {'chip': '180 to 180', 'part': '10000 to 10000', 'spot': '400 to 400'}
scikit-image: {'chip': '180 to 180', 'part': '10000 to 10000', 'spot': '400 to 400'}
OpenCV: {'chip': '180 to 180', 'part': '10000 to 10000', 'spot': '400 to 400'}
kornia: {'chip': '180 to 180', 'part': '10000 to 10000', 'spot': '400 to 400'}
SEEN
