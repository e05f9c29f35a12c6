#!/usr/bin/env bash
# open_clip 3.3.0 and timm 1.0.31 against transformers 4.57.3: which GELU SigLIP has depends on the library, and in open_clip's
# SigLIP 2 on the tower.
#
# Expected: one activation for one model, and the same in both of its towers. transformers' configurations name the tanh
# approximation for both towers of both generations.
# Seen: open_clip takes the picture's tower from timm, which has the exact GELU; the text's tower has the exact one too in
# SigLIP and the approximation in SigLIP 2. The two differ by up to 5e-4 at each activation, more than float32 explains:
# what two libraries make of one picture with the same weights differs.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchvision==0.27.1 timm==1.0.31 \
  open_clip_torch==3.3.0 transformers==4.57.3
venv/bin/python - <<'PY' 2>/dev/null | tee seen
import open_clip
import timm
import torch
import transformers

picture = timm.create_model("vit_base_patch16_siglip_224", pretrained=False, num_classes=0).blocks[0].mlp.act
print("timm, pictures:", picture)
for name in ("ViT-B-16-SigLIP", "ViT-B-16-SigLIP2"):
    config = open_clip.get_model_config(name)
    print(f"open_clip, {name}, pictures:", config["vision_cfg"].get("timm_model_name"))
    print(f"open_clip, {name}, text:", config["text_cfg"].get("act_kwargs", "exact"))
for config in (transformers.SiglipConfig(), transformers.Siglip2Config()):
    names = config.vision_config.hidden_act, config.text_config.hidden_act
    print(f"transformers, {type(config).__name__}:", *names)
x = torch.linspace(-6, 6, 10001)
gap = (picture(x) - torch.nn.functional.gelu(x, approximate="tanh")).abs().max()
print(f"largest difference of the two: {float(gap):.0e}")
PY
diff seen - <<'SEEN'
timm, pictures: GELU(approximate='none')
open_clip, ViT-B-16-SigLIP, pictures: vit_base_patch16_siglip_224
open_clip, ViT-B-16-SigLIP, text: exact
open_clip, ViT-B-16-SigLIP2, pictures: vit_base_patch16_siglip_224
open_clip, ViT-B-16-SigLIP2, text: {'approximate': 'tanh'}
transformers, SiglipConfig: gelu_pytorch_tanh gelu_pytorch_tanh
transformers, Siglip2Config: gelu_pytorch_tanh gelu_pytorch_tanh
largest difference of the two: 5e-04
SEEN
