#!/usr/bin/env bash
# timm 1.0.31: what of a picture its CLIP and SigLIP towers are shown depends on the tag of the weights: of two towers that
# were trained alike one gets the whole picture, the other its middle, which leaves out a rim of a twentieth at each side.
#
# Expected: timm's own preprocessing (resolve_data_config, create_transform) shows the whole square, as open_clip does for
# the same weights, whose configurations have no such crop; at the least, the same for all towers of one training.
# Seen: `crop_pct` is 0.9, timm's general default, for ViT-B-16 of OpenAI, ViT-B-32 of LAION-400M and most SigLIP towers, and
# 1.0 for ViT-L-14 of OpenAI and ViT-B-16 of LAION-400M. With 0.9 a defect within 40 pixels of the border of a picture of
# 1000 pixels, where 15 % of its area lies, is not read at all; nothing says so.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchvision==0.27.1 timm==1.0.31 \
  open_clip_torch==3.3.0
venv/bin/python - <<'PY' 2>/dev/null | tee seen
from collections import Counter

import open_clip
import timm
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from timm.data import create_transform, resolve_data_config

rim = Image.new("RGB", (1000, 1000), "white")
rim.paste("black", (40, 40, 960, 960))
pairs = {
    "vit_base_patch16_clip_224.openai": ("ViT-B-16", "openai"),
    "vit_large_patch14_clip_224.openai": ("ViT-L-14", "openai"),
    "vit_base_patch32_clip_224.laion400m_e32": ("ViT-B-32", "laion400m_e32"),
    "vit_base_patch16_clip_224.laion400m_e32": ("ViT-B-16", "laion400m_e32"),
    "vit_base_patch16_siglip_384.webli": ("ViT-B-16-SigLIP-384", "webli"),
}
for name, (architecture, tag) in pairs.items():
    of_timm = timm.get_pretrained_cfg(name)
    theirs = open_clip.get_pretrained_cfg(architecture, tag)
    keys = {key: theirs[key] for key in ("mean", "std", "interpolation", "resize_mode")}
    size = open_clip.get_model_config(architecture)["vision_cfg"]["image_size"]
    transforms = {
        "timm": create_transform(**resolve_data_config({}, pretrained_cfg=of_timm.to_dict())),
        "open_clip": image_transform_v2(PreprocessCfg(size=size, **keys), is_train=False),
    }
    shown = {}
    for library, transform in transforms.items():
        seen = transform(rim)
        assert seen.shape == (3, size, size)
        shown[library] = "black with a white rim" if float((seen.amax((1, 2)) - seen.amin((1, 2))).max()) > 1 else "black"
    print(name, of_timm.crop_pct, shown)
siglip = Counter(timm.get_pretrained_cfg(name).crop_pct for name in timm.list_pretrained("*siglip*"))
print("SigLIP towers by crop_pct:", dict(sorted(siglip.items())))
PY
diff seen - <<'SEEN'
vit_base_patch16_clip_224.openai 0.9 {'timm': 'black', 'open_clip': 'black with a white rim'}
vit_large_patch14_clip_224.openai 1.0 {'timm': 'black with a white rim', 'open_clip': 'black with a white rim'}
vit_base_patch32_clip_224.laion400m_e32 0.9 {'timm': 'black', 'open_clip': 'black with a white rim'}
vit_base_patch16_clip_224.laion400m_e32 1.0 {'timm': 'black with a white rim', 'open_clip': 'black with a white rim'}
vit_base_patch16_siglip_384.webli 0.9 {'timm': 'black', 'open_clip': 'black with a white rim'}
SigLIP towers by crop_pct: {0.9: 54, 1.0: 19}
SEEN
