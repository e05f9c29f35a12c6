"""The 22 views of a picture over which AnoVL scores it: small turns, shifts, a mirror, grey and quarter turns."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from kornia.color import rgb_to_grayscale
from kornia.geometry.transform import rotate
from torch import Tensor

from ..base.devices import to_device

SIXTEENTHS = (-4, -3, -2, -1, 1, 2, 3, 4)
"""Of a half turn."""
SHIFTS = tuple((x * size, y * size) for size in (0.2, 0.1) for x, y in ((1, 1), (-1, 1), (-1, -1), (1, -1)))
"""As shares of half a picture."""
COUNT = 1 + len(SIXTEENTHS) + len(SHIFTS) + 1 + 1 + 3


def views(images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "view batch 3 height width"]:
    """The picture itself and its views, all of its size, edges mirrored. Differentiable."""
    turns = [(math.cos(angle), math.sin(angle)) for angle in (number * math.pi / 16 for number in SIXTEENTHS)]
    moves = [[[cos, -sin, 0.0], [sin, cos, 0.0]] for cos, sin in turns]
    moves += [[[1.0, 0.0, x], [0.0, 1.0, y]] for x, y in SHIFTS]
    found = [images, *_moved(images, moves)]
    found += [images.flip(-1), rgb_to_grayscale(images).expand_as(images)]
    for degrees in (90.0, 180.0, 270.0):
        found.append(rotate(images, _there([degrees], images)[0], padding_mode="reflection"))
    return torch.stack(found)


def _moved(images: Tensor, matrices: list[list[list[float]]]) -> Tensor:
    """The images, moved by each of the matrices, all at once."""
    several = images.expand(len(matrices), *images.shape).flatten(0, 1)
    grid = F.affine_grid(
        _there(matrices, images).repeat_interleave(len(images), 0), list(several.shape), align_corners=True
    )
    moved = F.grid_sample(several, grid, padding_mode="reflection", align_corners=True)
    return moved.unflatten(0, (len(matrices), len(images)))


def _there(numbers: list, images: Tensor) -> Tensor:
    """Numbers where the images are and of their kind; nothing is waited for."""
    return to_device(torch.tensor(numbers, dtype=images.dtype, device="cpu"), images.device)
