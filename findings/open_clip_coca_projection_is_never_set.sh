#!/usr/bin/env bash
# open_clip 3.3.0: a CoCa model without weights begins with one parameter that nobody has set, the projection of its text
# decoder; it holds whatever the memory held.
#
# Expected: as of open_clip's other models, numbers drawn from torch's seed; the class has a method that would draw them.
# Seen: that method is not called when a model is made. Two models of one seed may differ, captions of a model trained
# from the start hang on what ran before, and now and then the projection is nan and all that is trained with it.
# torch can fill what is allocated and not set with nan, which shows it every time.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchvision==0.27.1 \
  open-clip-torch==3.3.0 timm==1.0.31 "numpy==2.4.6; python_version < '3.12'" "numpy==2.5.5; python_version >= '3.12'"
venv/bin/python - <<'PY' | tee seen
import torch
from open_clip.coca_model import CoCa
from open_clip.model import CLIP

torch.use_deterministic_algorithms(True)
torch.utils.deterministic.fill_uninitialized_memory = True
vision = {"image_size": 32, "patch_size": 16, "width": 64, "layers": 1, "head_width": 32}
text = {"context_length": 8, "vocab_size": 20, "width": 32, "heads": 2, "layers": 1}
whole = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": text}
torch.manual_seed(0)
models = {"CLIP": CLIP(**whole), "CoCa": CoCa(**whole, multimodal_cfg={**text, "mlp_ratio": 4})}
for name, model in models.items():
    never_set = [name for name, values in model.named_parameters() if values.isnan().any()]
    print(f"{name}: {len(list(model.parameters()))} parameters, of which never set: {', '.join(never_set) or 'none'}")
PY
diff seen - <<'SEEN'
CLIP: 38 parameters, of which never set: none
CoCa: 67 parameters, of which never set: text_decoder.text_projection
SEEN
