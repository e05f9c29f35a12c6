#!/usr/bin/env bash
# segmentation-models-pytorch 0.5.0: its `FocalLoss` for "multiclass" is no loss of a softmax: it takes each class for a
# question of its own, by a sigmoid.
#
# Expected: as its `DiceLoss` of the same mode, as cross entropy, and as kornia's and monai's focal losses of a softmax, it
# reads which class is ahead and by how much; what all classes have in common changes nothing.
# Seen: with 5 against -5 it is 0, with 25 against 15 it is 15, for the same classes with the same lead. CLIP's similarities
# times its scale are such numbers, around 20 for normal and damaged alike: pixels that are right cost as much as the
# other class's similarity, and what is trained lowers that at the right pixels as hard as at the wrong ones.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchvision==0.27.1 timm==1.0.31 \
  segmentation-models-pytorch==0.5.0 kornia==0.9.0 monai==1.6.1
venv/bin/python - <<'PY' 2>/dev/null | tee seen
import monai.losses
import torch
from kornia.losses import focal_loss
from segmentation_models_pytorch.losses import DiceLoss, FocalLoss
from torch.nn.functional import cross_entropy

damaged = torch.zeros(1, 4, 4, dtype=torch.long)
damaged[:, 2:] = 1
lead = torch.stack([5.0 - 10 * damaged, 10.0 * damaged - 5], 1)
losses = {
    "cross entropy": cross_entropy,
    "smp DiceLoss": DiceLoss("multiclass"),
    "smp FocalLoss": FocalLoss("multiclass"),
    "kornia focal_loss": lambda scores, labels: focal_loss(scores, labels, alpha=None, reduction="mean"),
    "monai FocalLoss": lambda scores, labels: monai.losses.FocalLoss(use_softmax=True, to_onehot_y=True)(
        scores, labels[:, None]
    ),
}
for name, loss in losses.items():
    row = {f"{common + 5} against {common - 5}": round(abs(float(loss(lead + common, damaged))), 2) for common in (0, 20)}
    scores = (lead + 20).requires_grad_()
    pull = torch.autograd.grad(loss(scores, damaged), scores)[0].abs().max()
    print(f"{name}, all pixels right: {row}, pulls at them: {bool(pull > 0.01)}")
wrong = (20 - lead).requires_grad_()
right = (20 + lead).requires_grad_()
print("smp FocalLoss, pull at the damaged class's score of a normal pixel that is right, and of one that is wrong:")
for scores in (right, wrong):
    pulls = torch.autograd.grad(losses["smp FocalLoss"](scores, damaged), scores)[0]
    print(f"  {float(pulls[0, 1, 0, 0]):.4f}")
PY
diff seen - <<'SEEN'
cross entropy, all pixels right: {'5 against -5': 0.0, '25 against 15': 0.0}, pulls at them: False
smp DiceLoss, all pixels right: {'5 against -5': 0.0, '25 against 15': 0.0}, pulls at them: False
smp FocalLoss, all pixels right: {'5 against -5': 0.0, '25 against 15': 15.0}, pulls at them: True
kornia focal_loss, all pixels right: {'5 against -5': 0.0, '25 against 15': 0.0}, pulls at them: False
monai FocalLoss, all pixels right: {'5 against -5': 0.0, '25 against 15': 0.0}, pulls at them: False
smp FocalLoss, pull at the damaged class's score of a normal pixel that is right, and of one that is wrong:
  0.0625
  0.0625
SEEN
