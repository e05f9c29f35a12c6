#!/usr/bin/env bash
# segmentation-models-pytorch 0.5.0: its binary `DiceLoss` is of a whole batch, and of a batch of normal pictures it is 0,
# whatever is predicted.
#
# Expected: the mean over pictures of each one's loss, as monai's `DiceLoss` of the same name gives and as the codes of
# AnomalyCLIP, VCP-CLIP and APRIL-GAN have it. There a normal picture that is called damaged all over costs nearly 1.
# Seen: pictures are added up first, so that a small defect that is found hardly counts beside a large one that is missed;
# without any damaged pixel in the batch the loss is multiplied by 0, so that false alarms cost nothing and teach nothing.
# `smooth` counts twice, above the line and below it.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchvision==0.27.1 \
  segmentation-models-pytorch==0.5.0 monai==1.5.1
venv/bin/python - <<'PY' | tee seen
import torch
from monai.losses import DiceLoss as MonaiDice
from segmentation_models_pytorch.losses import DiceLoss as SmpDice

found = torch.zeros(1, 1, 8, 8)
found[..., :2, :2] = 0.9
missed = torch.full((1, 1, 8, 8), 0.01)
alarm = torch.full((1, 1, 8, 8), 0.9)
masks = torch.zeros(3, 1, 8, 8)
masks[0, ..., :2, :2], masks[1, ..., :4, :] = 1, 1
batches = {
    "small, found": (found, masks[:1]),
    "large, missed": (missed, masks[1:2]),
    "both": (torch.cat([found, missed]), masks[:2]),
    "normal, false alarm": (alarm, masks[2:]),
}


def of_pictures(maps, masks):
    both, all_ = (maps * masks).sum((1, 2, 3)), (maps + masks).sum((1, 2, 3))
    return (1 - (2 * both + 1) / (all_ + 1)).mean()


losses = {
    "mean over pictures": of_pictures,
    "monai": MonaiDice(smooth_nr=1, smooth_dr=1),
    "segmentation-models": SmpDice("binary", from_logits=False, smooth=1),
}
for name, loss in losses.items():
    print(f"{name:20}", {kind: round(float(loss(*own)), 3) for kind, own in batches.items()})
alarm.requires_grad_()
losses["segmentation-models"](alarm, masks[2:]).backward()
print("slope at a false alarm:", float(alarm.grad.abs().max()))
PY
diff seen - <<'SEEN'
mean over pictures   {'small, found': 0.047, 'large, missed': 0.951, 'both': 0.499, 'normal, false alarm': 0.983}
monai                {'small, found': 0.047, 'large, missed': 0.951, 'both': 0.499, 'normal, false alarm': 0.983}
segmentation-models  {'small, found': 0.042, 'large, missed': 0.924, 'both': 0.767, 'normal, false alarm': 0.0}
slope at a false alarm: 0.0
SEEN
