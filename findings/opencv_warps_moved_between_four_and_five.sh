#!/usr/bin/env bash
# OpenCV 4.13.0 and 5.0.0: warpAffine, by which augmentation libraries turn pictures, takes other points in 4 than in 5.
#
# Expected: bilinear values at the points that the matrix names, rounded to whole grey values at the end, in any version.
# Seen: 4 rounds each point to a thirty-second of a pixel first, in single precision too. A shift of 0.01 pixels does
# nothing, one of 0.1 moves by 0.09375, and of a turned picture of noise most pixels differ from the exact value, by up
# to four grey values; 5 is exact. A training set turned under one version is not the one turned under the other.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
cat > warp.py <<'PY'
import cv2
import numpy as np
from scipy.ndimage import affine_transform

inside = slice(16, 48)
ramp = np.tile(np.arange(64, dtype=np.float32), (64, 1))
print("OpenCV", cv2.__version__)
for shift in (0.01, 0.1):
    moved = cv2.warpAffine(ramp, np.float32([[1, 0, shift], [0, 1, 0]]), (64, 64), flags=cv2.INTER_LINEAR)
    print(f"a ramp moved by {shift} pixels: {(ramp - moved)[32, 32]:.5f}")
noise = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
matrix = cv2.getRotationMatrix2D((31.5, 31.5), 10, 1)
turned = cv2.warpAffine(noise, matrix, (64, 64), flags=cv2.INTER_LINEAR)[inside, inside]
back = cv2.invertAffineTransform(matrix)
exact = affine_transform(noise.astype(float), back[::-1, 1::-1], back[::-1, 2], order=1)[inside, inside]
far = np.abs(turned - exact)
print(f"turned by 10 degrees: {(far > 0.51).mean():.0%} of pixels are another grey value, by {far.max():.1f} at most")
PY
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9
for version in 4.13.0.90 5.0.0.93; do
  venv/bin/python -m uv venv --quiet "$version"
  venv/bin/python -m uv pip install --quiet --python "$version/bin/python" "opencv-python-headless==$version" \
    numpy==2.4.6 scipy==1.17.1
  "$version/bin/python" warp.py
done | tee seen
diff seen - <<'SEEN'
OpenCV 4.13.0
a ramp moved by 0.01 pixels: 0.00000
a ramp moved by 0.1 pixels: 0.09375
turned by 10 degrees: 60% of pixels are another grey value, by 4.3 at most
OpenCV 5.0.0
a ramp moved by 0.01 pixels: 0.01000
a ramp moved by 0.1 pixels: 0.10000
turned by 10 degrees: 0% of pixels are another grey value, by 0.5 at most
SEEN
