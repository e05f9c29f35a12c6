#!/usr/bin/env bash
# opencv-python 5.0.0 and Pillow 13.0.0 on pictures of points, three coordinates a pixel in single precision, as MVTec
# 3D-AD has them in TIFF files.
#
# Expected: imread with IMREAD_UNCHANGED gives what was written, and Pillow opens what others open.
# Seen: OpenCV takes the three coordinates for colours and gives them as z, y, x, so that the depth of a part is where its
# x was; it writes them so too, by which a file that it wrote and reads again looks right. Pillow does not know the file.
# tifffile and imageio give x, y, z.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9
venv/bin/python -m uv pip install --quiet --python venv/bin/python opencv-python-headless==5.0.0.93 pillow==13.0.0 \
  tifffile==2026.3.3 imageio==2.38.1 numpy==2.4.6
venv/bin/python - <<'PY' | tee seen
import cv2
import imageio.v3
import numpy as np
import tifffile
from PIL import Image

points = np.broadcast_to(np.float32([1, 2, 3]), (4, 5, 3)).copy()
tifffile.imwrite("points.tiff", points)
cv2.imwrite("opencv.tiff", points)
for file in ("points.tiff", "opencv.tiff"):
    print(f"{file}: tifffile {tifffile.imread(file)[0, 0]}, imageio {imageio.v3.imread(file)[0, 0]}, ", end="")
    print(f"OpenCV {cv2.imread(file, cv2.IMREAD_UNCHANGED)[0, 0]}, ", end="")
    try:
        print("Pillow", np.asarray(Image.open(file))[0, 0])
    except Exception as error:
        print("Pillow", type(error).__name__)
PY
diff seen - <<'SEEN'
points.tiff: tifffile [1. 2. 3.], imageio [1. 2. 3.], OpenCV [3. 2. 1.], Pillow UnidentifiedImageError
opencv.tiff: tifffile [3. 2. 1.], imageio [3. 2. 1.], OpenCV [1. 2. 3.], Pillow UnidentifiedImageError
SEEN
