#!/usr/bin/env bash
# torchmetrics 1.9.0: a normal picture that is predicted perfectly, with no damage at all, lowers `GeneralizedDiceScore` to
# the level of one that is wrong all over; `DiceScore` and `MeanIoU` leave it out.
#
# Expected: of four pictures that are predicted exactly as they are, three of them normal, any overlap score is 1, or the
# normal ones are left out; the three metrics of one package agree on which.
# Seen: `GeneralizedDiceScore` gives the share of damaged pictures, .25 here, the same as where each normal picture has a
# false alarm. Of a normal picture alone the perfect prediction is 0, NaN, NaN or -1, by the metric and `per_class`.
# The background class is left out, as it is where damage is what counts.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchmetrics==1.9.0
venv/bin/python - <<'PY' 2>/dev/null | tee seen
import torch
from torchmetrics.segmentation import DiceScore, GeneralizedDiceScore, MeanIoU

normal = torch.zeros(1, 8, 8, dtype=torch.long)
damaged = normal.clone()
damaged[:, 2:4, 2:4] = 1
mixed = torch.cat([damaged, normal, normal, normal])
cases = {
    "perfect on a damaged one and three normal ones": (mixed, mixed),
    "the same with false alarms on all three": (torch.cat([damaged] * 4), mixed),
    "perfect on a damaged one": (damaged, damaged),
    "perfect on a normal one": (normal, normal),
}
for case, (predicted, truth) in cases.items():
    found = {}
    for name, kind, per_class in (
        ("GeneralizedDiceScore", GeneralizedDiceScore, {}),
        ("DiceScore", DiceScore, {}),
        ("MeanIoU", MeanIoU, {}),
        ("MeanIoU per class", MeanIoU, {"per_class": True}),
    ):
        metric = kind(num_classes=2, include_background=False, input_format="index", **per_class)
        metric.update(predicted, truth)
        found[name] = round(metric.compute().item(), 3)
    print(f"{case}:")
    print(f"  {found}")
PY
diff seen - <<'SEEN'
perfect on a damaged one and three normal ones:
  {'GeneralizedDiceScore': 0.25, 'DiceScore': 1.0, 'MeanIoU': 1.0, 'MeanIoU per class': 1.0}
the same with false alarms on all three:
  {'GeneralizedDiceScore': 0.25, 'DiceScore': 0.25, 'MeanIoU': 0.25, 'MeanIoU per class': 0.25}
perfect on a damaged one:
  {'GeneralizedDiceScore': 1.0, 'DiceScore': 1.0, 'MeanIoU': 1.0, 'MeanIoU per class': 1.0}
perfect on a normal one:
  {'GeneralizedDiceScore': 0.0, 'DiceScore': nan, 'MeanIoU': nan, 'MeanIoU per class': -1.0}
SEEN
