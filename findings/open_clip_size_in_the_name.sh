#!/usr/bin/env bash
# open_clip 3.3.0: `ViTamin-XL-384` is configured for pictures of 256 pixels. Of the architectures whose name ends in a
# picture size it is the only one that is configured for another, so a name is no source for the size: ask the
# configuration.
#
# Expected: the size in the name, as for ViTamin-L-384 and all others.
# Seen: 256, and pictures of 256 is what its preprocessing makes; one exception among all names with a size.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python \
  torch==2.12.1 torchvision==0.27.1 timm==1.0.31 open_clip_torch==3.3.0
venv/bin/python - <<'PY' | tee seen
import re

import open_clip

SIZES = r"(?<!\d)(224|240|256|280|320|336|378|384|448|512)$"
named = {name: int(size[0]) for name in open_clip.list_models() if (size := re.search(SIZES, name))}
for name, size in named.items():
    configured = open_clip.get_model_config(name)["vision_cfg"]["image_size"]
    if configured != size:
        print(name, configured)
print("others:", len(named) - 1)
PY
diff seen - <<'SEEN'
ViTamin-XL-384 256
others: 53
SEEN
