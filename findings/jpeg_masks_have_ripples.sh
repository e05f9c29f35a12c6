#!/usr/bin/env bash
# Pillow 13.0.0, scipy 1.17/1.18: a mask of three defects that was saved as JPEG (quality 75) has 15 to 28 regions
# above zero.
#
# Expected: blocks smear the outline of a defect by a pixel or two, so that `mask > 0` makes each a little larger.
# Seen: the ripples around an outline come as regions of their own, since they fall to zero in between: five to nine
# times as many as there are defects, so that whatever counts regions or weighs them alike (AUPRO, say) is far off.
# The area grows by a fifth to three fifths. `mask > 127` has the right number and area.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet pillow==13.0.0 \
  "numpy==2.4.6; python_version < '3.12'" "numpy==2.5.5; python_version >= '3.12'" \
  "scipy==1.17.1; python_version < '3.12'" "scipy==1.18.1; python_version >= '3.12'"
venv/bin/python - <<'PY' | tee seen
import io
import numpy as np
from PIL import Image
from scipy import ndimage

y, x = np.mgrid[:256, :256]
for number, radii in enumerate(((6, 9, 12), (10, 15, 20), (20, 25, 30)), 1):
    mask = np.zeros((256, 256), bool)
    for radius, centre in zip(radii, ((60, 70), (101, 182), (190, 85))):
        mask |= np.hypot(y - centre[0], x - centre[1]) <= radius
    file = io.BytesIO()
    Image.fromarray(mask * np.uint8(255)).save(file, "JPEG", quality=75)
    read = np.asarray(Image.open(file))
    corners = np.ones((3, 3))  # pixels that touch at a corner belong together: the fewest regions
    counts = [ndimage.label(some, corners)[1] for some in (mask, read > 0, read > 127)]
    areas = [some.sum() / mask.sum() for some in (read > 0, read > 127)]
    print(f"picture {number}: {counts[0]} defects; > 0: {counts[1]} regions, area x {areas[0]:.2f};"
          f" > 127: {counts[2]} regions, area x {areas[1]:.2f}")
PY
diff seen - <<'SEEN'
picture 1: 3 defects; > 0: 16 regions, area x 1.59; > 127: 3 regions, area x 1.00
picture 2: 3 defects; > 0: 15 regions, area x 1.30; > 127: 3 regions, area x 1.00
picture 3: 3 defects; > 0: 28 regions, area x 1.18; > 127: 3 regions, area x 1.00
SEEN
