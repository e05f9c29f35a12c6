#!/usr/bin/env bash
# timm 1.0.31: where the patch size does not divide the picture's, the rim at the right and at the bottom is dropped without
# a word, as in the SigLIP towers of 384 pixels with patches of 14: what is damaged there cannot be seen.
#
# Expected: a warning, or padding (there is `dynamic_img_pad`, off by default).
# Seen: 27 x 27 patches cover 378 of 384 pixels; blackening the last six rows and columns changes nothing at all.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchvision==0.27.1 timm==1.0.31
venv/bin/python - <<'PY' | tee seen
import warnings

import timm
import torch

with warnings.catch_warnings(record=True) as said, torch.no_grad():
    warnings.simplefilter("always")
    # The released architecture made thin and shallow, so that it needs no gigabytes.
    tower = timm.create_model("vit_so400m_patch14_siglip_384", depth=1, embed_dim=64, num_heads=2).eval()
    picture = torch.rand(1, 3, 384, 384, generator=torch.Generator().manual_seed(0))
    blackened = picture.clone()
    blackened[..., 378:, :] = 0
    blackened[..., 378:] = 0
    moved = (tower.forward_features(picture) - tower.forward_features(blackened)).abs().max()
print("patches", *tower.patch_embed.grid_size)
print(f"moved by {float(moved)}")
print("warnings about sizes:", sum("patch" in str(one.message).lower() for one in said))
PY
diff seen - <<'SEEN'
patches 27 27
moved by 0.0
warnings about sizes: 0
SEEN
