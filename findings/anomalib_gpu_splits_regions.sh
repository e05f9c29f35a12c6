#!/usr/bin/env bash
# anomalib 2.7.0: how many damaged regions its AUPRO averages over depends on the device: on a GPU one long region counts as
# hundreds.
#
# Expected: regions are counted the same everywhere, so that AUPRO is the same up to rounding.
# Seen: on the CPU regions are labelled by OpenCV; on a GPU by kornia's `connected_components` with 1000 steps, in each of
# which a label travels one pixel (kornia's own default, 100, splits any scratch of more than 100 pixels, as its
# documentation says). A closed frame of 700 pixels, a broken rim say, needs 1400: beside a spot it is 787 regions of 788
# instead of one of two, so that a map which finds the spot alone has an overlap of .001 instead of .5, and one which finds
# the frame alone has .999. Nothing warns. The function for GPUs runs on the CPU as well, as it does here.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchvision==0.27.1 anomalib==2.7.0 \
  kornia==0.9.0 torchmetrics==1.9.0 lightning==2.6.6
venv/bin/python - <<'PY' 2>/dev/null | tee seen
import inspect

import torch
from anomalib.metrics import AUPRO
from anomalib.utils.cv import connected_components_cpu, connected_components_gpu

frame = torch.zeros(1, 1, 768, 768)
frame[..., 34:734, 34:734] = 1
frame[..., 36:732, 36:732] = 0
spot = torch.zeros_like(frame)
spot[..., 300:320, 300:320] = 1

metric = AUPRO(fields=["anomaly_map", "gt_mask"])
choice = "connected_components_gpu(target) if target.is_cuda else connected_components_cpu(target)"
print("AUPRO chooses by device:", choice in inspect.getsource(metric.perform_cca))
for device, label in {"CPU": connected_components_cpu, "GPU": connected_components_gpu}.items():
    regions = label(frame + spot)
    shares = {}
    for name, found in {"spot": spot, "frame": frame}.items():
        rates, overlaps = metric.compute_pro(regions, found[:, 0])
        shares[name] = round(float(overlaps[rates == 0].max()), 3)
    print(f"as on a {device}: {int(regions.max())} regions; overlap without a false alarm, by what is found: {shares}")
PY
diff seen - <<'SEEN'
AUPRO chooses by device: True
as on a CPU: 2 regions; overlap without a false alarm, by what is found: {'spot': 0.5, 'frame': 0.5}
as on a GPU: 788 regions; overlap without a false alarm, by what is found: {'spot': 0.001, 'frame': 0.999}
SEEN
