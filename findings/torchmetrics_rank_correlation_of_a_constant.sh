#!/usr/bin/env bash
# torchmetrics 1.9.0: of scores that are all alike spearman_corrcoef says 0, where kendall_rank_corrcoef and
# pearson_corrcoef say nan, as SciPy 1.17.1 does of all three.
#
# Expected: one answer to one question: what does not vary has no correlation.
# Seen: nan of two and 0 of the third, as if a model whose scores have collapsed ranked at random; a mean over models
# takes that 0 along.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchmetrics==1.9.0 scipy==1.17.1
venv/bin/python - <<'PY' | tee seen
import warnings

import torch
from scipy.stats import kendalltau, pearsonr, spearmanr
from torchmetrics.functional import kendall_rank_corrcoef, pearson_corrcoef, spearman_corrcoef

warnings.simplefilter("ignore")
scores, truth = torch.ones(20), torch.arange(20.0)
for name, theirs, scipys in (
    ("Spearman", spearman_corrcoef, spearmanr),
    ("Kendall", kendall_rank_corrcoef, kendalltau),
    ("Pearson", pearson_corrcoef, pearsonr),
):
    print(f"{name}: torchmetrics {theirs(scores, truth):.1f}, SciPy {scipys(scores.numpy(), truth.numpy())[0]:.1f}")
PY
diff seen - <<'SEEN'
Spearman: torchmetrics 0.0, SciPy nan
Kendall: torchmetrics nan, SciPy nan
Pearson: torchmetrics nan, SciPy nan
SEEN
