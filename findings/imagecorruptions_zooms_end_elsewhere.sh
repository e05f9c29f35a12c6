#!/usr/bin/env bash
# imagecorruptions 1.1.2 with numpy 1.26.4: up to where the zoom blur of ImageNet-C enlarges, severity by severity.
#
# Expected: from its source, np.arange(1, 1.11, 0.01) to np.arange(1, 1.31, 0.03), ends that leave out the last number
# and grow evenly: 1.10, 1.15, 1.20, 1.25, 1.30, as its severities are often described.
# Seen: the first goes to 1.11, for 0.11 / 0.01 is a little more than 11 when rounded, so that it holds twelve pictures,
# not eleven; the fourth, in steps of 0.02, ends at 1.24. One that blurs to the rounder numbers blurs otherwise.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9
venv/bin/python -m uv pip install --quiet --python venv/bin/python imagecorruptions==1.1.2 numpy==1.26.4 \
  scikit-image==0.25.2 scipy==1.15.3 opencv-python-headless==4.11.0.86 numba==0.61.2 pillow==11.3.0 'setuptools<81'
venv/bin/python - 2>/dev/null <<'PY' | tee seen
import numpy as np
from imagecorruptions import corrupt, corruptions

zooms, enlarge = [], corruptions.clipped_zoom


def noted(picture, zoom):
    zooms.append(zoom)
    return enlarge(picture, zoom)


corruptions.clipped_zoom = noted
picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
for severity in range(1, 6):
    zooms.clear()
    corrupt(picture, corruption_name="zoom_blur", severity=severity)
    print(f"severity {severity}: {len(zooms)} pictures, up to {max(zooms):.2f}")
PY
diff seen - <<'SEEN'
severity 1: 12 pictures, up to 1.11
severity 2: 16 pictures, up to 1.15
severity 3: 11 pictures, up to 1.20
severity 4: 13 pictures, up to 1.24
severity 5: 11 pictures, up to 1.30
SEEN
