#!/usr/bin/env bash
# albumentations 2.0.8: `SafeRotate` by 0 degrees does not give the picture back: it moves it by half a pixel both ways and
# so blurs it; it does the same when it turns by 90 or 180 degrees.
#
# Expected: what tells it from `Rotate` is that no corner is cut off, so that a square picture turned by 0, 90 and 180
# degrees, where none could be, comes out the same from both, which is exact; a turn and the turn back are in register.
# Seen: `Rotate` and `Affine` are exact. From `SafeRotate` a ramp of 2 per column comes back 1 lower, and noise has none of
# its pixels left and half of its contrast, as of averages of four neighbours: a defect of one pixel is hardly there.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9
venv/bin/python -m uv pip install --quiet --python venv/bin/python albumentations==2.0.8 opencv-python-headless==5.0.0.93 \
  numpy==2.4.6
venv/bin/python - <<'PY' 2>/dev/null | tee seen
import albumentations
import numpy as np

ramp = np.repeat(np.broadcast_to(2 * np.arange(100, dtype=np.uint8), (100, 100))[..., None], 3, -1)
noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3)).astype(np.uint8)

for kind in (albumentations.Rotate, albumentations.Affine, albumentations.SafeRotate):
    for angle in (0, 90, 180):
        option = "rotate" if kind is albumentations.Affine else "limit"
        turn = albumentations.Compose([kind(**{option: (angle, angle)}, p=1)])
        seen = turn(image=noise)["image"]
        same, contrast = np.mean(seen == np.rot90(noise, angle // 90)), seen.std() / noise.std()
        print(f"{kind.__name__} by {angle}: {same:.1f} of the pixels are the same, contrast {contrast:.1f}", end="")
        print(f", ramp by {int(turn(image=ramp)['image'][50, 50, 0]) - 100}" if angle == 0 else "")
PY
diff seen - <<'SEEN'
Rotate by 0: 1.0 of the pixels are the same, contrast 1.0, ramp by 0
Rotate by 90: 1.0 of the pixels are the same, contrast 1.0
Rotate by 180: 1.0 of the pixels are the same, contrast 1.0
Affine by 0: 1.0 of the pixels are the same, contrast 1.0, ramp by 0
Affine by 90: 1.0 of the pixels are the same, contrast 1.0
Affine by 180: 1.0 of the pixels are the same, contrast 1.0
SafeRotate by 0: 0.0 of the pixels are the same, contrast 0.5, ramp by -1
SafeRotate by 90: 0.0 of the pixels are the same, contrast 0.5
SafeRotate by 180: 0.0 of the pixels are the same, contrast 0.5
SEEN
