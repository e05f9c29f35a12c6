#!/usr/bin/env bash
# open_clip 3.3.0: a boolean attention mask masks nothing in its transformers, silently, whichever way round it is.
#
# Expected: as in torch.nn.MultiheadAttention, which they are made of, True is what may not be seen; or an error.
# Seen: the mask is cast to the type of the tokens, so that True and False are added to the logits as 1 and 0: every
# token sees every other, a little more or less. A causal tower lets the end of the text into its beginning, with no
# error or warning.
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
from open_clip.transformer import Transformer

torch.manual_seed(0)
tower = Transformer(width=16, layers=1, heads=2).eval()
attention = torch.nn.MultiheadAttention(16, 2, batch_first=True).eval()
later = torch.ones(6, 6, dtype=torch.bool).triu(1)
tokens = torch.randn(1, 6, 16)
changed = tokens.clone()
changed[:, 5] = torch.randn(16)
towers = {
    "torch MultiheadAttention": lambda x, mask: attention(x, x, x, attn_mask=mask)[0],
    "open_clip Transformer": lambda x, mask: tower(x, attn_mask=mask),
}
masks = {
    "none": None,
    "minus infinity for what is later": torch.zeros(6, 6).masked_fill(later, -torch.inf),
    "True for what is later": later,
    "False for what is later": ~later,
}
for name, run in towers.items():
    for kind, mask in masks.items():
        with torch.no_grad():
            same = torch.allclose(run(tokens, mask)[:, 0], run(changed, mask)[:, 0], atol=1e-6)
        print(f"{name}, mask: {kind}: the first token {'does not see' if same else 'sees'} the last")
PY
diff seen - <<'SEEN'
torch MultiheadAttention, mask: none: the first token sees the last
torch MultiheadAttention, mask: minus infinity for what is later: the first token does not see the last
torch MultiheadAttention, mask: True for what is later: the first token does not see the last
torch MultiheadAttention, mask: False for what is later: the first token sees the last
open_clip Transformer, mask: none: the first token sees the last
open_clip Transformer, mask: minus infinity for what is later: the first token does not see the last
open_clip Transformer, mask: True for what is later: the first token sees the last
open_clip Transformer, mask: False for what is later: the first token sees the last
SEEN
