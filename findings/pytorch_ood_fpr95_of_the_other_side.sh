#!/usr/bin/env bash
# pytorch-ood 0.4.0: its FPR95TPR is not the FPR95 of the papers that compare detectors of strangers.
#
# Expected: as in ODIN and in what follows it, the share of strangers that pass where 95 % of the known pictures do: known
# pictures are the positive class.
# Seen: strangers are the positive class: the share of known pictures that is refused where 95 % of the strangers are. AUROC is
# the same for both, FPR95 is not: here .50 against .10. Negated scores and exchanged labels give the papers' number.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 pytorch-ood==0.4.0
venv/bin/python - <<'PY' 2>/dev/null | tee seen
import torch
from pytorch_ood.metrics import OODMetrics

known = torch.arange(100.0)  # the higher, the stranger
strangers = torch.cat([torch.full((10,), 50.0), torch.full((90,), 200.0)])
scores, strange = torch.cat([known, strangers]), torch.cat([torch.zeros(100), torch.ones(100)]).bool()
refused_from = known.sort().values[94]  # 95 of 100 known pictures pass
print(f"strangers that pass: {float((strangers <= refused_from).float().mean()):.2f}")
for name, sign, out in (("as they are", 1, strange), ("sides exchanged", -1, ~strange)):
    metrics = OODMetrics()
    metrics.update(sign * scores, torch.where(out, -1, 0))
    found = metrics.compute()
    print(f"{name}: AUROC {float(found['AUROC']):.4f}, FPR95TPR {float(found['FPR95TPR']):.2f}")
PY
diff seen - <<'SEEN'
strangers that pass: 0.10
as they are: AUROC 0.9505, FPR95TPR 0.50
sides exchanged: AUROC 0.9505, FPR95TPR 0.10
SEEN
