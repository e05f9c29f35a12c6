#!/usr/bin/env bash
# torchvision 0.27.1 with torch 2.12.1: `import torchvision`, or any part of it such as its transforms, imports
# `torch._dynamo`, the front of torch's compiler, which `import torch` leaves for those who compile. A process that only
# wants to resize a picture loads about as many modules once more, in about as much time as torch itself took.
#
# Expected: a small import beside torch's; torch's lazy parts stay lazy.
# Seen: `torch._dynamo` is not there after torch, and is there after torchvision, with over 800 further modules of
# torch's and its needs, and fewer than 200 of torchvision's own.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchvision==0.27.1
for part in torchvision torchvision.transforms.functional; do
  venv/bin/python - "$part" <<'PY'
import importlib
import sys
import time

clock = time.process_time()
import torch

torchs = time.process_time() - clock
before = set(sys.modules)
clock = time.process_time()
importlib.import_module(sys.argv[1])
took = time.process_time() - clock
added = set(sys.modules) - before
own = [name for name in added if name.split(".")[0] == "torchvision"]
print(f"{sys.argv[1]}: {took:.1f} s after {torchs:.1f} s of torch, {len(added)} modules, {len(own)} of torchvision",
      file=sys.stderr)
print(sys.argv[1], "torch._dynamo" in before, "torch._dynamo" in added, len(added) - len(own) > 800, len(own) < 200)
PY
done | tee seen
diff seen - <<'SEEN'
torchvision False True True True
torchvision.transforms.functional False True True True
SEEN
