#!/usr/bin/env bash
# torchvision 0.27.1: a picture that was resized as floats, with bicubic interpolation, has dark specks in its white parts
# once it is converted to 8 bits.
#
# Expected: what goes beyond white is cut off at white, as torchvision's own `save_image` does, as its resizing of 8-bit
# tensors does and as Pillow does.
# Seen: bicubic interpolation overshoots beside an edge, up to 1.06 here, and both `to_pil_image` and `to_dtype` with
# scale=True take the result modulo 256: white beside black becomes nearly black. Nothing warns. Who prepares pictures as
# floats for a CLIP tower and stores them finds defects in them that were not there. A clamp before it mends it.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchvision==0.27.1 Pillow==13.0.0 \
  numpy==2.4.6
venv/bin/python - <<'PY' 2>/dev/null | tee seen
import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F
from torchvision.utils import save_image

SIZE = [160, 160]
picture = torch.zeros(3, 64, 64, dtype=torch.uint8)
picture[..., 32:] = 255
whole = F.to_pil_image(picture)
floats = F.resize(F.to_dtype(picture, torch.float32, scale=True), SIZE, interpolation=InterpolationMode.BICUBIC)
save_image(floats, "floats.png")
ways = {
    "to_pil_image": F.to_pil_image(floats),
    "to_dtype": F.to_dtype(floats, torch.uint8, scale=True)[0],
    "to_pil_image after a clamp": F.to_pil_image(floats.clamp(0, 1)),
    "save_image": Image.open("floats.png"),
    "resized as 8 bits": F.resize(picture, SIZE, interpolation=InterpolationMode.BICUBIC)[0],
    "resized by Pillow": whole.resize(SIZE, Image.Resampling.BICUBIC),
}
print(f"floats: highest {float(floats.max()):.2f}")
for name, way in ways.items():
    row = np.asarray(way.convert("L") if isinstance(way, Image.Image) else way)[80, 80:]  # white, from the edge on
    print(f"{name}: {int((row < 64).sum())} of {len(row)} pixels of the white half's row are nearly black")
PY
diff seen - <<'SEEN'
floats: highest 1.06
to_pil_image: 3 of 80 pixels of the white half's row are nearly black
to_dtype: 3 of 80 pixels of the white half's row are nearly black
to_pil_image after a clamp: 0 of 80 pixels of the white half's row are nearly black
save_image: 0 of 80 pixels of the white half's row are nearly black
resized as 8 bits: 0 of 80 pixels of the white half's row are nearly black
resized by Pillow: 0 of 80 pixels of the white half's row are nearly black
SEEN
