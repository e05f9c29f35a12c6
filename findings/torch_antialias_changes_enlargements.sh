#!/usr/bin/env bash
# torch 2.12.1: `antialias=True` makes another bicubic interpolation, also where a map is enlarged and there is nothing to
# smooth; so a CLIP tower that reads larger pictures than it was trained on has other position embeddings in transformers
# 4.57.3 than in open_clip 3.3.0.
#
# Expected: the flag matters for shrinking alone, as it does for bilinear interpolation; and both libraries say bicubic
# without aligned corners, so that the same weights with a larger grid have the same embeddings.
# Seen: without the flag the kernel's coefficient is -0.75, with it -0.5, so that an edge overshoots by .105 or .070 of its
# height. open_clip (and timm) set the flag, transformers does not: from 24 x 24 patches to 37 x 37, as for pictures of 518
# pixels, which the field uses, embeddings without structure are about a tenth apart. Nothing says so.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchvision==0.27.1 timm==1.0.31 \
  open_clip_torch==3.3.0 transformers==4.57.3
venv/bin/python - <<'PY' 2>/dev/null | tee seen
import open_clip.model
import torch
from timm.layers import resample_abs_pos_embed
from torch.nn.functional import interpolate
from transformers import CLIPVisionConfig, CLIPVisionModel

edge = torch.zeros(1, 1, 8, 8)
edge[..., 4:] = 1
for mode in ("bilinear", "bicubic"):
    for antialias in (False, True):
        doubled = interpolate(edge, size=(16, 16), mode=mode, antialias=antialias)
        print(f"edge doubled, {mode}, antialias={antialias}: highest {float(doubled.max()):.3f}")

# A tower for 336 pixels with patches of 14, thin and shallow, and its weights' grid enlarged for 518 pixels.
width, before, after = 32, 24, 37
grid = torch.randn(1 + before**2, width, generator=torch.Generator().manual_seed(0))
vision = {"layers": 1, "width": width, "head_width": 16, "patch_size": 14, "image_size": 518}
text = {"context_length": 8, "vocab_size": 16, "width": 16, "heads": 1, "layers": 1}
weights = {"visual.positional_embedding": grid.clone()}
open_clip.model.resize_pos_embed(weights, open_clip.model.CLIP(16, vision, text))
sizes = {"hidden_size": width, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
tower = CLIPVisionModel(CLIPVisionConfig(image_size=336, patch_size=14, **sizes)).vision_model
with torch.no_grad():
    tower.embeddings.position_embedding.weight.copy_(grid)
    tokens = torch.zeros(1, 1 + after**2, width)
    found = {
        "open_clip": weights["visual.positional_embedding"],
        "timm": resample_abs_pos_embed(grid[None], [after, after], num_prefix_tokens=1)[0],
        "transformers": tower.embeddings.interpolate_pos_encoding(tokens, 518, 518)[0],
    }
for name, own in found.items():
    gap = float((own - found["open_clip"]).norm() / found["open_clip"].norm())
    print(f"{name:12} {own.shape[0]} embeddings, from open_clip's: {gap:.2f}")
PY
diff seen - <<'SEEN'
edge doubled, bilinear, antialias=False: highest 1.000
edge doubled, bilinear, antialias=True: highest 1.000
edge doubled, bicubic, antialias=False: highest 1.105
edge doubled, bicubic, antialias=True: highest 1.070
open_clip    1370 embeddings, from open_clip's: 0.00
timm         1370 embeddings, from open_clip's: 0.00
transformers 1370 embeddings, from open_clip's: 0.09
SEEN
