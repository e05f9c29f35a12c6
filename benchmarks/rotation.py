"""Forward plus backward of the three-pass rotation, ours against torch-rotation's: a batch of 16 images of 240 x 240
pixels, each turned by its own angle, with gradients of the images and the angles."""

from collections.abc import Callable, Iterator
from importlib import metadata

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_rotation import rotate_three_pass

from zsas_lib.perturbations.rotation import rotate

from .table import Measurement, Settings, compared, seconds_of


def theirs(images: Tensor, degrees: Tensor) -> Tensor:
    """It turns the other way, takes radians, and writes into the images that it is given: they must be a copy."""
    return rotate_three_pass(images.clone(), torch.deg2rad(-degrees), padding_mode="replicate")


def seconds(rotation: Callable[[Tensor, Tensor], Tensor], images: Tensor, degrees: Tensor) -> float:
    images, degrees = images.clone().requires_grad_(), degrees.clone().requires_grad_()
    return seconds_of(lambda: rotation(images, degrees).square().mean().backward(), images.device.type)


def measure(settings: Settings) -> Iterator[Measurement]:
    batch, size = (2, 48) if settings.quick else (16, 240)
    torch.manual_seed(0)
    images = F.interpolate(torch.rand(batch, 3, size // 8, size // 8), size, mode="bilinear").to(settings.device)
    degrees = torch.rand(batch, device=settings.device) * 180 - 90
    with torch.no_grad():
        difference = (rotate(images, degrees) - theirs(images, degrees)).abs().mean()
    yield compared(
        "forward and backward",
        lambda: seconds(rotate, images, degrees),
        lambda: seconds(theirs, images, degrees),
        f"torch-rotation {metadata.version('torch-rotation')}",
        settings.rounds,
        note=f"{batch} images of {size} x {size}, mean difference {difference:.0e}",
    )
