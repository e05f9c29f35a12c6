#!/usr/bin/env bash
# torchvision 0.27.1, albumentations 2.0.8: resizing a mask beside its picture moves it against the picture by up to half a
# pixel, another way for tensors than for PIL pictures, and the interpolation that would not is ignored for masks.
#
# Expected: `v2.Resize` keeps picture and mask aligned; "nearest" takes the nearest pixel, the same for a tensor as for a
# PIL picture; and where it does not, asking for NEAREST_EXACT, which torch documents for this, helps.
# Seen: for a tensor, "nearest" takes the first pixel of each block; PIL takes the middle one. A scratch of 4 pixels in a
# picture made four times smaller is marked one row below the one that has three quarters of it. A `tv_tensors.Mask` is
# always resized like that: `interpolation=NEAREST_EXACT` has no effect and nothing says so. Scratches resized once as
# tensors and once by PIL, of 1024 pixels to 256, overlap by less than a third: a ground truth that depends on the loader.
# albumentations, by OpenCV, moves masks as tensors are, and does not smooth pictures: one scratch is in row 100 of the
# smaller picture alone, and its mask in row 101 alone.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchvision==0.27.1 Pillow==13.0.0 \
  albumentations==2.0.8 opencv-python-headless==5.0.0.93 numpy==2.4.6
venv/bin/python - <<'PY' 2>/dev/null | tee seen
import albumentations
import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2.functional import pil_to_tensor


def resized(mask):
    size, exact = (256, 256), InterpolationMode.NEAREST_EXACT
    return {
        "Mask": v2.Resize(size)(tv_tensors.Mask(mask)),
        "Mask, exact asked for": v2.Resize(size, interpolation=exact)(tv_tensors.Mask(mask)),
        "plain tensor, exact": v2.Resize(size, interpolation=exact)(mask),
        "PIL": pil_to_tensor(v2.Resize(size, interpolation=InterpolationMode.NEAREST)(Image.fromarray(mask[0].numpy()))),
    }


for offset in range(4):
    mask = torch.zeros(1, 1024, 1024, dtype=torch.uint8)
    mask[:, 400 + offset : 404 + offset] = 1
    picture = v2.Resize((256, 256))(tv_tensors.Image(mask.float()))[0, :, 0]
    darkest = torch.nonzero(picture > 0.99 * picture.max()).ravel().tolist()
    print(f"scratch in rows {400 + offset} to {403 + offset}, most of it in {darkest} of the smaller picture; marked:")
    print("  ", {name: torch.nonzero(small[0, :, 0]).ravel().tolist() for name, small in resized(mask).items()})
    both = {"image": mask[0, ..., None].expand(-1, -1, 3).numpy() * 255, "mask": mask[0].numpy()}
    both = albumentations.Compose([albumentations.Resize(256, 256)])(**both)
    shown, marked = np.flatnonzero(both["image"][:, 0, 0]), np.flatnonzero(both["mask"][:, 0])
    print(f"   albumentations: there in {shown.tolist()}, marked in {marked.tolist()}")

mask = torch.zeros(1, 1024, 1024, dtype=torch.uint8)
for row in range(20, 1000, 37):
    mask[:, row : row + 4] = 1
small = {name: own.bool() for name, own in resized(mask).items()}
for name, own in small.items():
    overlap = (own & small["PIL"]).sum() / (own | small["PIL"]).sum()
    print(f"scratches every 37 rows, {name}: intersection over union with PIL's {float(overlap):.2f}")
PY
diff seen - <<'SEEN'
scratch in rows 400 to 403, most of it in [100] of the smaller picture; marked:
   {'Mask': [100], 'Mask, exact asked for': [100], 'plain tensor, exact': [100], 'PIL': [100]}
   albumentations: there in [100], marked in [100]
scratch in rows 401 to 404, most of it in [100] of the smaller picture; marked:
   {'Mask': [101], 'Mask, exact asked for': [101], 'plain tensor, exact': [100], 'PIL': [100]}
   albumentations: there in [100], marked in [101]
scratch in rows 402 to 405, most of it in [100, 101] of the smaller picture; marked:
   {'Mask': [101], 'Mask, exact asked for': [101], 'plain tensor, exact': [100], 'PIL': [100]}
   albumentations: there in [100, 101], marked in [101]
scratch in rows 403 to 406, most of it in [101] of the smaller picture; marked:
   {'Mask': [101], 'Mask, exact asked for': [101], 'plain tensor, exact': [101], 'PIL': [101]}
   albumentations: there in [101], marked in [101]
scratches every 37 rows, Mask: intersection over union with PIL's 0.32
scratches every 37 rows, Mask, exact asked for: intersection over union with PIL's 0.32
scratches every 37 rows, plain tensor, exact: intersection over union with PIL's 1.00
scratches every 37 rows, PIL: intersection over union with PIL's 1.00
SEEN
