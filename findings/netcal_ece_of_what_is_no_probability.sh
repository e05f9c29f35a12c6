#!/usr/bin/env bash
# netcal 1.4.0: the calibration error of numbers that are no probabilities is given without a word.
#
# Expected: an error, or at least a warning, where one is outside [0, 1] or NaN.
# Seen: one above 1 is in no bin but still counts among all, so that the error shrinks; one below 0 is in a bin; a NaN
# is left out.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 netcal==1.4.0
venv/bin/python - <<'PY' | tee seen
import warnings

import numpy as np
from netcal.metrics import ECE

right, sound = np.array([0, 1, 1]), np.array([0.25, 0.75, 0.75])
for name, value in (("as they are", 0.75), ("one above 1", 1.5), ("one below 0", -0.5), ("one NaN", np.nan)):
    probabilities = np.array([*sound[:2], value])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        error = ECE(10).measure(probabilities, right)
    print(f"{name}: {error:.4f}, warnings: {len(said)}")
print(f"the first two alone: {ECE(10).measure(sound[:2], right[:2]):.4f}")
PY
diff seen - <<'SEEN'
as they are: 0.2500, warnings: 0
one above 1: 0.1667, warnings: 0
one below 0: 0.5000, warnings: 0
one NaN: 0.2500, warnings: 0
the first two alone: 0.2500
SEEN
