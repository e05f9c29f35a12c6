"""Blurs: out of focus, in motion, Gaussian; with a depth map each pixel by how near it is.

All are differentiable in the images and in the severity. Edges are mirrored, the edge pixel not repeated.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from .amounts import Amount
from .severity import at_severity, in_pixels, nearness

Images = Float[Tensor, "batch 3 height width"]
Depth = Float[Tensor, "batch height width"]

RADII = (0, 3, 4, 6, 8, 10)
"""Of the disc of confusion, in pixels at a side of 224: Hendrycks and Dietterich's for defocus."""
SIGMAS = (0, 1, 2, 3, 4, 6)
"""Of the Gaussian, in pixels at a side of 224: Hendrycks and Dietterich's."""
LENGTHS = (0, 6, 10, 15, 20, 26)
"""Of the path of a motion, in pixels at a side of 224; ours, a straight path at even speed."""
ZOOMS = (1.0, 1.11, 1.15, 1.20, 1.24, 1.30)
"""Up to which a zoom blur enlarges: the last of Hendrycks and Dietterich's zooms, which go in steps of 0.01, 0.01,
0.02, 0.02 and 0.03 to less than 1.11 (which rounding lets in), 1.16, 1.21, 1.26 and 1.31."""
LENS = 0.25
"""How far from the mean depth of a picture a lens is focused that is focused near or far, as a share of 1 / depth."""
STEPS = (0.0, 0.5, 1.0, 1.5, 2.0)
"""The blurs, in multiples of a severity's own, between which a pixel's is taken where depth matters."""


def defocus(images: Images, severity: Amount) -> Images:
    """Out of focus by the same amount everywhere: a disc with a soft edge of one pixel."""
    return _blurred_by(_disc, images, at_severity(RADII, severity, images) * in_pixels(images))


def near_focus(images: Images, severity: Amount, depth: Depth | None = None) -> Images:
    """Focused nearer than the mean depth, at 1 / (1 + LENS) of it: what is far is blurred most.

    A thin lens: the radius grows as |1/focus - 1/depth|; at the mean depth it is that of `defocus`, and everywhere
    where all depths are equal. Each pixel takes its blur from `STEPS`; what hides what at an edge is not modelled.
    """
    return _by_depth(_disc, RADII, images, severity, (1 + LENS - nearness(depth)) / LENS)


def far_focus(images: Images, severity: Amount, depth: Depth | None = None) -> Images:
    """Focused farther than the mean depth, at 1 / (1 - LENS) of it: what is near is blurred most; as `near_focus`."""
    return _by_depth(_disc, RADII, images, severity, (nearness(depth) - (1 - LENS)) / LENS)


def motion_x(images: Images, severity: Amount) -> Images:
    """Moved to the side while the shutter was open: the mean over a horizontal path."""
    return _blurred_by(_horizontal, images, at_severity(LENGTHS, severity, images) * in_pixels(images))


def motion_y(images: Images, severity: Amount) -> Images:
    """Moved up or down while the shutter was open."""
    return motion_x(images.mT, severity).mT


def xy_motion(images: Images, severity: Amount, depth: Depth | None = None) -> Images:
    """The camera moved to the side while the shutter was open: what is near moves farther, as 1 / depth, at most twice
    as far as at the mean depth; where all depths are equal it is `motion_x`."""
    return _by_depth(_horizontal, LENGTHS, images, severity, nearness(depth))


def zoom_blur(images: Images, severity: Amount) -> Images:
    """Moved towards the middle of the picture while the shutter was open: the mean of ever larger pictures."""
    return _zoomed(images, at_severity(ZOOMS, severity, images) - 1)


def z_motion(images: Images, severity: Amount, depth: Depth | None = None) -> Images:
    """The camera moved forwards while the shutter was open: what is near grows more, as 1 / depth; where all depths are
    equal it is `zoom_blur`."""
    return _zoomed(images, (at_severity(ZOOMS, severity, images) - 1) * nearness(depth))


