#!/usr/bin/env bash
# open_clip 3.3.0: weights named by their path are run with another activation, mean and std than their folder says.
#
# Expected: a folder as the hub holds it, open_clip_config.json beside the weights, gives the same model and
# preprocessing whether the folder is named (local-dir:FOLDER) or the architecture and the file in it
# (pretrained=FOLDER/FILE); or, as where the activation of a known tag differs from that of the name, a warning.
# Seen: with the path, the configuration beside it is not looked at: GELU for QuickGELU, OpenAI's mean and std for its
# own, and other embeddings, without a warning. The shapes of the weights fit either way.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchvision==0.27.1 \
  open-clip-torch==3.3.0 timm==1.0.31 "numpy==2.4.6; python_version < '3.12'" "numpy==2.5.5; python_version >= '3.12'"
venv/bin/python - <<'PY' | tee seen
import json
import logging
import pathlib
import sys
import open_clip
import torch

text = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1}
vision = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16}
architecture = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": text}
for folder in ("architectures", "hub"):
    pathlib.Path(folder).mkdir()
pathlib.Path("architectures/tiny.json").write_text(json.dumps(architecture))
open_clip.add_model_config("architectures")
logging.disable()  # this one has no weights yet, of which open_clip warns
torch.manual_seed(0)
saved = open_clip.create_model("tiny", force_quick_gelu=True).eval()
torch.save(saved.state_dict(), "hub/open_clip_pytorch_model.bin")
config = {"model_cfg": architecture | {"quick_gelu": True}, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}
pathlib.Path("hub/open_clip_config.json").write_text(json.dumps(config))
logging.disable(logging.NOTSET)
logging.basicConfig(level=logging.WARNING, stream=sys.stdout, force=True)
image = torch.rand(1, 3, 32, 32)
for name, weights in (("local-dir:hub", None), ("tiny", "hub/open_clip_pytorch_model.bin")):
    model, _, preprocess = open_clip.create_model_and_transforms(name, pretrained=weights)
    activation = type(model.visual.transformer.resblocks[0].mlp.gelu).__name__
    with torch.no_grad():
        same = torch.equal(model.eval().encode_image(image), saved.encode_image(image))
    mean = [round(value, 3) for value in preprocess.transforms[-1].mean]
    print(f"{name}, {weights}: {activation}, mean {mean}, the embedding that was saved: {same}")
PY
diff seen - <<'SEEN'
local-dir:hub, None: QuickGELU, mean [0.5, 0.5, 0.5], the embedding that was saved: True
tiny, hub/open_clip_pytorch_model.bin: GELU, mean [0.481, 0.458, 0.408], the embedding that was saved: False
SEEN
