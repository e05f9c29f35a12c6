#!/usr/bin/env bash
# transformers 4.57.3: `last_hidden_state` of a CLIP vision tower is without the tower's final norm; that of SigLIP, DINOv2,
# ViT and BLIP is after it.
#
# Expected: one name, documented alike as the output of the last layer, is one thing, so that patch features of several
# towers are on one footing; and CLIP's patches are those that open_clip and timm give for the same weights.
# Seen: CLIP's final norm is applied to the class token alone, and only in the pooled output: with its weights tripled
# the tokens stay as they were, while those of the other towers, and of CLIP in open_clip and timm, triple. Its
# `last_hidden_state` is the last of its `hidden_states`; of the others it is not.
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
import timm
import torch
import transformers

torch.manual_seed(0)
picture = torch.randn(1, 3, 32, 32)
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
NORMS = {"CLIPVision": "vision_model.post_layernorm", "SiglipVision": "vision_model.post_layernorm"}
NORMS |= {"BlipVision": "post_layernorm", "Dinov2": "layernorm", "ViT": "layernorm"}


@torch.no_grad()
def factor(tower, norm, tokens):
    """By how much the tokens grow when the norm's weights are tripled."""
    before = tokens(tower.eval())
    tower.get_submodule(norm).weight.mul_(3)
    tower.get_submodule(norm).bias.mul_(3)
    return float(tokens(tower).norm() / before.norm())


for name, norm in NORMS.items():
    inner = {} if name == "Dinov2" else {"intermediate_size": 64}
    tower = getattr(transformers, name + "Model")(getattr(transformers, name + "Config")(**SIZES, **inner))
    output = tower.eval()(picture, output_hidden_states=True)
    last = torch.equal(output.last_hidden_state, output.hidden_states[-1])
    grown = factor(tower, norm, lambda tower: tower(picture).last_hidden_state)
    print(f"transformers {name}: times {grown:.1f}, last of the hidden states: {last}")

vision = {"layers": 2, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32, "output_tokens": True}
clip = open_clip.model.CLIP(16, vision, {"context_length": 8, "vocab_size": 16, "width": 16, "heads": 1, "layers": 1})
print(f"open_clip CLIP: times {factor(clip.visual, 'ln_post', lambda tower: tower(picture)[1]):.1f}")
small = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2, "num_classes": 0}
clip = timm.create_model("vit_base_patch16_clip_224", pretrained=False, **small)
print(f"timm CLIP: times {factor(clip, 'norm', lambda tower: tower.forward_features(picture)):.1f}")
PY
diff seen - <<'SEEN'
transformers CLIPVision: times 1.0, last of the hidden states: True
transformers SiglipVision: times 3.0, last of the hidden states: False
transformers BlipVision: times 3.0, last of the hidden states: False
transformers Dinov2: times 3.0, last of the hidden states: False
transformers ViT: times 3.0, last of the hidden states: False
open_clip CLIP: times 3.0
timm CLIP: times 3.0
SEEN
