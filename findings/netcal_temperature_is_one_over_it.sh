#!/usr/bin/env bash
# netcal 1.4.0: `temperature` of a fitted TemperatureScaling is what logits are multiplied by, one over the temperature.
#
# Expected: 4 for probabilities whose logits are four times too large, as in Guo et al. (ICML 2017), who divide by it.
# Seen: about a quarter. What `transform` gives is right.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 netcal==1.4.0
venv/bin/python - <<'PY' | tail -1 | tee seen
import numpy as np
from netcal.scaling import TemperatureScaling

rng = np.random.default_rng(0)
logits = rng.normal(size=2000) * 2
truth = (rng.random(2000) < 1 / (1 + np.exp(-logits))).astype(int)
scaling = TemperatureScaling()
scaling.fit(1 / (1 + np.exp(-4 * logits)), truth)  # four times too sure: the temperature is 4
print(f"temperature: {scaling.temperature.item():.2f}")
PY
diff seen - <<'SEEN'
temperature: 0.27
SEEN