def gaussian_blur(images: Images, severity: Amount) -> Images:
    """A Gaussian blur."""
    sigma = (at_severity(SIGMAS, severity, images) * in_pixels(images)).clamp(min=1e-3)

    def bell(offsets: Tensor) -> Tensor:
        return torch.exp(-0.5 * (offsets / sigma[:, 0]) ** 2) * (offsets.abs() <= 4 * sigma[:, 0])

    return _along_x(_along_x(images, bell).mT, bell).mT


def _by_depth(
    blur: Callable[[Tensor, Tensor], Tensor],
    values: tuple[int | float, ...],
    images: Images,
    severity: Amount,
    multiple: Float[Tensor, "batch 1 height width"] | float,
) -> Images:
    """The images, each pixel blurred by a multiple (cut to those of `STEPS`) of what the severity says."""
    strength = at_severity(values, severity, images) * in_pixels(images)
    multiple = torch.as_tensor(multiple).abs().clamp(max=STEPS[-1])
    result = torch.zeros_like(images)
    for step in STEPS:
        share = (1 - (multiple - step).abs() / STEPS[1]).clamp(min=0)
        if bool((share > 0).any()):
            result = result + share * _blurred_by(blur, images, step * strength)
    return result


def _blurred_by(blur: Callable[[Tensor, Tensor], Tensor], images: Images, strength: Tensor) -> Images:
    return blur(images, strength) if bool((strength.detach() > 0).any()) else images


def _disc(images: Images, radius: Float[Tensor, "#batch 1 1 1"]) -> Images:
    reach = int(radius.detach().max() + 0.5)
    offsets = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    kernels = (radius[:, 0] + 0.5 - torch.hypot(offsets[:, None], offsets)).clamp(0, 1)
    kernels = kernels / kernels.sum((1, 2), keepdim=True)
    padded = F.pad(images, (reach,) * 4, mode="reflect")
    height, width = (-(-size // 8) * 8 for size in padded.shape[-2:])  # whose transforms are fast
    spectrum = torch.fft.rfft2(padded, (height, width)) * torch.fft.rfft2(kernels, (height, width))[:, None]
    rows, columns = (slice(2 * reach, 2 * reach + size) for size in images.shape[-2:])
    return torch.fft.irfft2(spectrum, (height, width))[..., rows, columns]


def _horizontal(images: Images, length: Float[Tensor, "#batch 1 1 1"]) -> Images:
    """The mean over a path of 1 + ``length`` pixels, whose ends count by how much of a pixel they cover."""
    half = (1 + length[:, 0]) / 2
    return _along_x(images, lambda offsets: (half + 0.5 - offsets.abs()).clamp(0, 1))


def _along_x(images: Images, weight: Callable[[Tensor], Tensor]) -> Images:
    """Every row by the symmetric weights of the offsets between two pixels, as one product of matrices, in which the
    pixels that are mirrored at either end count where they come from."""
    last = images.shape[-1] - 1
    place = torch.arange(last + 1, dtype=images.dtype, device=images.device)
    source = place[:, None]
    left, right = (weight(source + place - 2 * end) * (source != end) for end in (0, last))
    shares = weight(source - place) + left + right
    return images @ (shares / shares.sum(1, keepdim=True))[:, None]


def _zoomed(images: Images, growth: Tensor) -> Images:
    """The mean of the images at evenly spaced zooms from 1 to 1 + ``growth`` (one per image or pixel)."""
    height, width = images.shape[-2:]
    count = max(11, min(height, width) // 20)
    y, x = (
        (2 * torch.arange(size, dtype=images.dtype, device=images.device) + 1) / size - 1 for size in (height, width)
    )
    grid = torch.stack(torch.broadcast_tensors(x, y[:, None]), -1)
    growth = growth.expand(len(images), 1, *growth.shape[-2:])[:, 0, ..., None]
    result = images
    for step in range(1, count):
        places = grid / (1 + growth * (step / (count - 1)))
        result = result + F.grid_sample(images, places, padding_mode="border", align_corners=False)
    return result / count
