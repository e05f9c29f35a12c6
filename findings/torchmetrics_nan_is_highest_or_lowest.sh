#!/usr/bin/env bash
# torchmetrics 1.9.0: a score that is NaN is ranked without a word, as the highest where metrics are exact and as the lowest
# where they have thresholds, so one model that overflows can gain or lose by it.
#
# Expected: an error, as scikit-learn gives, or NaN.
# Seen: with the NaN on a damaged picture, AUROC 0.5 exact and 0.0 with ten thresholds; no warning.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchmetrics==1.9.0 scikit-learn==1.8.0
venv/bin/python - <<'PY' | tee seen
import warnings

import torch
from sklearn.metrics import roc_auc_score
from torchmetrics.classification import BinaryAUROC, BinaryAveragePrecision

scores, labels = torch.tensor([0.9, 0.8, float("nan"), 0.2]), torch.tensor([0, 0, 1, 1])
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for metric in (BinaryAUROC, BinaryAveragePrecision):
        for thresholds in (None, 10):
            value = float(metric(thresholds=thresholds)(scores, labels))
            print(f"{metric.__name__}, thresholds={thresholds}: {value:.3f}")
print("warnings about NaN:", sum("nan" in str(one.message).lower() for one in said))
try:
    roc_auc_score(labels, scores)
except ValueError as error:
    print("scikit-learn:", error.args[0].splitlines()[0])
PY
diff seen - <<'SEEN'
BinaryAUROC, thresholds=None: 0.500
BinaryAUROC, thresholds=10: 0.000
BinaryAveragePrecision, thresholds=None: 0.750
BinaryAveragePrecision, thresholds=10: 0.167
warnings about NaN: 0
scikit-learn: Input contains NaN.
SEEN
