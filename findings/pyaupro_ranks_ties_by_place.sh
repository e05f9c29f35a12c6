#!/usr/bin/env bash
# pyaupro 0.1.11: its exact mode, which is the default, ranks pixels of one and the same score by where they lie, so that a
# map that says nothing can have any AUPRO from 0 to nearly 1.
#
# Expected: equal scores pass a threshold together, so that a constant map has the area of chance, .15 up to a rate of .3,
# wherever the damage is; this is what anomalib's metric gives.
# Seen: each pixel is a threshold of its own, in the order in which an unstable sort leaves them: above .8 where the damage
# lies in one tenth of the picture, 0 where in another. Maps that were clipped, thresholded or stored in 8 bits have many
# such pixels; one that is 0 but for a thin line across all tenths is ranked likewise. With `reference_implementation=True`
# or thresholds the curve is right, but the package's own `auc_compute` finds nearly 0 under it: it leaves out the piece
# between the last point below the limit and the limit.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchvision==0.27.1 pyaupro==0.1.11 \
  torchmetrics==1.9.0 anomalib==2.7.0 lightning==2.6.6
venv/bin/python - <<'PY' 2>/dev/null | tee seen
import torch
from anomalib.metrics.aupro import _AUPRO
from pyaupro import PerRegionOverlap, auc_compute


def areas(scores, **options):
    """The area for damage in each tenth of the rows."""
    for tenth in range(10):
        damage = torch.zeros(1, 100, 100, dtype=torch.int)
        damage[0, 10 * tenth : 10 * (tenth + 1)] = 1
        if options.get("anomalib"):
            metric = _AUPRO()
            metric.update(scores, damage)
            yield float(metric.compute())
            continue
        metric = PerRegionOverlap(**options)
        metric.update(scores, damage)
        rates, overlaps = metric.compute()
        yield abs(float(auc_compute(rates, overlaps, limit=0.3, descending="thresholds" in options)))


constant = torch.full((1, 100, 100), 0.5)
line = torch.zeros(1, 100, 100)
line[..., 50] = 1
for name, scores in {"constant": constant, "line": line}.items():
    found = list(areas(scores))
    print(f"{name}, exact: below .05 in one place {min(found) < 0.05}, above .8 in another {max(found) > 0.8}")
    for other in ({"reference_implementation": True}, {"thresholds": 11}, {"anomalib": True}):
        found = list(areas(scores, **other))
        print(f"{name}, {next(iter(other))}: from {min(found):.2f} to {max(found):.2f}")
metric = PerRegionOverlap(reference_implementation=True)
metric.update(constant, torch.arange(10_000).reshape(1, 100, 100) // 9_000)
print("curve of the constant map, reference:", *(points.tolist() for points in metric.compute()))
PY
diff seen - <<'SEEN'
constant, exact: below .05 in one place True, above .8 in another True
constant, reference_implementation: from 0.00 to 0.00
constant, thresholds: from 0.00 to 0.00
constant, anomalib: from 0.15 to 0.15
line, exact: below .05 in one place True, above .8 in another True
line, reference_implementation: from 0.01 to 0.01
line, thresholds: from 0.01 to 0.01
line, anomalib: from 0.15 to 0.15
curve of the constant map, reference: [0.0, 1.0, 1.0] [0.0, 1.0, 1.0]
SEEN
