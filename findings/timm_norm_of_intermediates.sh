#!/usr/bin/env bash
# timm 1.0.31: of a vision transformer that averages its tokens, `forward_intermediates(..., norm=True)`, which asks for the
# final norm, gives the states without one: that norm is called `fc_norm` there and stands behind the average, `norm` is
# the identity. Of one with a class token the same argument norms.
#
# Expected: normed states for both, or an error for the tower that has no norm for single tokens.
# Seen: no difference at all with and without norm=True for ViTamin (which averages), a large one for a plain ViT.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchvision==0.27.1 timm==1.0.31
venv/bin/python - <<'PY' | tee seen
import timm
import torch

picture = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
for name in ("vitamin_small_224", "vit_tiny_patch16_224"):
    torch.manual_seed(0)
    tower = timm.create_model(name).eval()
    with torch.no_grad():
        plain, normed = (
            tower.forward_intermediates(picture, indices=1, norm=norm, intermediates_only=True)[0]
            for norm in (False, True)
        )
    print(name, type(tower.norm).__name__, type(tower.fc_norm).__name__, "same" if torch.equal(plain, normed) else "other")
PY
diff seen - <<'SEEN'
vitamin_small_224 Identity LayerNorm same
vit_tiny_patch16_224 LayerNorm Identity other
SEEN
