#!/usr/bin/env bash
# kornia 0.9.0 and torchvision 0.27.1: `adjust_brightness`, `adjust_contrast` and `adjust_saturation` have the same names and
# take the same factor, and are different operations.
#
# Expected: the same picture for the same factor, as for `adjust_gamma`, and as for `adjust_hue` once its angle is
# converted (radians there, shares of a turn here). Robustness tables name the operation and the factor only.
# Seen: torchvision mixes with black, with the mean grey and with each pixel's grey; kornia adds the factor (brightness),
# multiplies (contrast) and multiplies the saturation of HSV. The neutral factor of brightness is 0 in one and 1 in the other.
# kornia's `adjust_brightness_accumulative`, `adjust_contrast_with_mean_subtraction` and
# `adjust_saturation_with_gray_subtraction` are its names for what torchvision does.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchvision==0.27.1 kornia==0.9.0
venv/bin/python - <<'PY' | tee seen
import math

import torch
from kornia import enhance
from torchvision.transforms import functional

picture = torch.tensor([[0.2, 0.5, 0.8], [0.6, 0.5, 0.1]]).T.reshape(1, 3, 1, 2)


def show(name, image):
    print(f"{name:32}", [round(float(value), 3) for value in image[0].flatten(1).T.flatten()])


for kind, factor in (("brightness", 0.5), ("contrast", 0.5), ("saturation", 1.5), ("gamma", 0.5)):
    for library, functions in (("kornia", enhance), ("torchvision", functional)):
        show(f"{library} {kind} {factor}", getattr(functions, f"adjust_{kind}")(picture, factor))
show("kornia hue 60 degrees", enhance.adjust_hue(picture, math.pi / 3))
show("torchvision hue 60 degrees", functional.adjust_hue(picture, 1 / 6))
PY
diff seen - <<'SEEN'
kornia brightness 0.5            [0.7, 1.0, 1.0, 1.0, 1.0, 0.6]
torchvision brightness 0.5       [0.1, 0.25, 0.4, 0.3, 0.25, 0.05]
kornia contrast 0.5              [0.1, 0.25, 0.4, 0.3, 0.25, 0.05]
torchvision contrast 0.5         [0.332, 0.482, 0.632, 0.532, 0.482, 0.282]
kornia saturation 1.5            [0.0, 0.4, 0.8, 0.6, 0.48, 0.0]
torchvision saturation 1.5       [0.078, 0.528, 0.978, 0.658, 0.508, 0.0]
kornia gamma 0.5                 [0.447, 0.707, 0.894, 0.775, 0.707, 0.316]
torchvision gamma 0.5            [0.447, 0.707, 0.894, 0.775, 0.707, 0.316]
kornia hue 60 degrees            [0.5, 0.2, 0.8, 0.2, 0.6, 0.1]
torchvision hue 60 degrees       [0.5, 0.2, 0.8, 0.2, 0.6, 0.1]
SEEN
