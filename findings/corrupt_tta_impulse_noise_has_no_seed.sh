#!/usr/bin/env bash
# corrupt-tta 0.1.7 (the 19 corruptions of ImageNet-C): numpy's seed makes all of its noises and random shapes again, but not
# its impulse noise.
#
# Expected: as its corruptions take no seed or generator, np.random.seed (and random.seed) fixes all that are drawn; then the
# same call gives the same picture.
# Seen: of 19 corruptions 18 are the same after the same seed, impulse noise differs each time, so numbers measured under it
# cannot be repeated. And what comes back is of three types: float64, float32 or uint8, by the corruption.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet corrupt-tta==0.1.7 numpy==2.4.6
venv/bin/python - <<'PY' | tee seen
import random
from collections import defaultdict

import corrupt_tta
import numpy as np

picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
types, other = defaultdict(list), []
for corruption in corrupt_tta.corruption_tuple:
    made = []
    for _ in range(2):
        np.random.seed(0)
        random.seed(0)
        made.append(np.asarray(corruption(picture, severity=3)))
    types[made[0].dtype.name].append(corruption.__name__)
    if not np.array_equal(*made):
        other.append(corruption.__name__)
print("differ after the same seed:", *other)
for name in sorted(types):
    print(f"{name}: {len(types[name])} corruptions")
PY
diff seen - <<'SEEN'
differ after the same seed: impulse_noise
float32: 5 corruptions
float64: 12 corruptions
uint8: 2 corruptions
SEEN
