#!/usr/bin/env bash
# open_clip 3.3.0 on torch 2.12.1: `precision="bf16"` on a processor without AVX-512, such as AMD's Zen 3, takes seven
# times as long as float32, without a word; and so does what `amp_bf16` runs in, `torch.autocast("cpu", torch.bfloat16)`.
#
# Expected: half the bytes to move, so at worst the time of float32, by kernels that convert to it and back; or a warning.
# Seen: a ViT-B/32 in bfloat16 takes more than twice as long, under autocast too. Where the processor has instructions for
# bfloat16 (AVX-512 BF16 or AMX) neither does; `torch.cpu.get_capabilities()` tells. Not judged here: processors with
# AVX-512 and without them, for which torch has kernels that convert.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python \
  torch==2.12.1 torchvision==0.27.1 timm==1.0.31 open_clip_torch==3.3.0
OMP_NUM_THREADS=1 venv/bin/python - <<'PY' | tee seen
import sys
import warnings
from contextlib import nullcontext
from timeit import repeat

import open_clip
import torch

warnings.simplefilter("error")
able = torch.cpu.get_capabilities()
native, wide = able["avx512_bf16"] or able["amx_bf16"], able["avx512_bw"]
pictures = torch.rand(4, 3, 224, 224)


def seconds(precision, context):
    tower = open_clip.create_model("ViT-B-32", precision=precision, device="cpu").visual.eval()
    given = pictures.to(open_clip.get_input_dtype(precision) or torch.float32)
    with torch.inference_mode(), context:
        return min(repeat(lambda: tower(given), number=1, repeat=4))


single = seconds("fp32", nullcontext())
ways = {"bf16": ("bf16", nullcontext()), "autocast": ("fp32", torch.autocast("cpu", torch.bfloat16))}
for name, way in ways.items():
    times = seconds(*way) / single
    print(f"{name}: {times:.2f} times float32's time; instructions for bfloat16: {native}", file=sys.stderr)
    as_seen = times < 2 if native else wide or times > 2
    print(f"{name}: more than twice float32's time without AVX-512, and not with the instructions: {as_seen}")
PY
diff seen - <<'SEEN'
bf16: more than twice float32's time without AVX-512, and not with the instructions: True
autocast: more than twice float32's time without AVX-512, and not with the instructions: True
SEEN
