#!/usr/bin/env bash
# torchmetrics 1.9.0: the AUROC of scores that separate two classes perfectly is 1/2, by how they are cut into batches
# or because they are large.
#
# Expected: AUROC and average precision read the order of the scores alone, so that neither batches nor a monotonic
# function of the scores change them. That a sigmoid is taken of scores outside [0, 1] is documented, and seems to
# change no order.
# Seen: each update decides for itself. A batch of normal pictures with scores within [0, 1] is left alone, the next
# one with a score above 1 is not, so that 0.9 comes to lie above the sigmoid of 1.2. And a float32 sigmoid is 1 from
# 17 on: larger scores are ties. Nothing warns.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchmetrics==1.9.0 \
  "numpy==2.4.6; python_version < '3.12'" "numpy==2.5.5; python_version >= '3.12'"
venv/bin/python -W error - <<'PY' | tee seen
import torch
from torchmetrics.classification import BinaryAUROC, BinaryAveragePrecision

target = torch.tensor([0, 0, 1, 1])
near, large = [0.2, 0.9, 1.1, 1.2], [17.0, 18.0, 19.0, 20.0]
runs = (near, torch.float32, 4), (near, torch.float32, 2), (large, torch.float64, 4), (large, torch.float32, 4)
for scores, kind, batch in runs:
    found = []
    for metric in (BinaryAUROC(), BinaryAveragePrecision()):
        for part, labels in zip(torch.tensor(scores, dtype=kind).split(batch), target.split(batch)):
            metric.update(part, labels)
        found.append(metric.compute().item())
    print(f"{kind} {scores}, batches of {batch}: AUROC {found[0]:.3f}, average precision {found[1]:.3f}")
PY
diff seen - <<'SEEN'
torch.float32 [0.2, 0.9, 1.1, 1.2], batches of 4: AUROC 1.000, average precision 1.000
torch.float32 [0.2, 0.9, 1.1, 1.2], batches of 2: AUROC 0.500, average precision 0.583
torch.float64 [17.0, 18.0, 19.0, 20.0], batches of 4: AUROC 1.000, average precision 1.000
torch.float32 [17.0, 18.0, 19.0, 20.0], batches of 4: AUROC 0.500, average precision 0.500
SEEN
