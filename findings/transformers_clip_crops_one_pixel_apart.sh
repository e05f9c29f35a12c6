#!/usr/bin/env bash
# transformers 4.57.3 against open_clip 3.3.0: for some sizes of pictures, 1024 x 683 for one, their preprocessing for the
# same CLIP weights crops the middle one pixel apart.
#
# Expected: both resize the shorter side with Pillow's bicubic interpolation and crop the middle, so that the towers are
# shown the same numbers, as they are for 1024 x 768 and squares.
# Seen: where the margin is odd, open_clip (torchvision) rounds its half to the nearest even number and transformers rounds
# it down. So margins of 3, 7, 11 ... pixels are cropped one apart, those of 1, 5, 9 ... are not. Photographs of 3 : 2 whose
# longer side comes out at 335 pixels, as of 640 x 427, are. Shifted back by one pixel the two agree exactly.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchvision==0.27.1 timm==1.0.31 \
  open_clip_torch==3.3.0 transformers==4.57.3 Pillow==13.0.0 numpy==2.4.6
venv/bin/python - <<'PY' 2>/dev/null | tee seen
import numpy as np
from open_clip.transform import image_transform
from PIL import Image
from transformers import CLIPImageProcessor

SIDE = 224
open_clip = image_transform(SIDE, is_train=False, mean=(0, 0, 0), std=(1, 1, 1))
transformers = CLIPImageProcessor(image_mean=[0, 0, 0], image_std=[1, 1, 1])


def shown(picture):
    """What each library shows, in 8 bits."""
    pixels = open_clip(picture).numpy(), transformers(picture, return_tensors="np").pixel_values[0]
    return [np.round(np.asarray(own) * 255).astype(int) for own in pixels]


for width, height in ((900, 900), (1024, 768), (225, 224), (226, 224), (227, 224), (224, 227), (229, 224), (1024, 683)):
    across, down = np.meshgrid(np.arange(width) * 7 % 256, np.arange(height) * 5 % 256)
    picture = Image.fromarray(np.stack([across, down, across ^ down], -1).astype(np.uint8))
    theirs, own = shown(picture)
    moved = theirs[:, :, :-1] == own[:, :, 1:] if width > height else theirs[:, :-1] == own[:, 1:]
    margin = int(SIDE * max(width, height) / min(width, height)) - SIDE
    row = f"{width} x {height}, margin {margin}: same {np.array_equal(theirs, own)}"
    print(f"{row}, same one pixel further {bool(moved.all())}")
PY
diff seen - <<'SEEN'
900 x 900, margin 0: same True, same one pixel further False
1024 x 768, margin 74: same True, same one pixel further False
225 x 224, margin 1: same True, same one pixel further False
226 x 224, margin 2: same True, same one pixel further False
227 x 224, margin 3: same False, same one pixel further True
224 x 227, margin 3: same False, same one pixel further True
229 x 224, margin 5: same True, same one pixel further False
1024 x 683, margin 111: same False, same one pixel further True
SEEN
