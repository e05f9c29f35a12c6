#!/usr/bin/env bash
# torch 2.12.1, CPU: the gradient of a batch norm in evaluation mode is wrong for one picture, without a word, where the
# gradient that comes back to it lies in memory in another order, as it does where a map is flattened to tokens behind it.
#
# Expected: in evaluation mode a batch norm is one factor and one summand per channel, so that the gradient of its input is
# the gradient of its output times the factor, however either is stored; for 1 picture as for 2.
# Seen: right for 2 pictures; for 1 the factors of other channels are taken. Making the gradient contiguous on its way back
# (a hook on the output) mends it.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1
venv/bin/python - <<'PY' | tee seen
import torch

norm = torch.nn.BatchNorm2d(6).eval().requires_grad_(False)
norm.weight.copy_(torch.arange(1.0, 7.0))
for pictures in (1, 2):
    for mended in (False, True):
        x = torch.ones(pictures, 6, 4, 4, requires_grad=True)
        y = norm(x)
        if mended:
            y.register_hook(lambda gradient: gradient.contiguous())
        weights = torch.randn(pictures, 16, 6, generator=torch.Generator().manual_seed(0))
        (y.flatten(2).mT * weights).sum().backward()
        expected = weights.mT.reshape(x.shape) * norm.weight[:, None, None]
        off = float((x.grad - expected).abs().max())
        print(f"{pictures} picture(s), made contiguous: {mended}: the gradient is {'right' if off < 1e-2 else 'wrong'}")
PY
diff seen - <<'SEEN'
1 picture(s), made contiguous: False: the gradient is wrong
1 picture(s), made contiguous: True: the gradient is right
2 picture(s), made contiguous: False: the gradient is right
2 picture(s), made contiguous: True: the gradient is right
SEEN
