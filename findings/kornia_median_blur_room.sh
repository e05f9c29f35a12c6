#!/usr/bin/env bash
# kornia 0.9.0 with torch 2.12.1, CPU: a median filter takes room for all pixels of all windows at once.
#
# Expected: a filter that keeps a picture's size takes room of a few pictures, as kornia's box and Gaussian filters do.
# Seen: more than k * k pictures for a window of k x k: for the maps of 200 pictures of 518 x 518 pixels, cleaned with a window
# of 7 as anomaly maps are, more than 10 GB; each map alone takes a two-hundredth of that and gives the same.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 kornia==0.9.0
cat > room.py <<'PY'
import resource
import sys

import torch
from kornia.filters import box_blur, median_blur

kind, side = sys.argv[1], int(sys.argv[2])
filtered = {"box": box_blur, "median": median_blur}[kind]
small = torch.zeros(1, 1, 32, 32)
filtered(small, (side, side))
maps = torch.rand(4, 1, 518, 518, generator=torch.Generator().manual_seed(0))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
filtered(maps, (side, side))
pictures = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / maps.nbytes
print(f"{kind}, window {side}: {'more' if pictures > side * side else 'less'} than window's pixels times the pictures' room")
PY
for kind in box median; do
  for side in 5 7; do venv/bin/python room.py "$kind" "$side"; done
done | tee seen
diff seen - <<'SEEN'
box, window 5: less than window's pixels times the pictures' room
box, window 7: less than window's pixels times the pictures' room
median, window 5: more than window's pixels times the pictures' room
median, window 7: more than window's pixels times the pictures' room
SEEN
