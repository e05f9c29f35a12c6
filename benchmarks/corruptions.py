"""Corruptions against kornia's functions for the same: 16 pictures of 240 x 240 pixels at severity 4.

Where kornia has no such corruption, what one would put together of its parts: a disc for `filter2d`, hue and back for
brightness. Its JPEG rounds softly, its posterisation cuts bits off, its motion is a filter of two dimensions.
"""

from collections.abc import Callable, Iterator
from importlib import metadata

import kornia.augmentation as augmentation
import kornia.color as color
import kornia.enhance as enhance
import kornia.filters as filters
import torch
import torch.nn.functional as F
from torch import Tensor

from zsas_lib.perturbations.corruptions import CORRUPTIONS, corrupt

from .table import Measurement, Settings, compared, seconds_of

SEVERITY = 4


def peers(images: Tensor) -> dict[str, Callable[[], Tensor]]:
    """What kornia does in the place of each corruption, with the same parameter."""
    pixel = images.shape[-1] / 224
    values = {name: record.values[SEVERITY] for name, record in CORRUPTIONS.items()}
    radius, length, sigma = (pixel * values[name] for name in ("defocus", "motion_x", "gaussian_blur"))
    offsets = torch.arange(-int(radius + 0.5), int(radius + 0.5) + 1, device=images.device)
    disc = (radius + 0.5 - torch.hypot(offsets[:, None].float(), offsets.float())).clamp(0, 1)[None]
    path, taps = 2 * int((1 + length) / 2 + 0.5) + 1, 2 * int(4 * sigma + 0.5) + 1
    noise = augmentation.RandomGaussianNoise(std=values["gaussian_noise"], p=1.0)
    quality = torch.tensor([float(values["jpeg"])], device=images.device)

    def brighter() -> Tensor:
        hue, saturation, value = color.rgb_to_hsv(images).split(1, 1)
        return color.hsv_to_rgb(torch.cat([hue, saturation, (value + values["brightness"]).clamp(max=1)], 1))

    return {
        "defocus": lambda: filters.filter2d(images, disc, normalized=True),
        "motion_x": lambda: filters.motion_blur(images, path, 0.0, 0.0, "reflect"),
        "gaussian_blur": lambda: filters.gaussian_blur2d(images, (taps, taps), (sigma, sigma)),
        "brightness": brighter,
        "contrast": lambda: enhance.adjust_contrast_with_mean_subtraction(images, values["contrast"]),
        "gaussian_noise": lambda: noise(images).clamp(0, 1),
        "colour_quantisation": lambda: enhance.posterize(images, values["colour_quantisation"]),
        "jpeg": lambda: enhance.jpeg_codec_differentiable(images, quality),
    }


@torch.no_grad()
def measure(settings: Settings) -> Iterator[Measurement]:
    batch, size = (2, 48) if settings.quick else (16, 240)
    torch.manual_seed(0)
    images = F.interpolate(torch.rand(batch, 3, size // 8, size // 8), size, mode="bilinear").to(settings.device)
    for name, peer in peers(images).items():
        spelled = f"{name}({SEVERITY})"
        difference = (corrupt(images, spelled) - peer()).abs().mean()
        yield compared(
            name,
            lambda spelled=spelled: seconds_of(lambda: corrupt(images, spelled), images.device.type),
            lambda peer=peer: seconds_of(peer, images.device.type),
            f"kornia {metadata.version('kornia')}",
            settings.rounds,
            note=f"{batch} images of {size} x {size}, mean difference {difference:.0e}",
        )
