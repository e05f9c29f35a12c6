"""Random changes to training pictures and their masks, with strengths written down.

VCP-CLIP leaves them to albumentations, whose defaults changed between versions (the noise sixteenfold); here they are
those of its 1.x versions, on a 0 to 1 scale: one of a box, a change of colours, and a Gaussian with equal chances.
"""

import math
from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor
from torchvision.transforms import ColorJitter
from torchvision.transforms.functional import gaussian_blur

CHANCE = 0.5
DEGREES = 30.0
CONTRAST = 0.2
BRIGHTNESS = 0.2
NOISE_VARIANCE = (10 / 255**2, 50 / 255**2)
KERNELS = (3, 5, 7)
"""Sides in pixels of the Gaussians, whose widths follow from them."""
COLOURS = 0.2
"""Brightness, contrast and saturation are multiplied by up to so much more or less than 1, in any order, and the hue is
turned by up to so much of its circle, either way."""
ZOOM = (0.3, 0.8)
"""How much of a picture's side is left when it is zoomed into."""
ON_DEFECT = 0.7


def augmented(
    images: Float[Tensor, "batch 3 side side"], masks: Bool[Tensor, "batch side side"]
) -> tuple[Float[Tensor, "batch 3 side side"], Bool[Tensor, "batch side side"]]:
    """Each picture with probability 1/2 each: turned by up to 30 degrees (edges mirrored), by quarter turns, changed in
    contrast and brightness by up to 0.2, given noise of standard deviation 3 to 7 of 255, and one of three: blurred by
    a box of 3 pixels, by a Gaussian of 3 to 7, or changed in brightness, contrast, saturation and hue (`COLOURS`).
    Masks turn along (nearest pixel). Values stay in [0, 1]. Draws from torch's global random numbers.
    """
    pairs = [_one(image, mask) for image, mask in zip(images, masks)]
    return torch.stack([image for image, _ in pairs]), torch.stack([mask for _, mask in pairs])


def zoomed(
    images: Float[Tensor, "batch 3 side side"], masks: Bool[Tensor, "batch side side"], chance: float
) -> tuple[Float[Tensor, "batch 3 side side"], Bool[Tensor, "batch side side"]]:
    """With probability ``chance`` each, pictures are cut to a square of 0.3 to 0.8 of their side and enlarged again.

    The square lies anywhere; in 7 of 10 damaged pictures so that it shows some of the damage. No paper does this: it
    turns pictures of whole objects into pictures that a surface fills. Draws from torch's global random numbers.
    """
    pairs = [_cut(image, mask) if torch.rand(()) < chance else (image, mask) for image, mask in zip(images, masks)]
    return torch.stack([image for image, _ in pairs]), torch.stack([mask for _, mask in pairs])


def _cut(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    size = len(mask)
    side = max(1, round(size * _between(*ZOOM)))
    damaged = mask.nonzero()
    if len(damaged) and torch.rand(()) < ON_DEFECT:
        shown = damaged[torch.randint(len(damaged), ())].tolist()
        corner = [min(max(place - round(side * _between(0.0, 1.0)), 0), size - side) for place in shown]
    else:
        corner = [round((size - side) * _between(0.0, 1.0)) for _ in range(2)]
    top, left = corner
    image, mask = image[:, top : top + side, left : left + side], mask[top : top + side, left : left + side]
    image = F.interpolate(image[None], (size, size), mode="bicubic", align_corners=False)[0].clamp(0, 1)
    return image, F.interpolate(mask[None, None].to(image), (size, size), mode="nearest")[0, 0] > 0.5


def _one(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    if _happens():
        image, mask = _turned(image, mask, _between(-DEGREES, DEGREES))
    if _happens():
        turns = int(torch.randint(4, ()))
        image, mask = image.rot90(turns, (1, 2)), mask.rot90(turns, (0, 1))
    if _happens():
        image = (image * (1 + _between(-CONTRAST, CONTRAST)) + _between(-BRIGHTNESS, BRIGHTNESS)).clamp(0, 1)
    if _happens():
        image = (image + math.sqrt(_between(*NOISE_VARIANCE)) * torch.randn(image.shape).to(image)).clamp(0, 1)
    if _happens():
        image = (_boxed, _blurred, _recoloured)[int(torch.randint(3, ()))](image).clamp(0, 1)
    return image, mask


def _turned(image: Tensor, mask: Tensor, degrees: float) -> tuple[Tensor, Tensor]:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    grid = F.affine_grid(image.new_tensor([[[cos, -sin, 0], [sin, cos, 0]]]), [1, 1, *mask.shape], align_corners=False)
    image = F.grid_sample(image[None], grid, padding_mode="reflection", align_corners=False)[0]
    mask = F.grid_sample(
        mask[None, None].to(grid), grid, mode="nearest", padding_mode="reflection", align_corners=False
    )
    return image.clamp(0, 1), mask[0, 0] > 0.5


def _boxed(image: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(image[None], (1, 1, 1, 1), mode="reflect"), 3, 1)[0]


def _blurred(image: Tensor) -> Tensor:
    side = KERNELS[int(torch.randint(len(KERNELS), ()))]
    return gaussian_blur(image, [side, side], [0.3 * ((side - 1) / 2 - 1) + 0.8] * 2)


def _recoloured(image: Tensor) -> Tensor:
    return _colours()(image)


@cache
def _colours() -> ColorJitter:
    return ColorJitter(COLOURS, COLOURS, COLOURS, COLOURS)


def _happens() -> bool:
    return bool(torch.rand(()) < CHANCE)


def _between(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))
