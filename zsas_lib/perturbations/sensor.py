"""What a sensor and a file format do: noise, few colours, JPEG.

Noise is drawn from a seed and is differentiable; rounding passes gradients on straight through (`jpeg`,
`colour_quantisation`), so they say where a picture may change, not that it does.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ..base.devices import to_device
from .amounts import Amount
from .severity import at_severity, kept_at_zero, own_noise

Images = Float[Tensor, "batch 3 height width"]

DEVIATIONS = (0.0, 0.08, 0.12, 0.18, 0.26, 0.38)
"""Of Gaussian noise, in shares of white: Hendrycks and Dietterich's."""
ELECTRONS = (0.0, 1 / 60, 1 / 25, 1 / 12, 1 / 5, 1 / 3)
"""One over the electrons at white, the variance of shot noise there: Hendrycks and Dietterich's."""
READ = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05)
"""The deviation of noise in reading, in shares of white; ours."""
BITS = (8, 5, 4, 3, 2, 1)
"""Of a channel: 3DCC's."""
QUALITIES = (100, 25, 18, 15, 10, 7)
"""Of JPEG: Hendrycks and Dietterich's."""

_LUMINANCE = """16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"""
_CHROMINANCE = "17 18 24 47 18 21 26 66 24 26 56 99 47 66 99 99"
"""The example tables of ITU T.81 annex K, which encoders use; outside of its first 4 x 4 the second is 99."""


def gaussian_noise(images: Images, severity: Amount, seed: int | Sequence[int] = 0) -> Images:
    """Noise of the same deviation everywhere, cut to [0, 1]."""
    return (images + at_severity(DEVIATIONS, severity, images) * own_noise(images, seed)).clamp(0, 1)


def sensor_noise(images: Images, severity: Amount, seed: int | Sequence[int] = 0) -> Images:
    """Shot noise and noise of reading, as `grainy`."""
    noisy = grainy(images, at_severity(ELECTRONS, severity, images), at_severity(READ, severity, images), seed)
    return kept_at_zero(noisy, images, severity)


def grainy(
    images: Images,
    shot: Float[Tensor, "#batch 1 1 1"],
    reading: Float[Tensor, "#batch 1 1 1"],
    seed: int | Sequence[int],
) -> Images:
    """The images with Poisson-Gaussian noise, cut to [0, 1].

    Its variance is ``shot`` x + ``reading`` ** 2 (Foi et al. 2008, eq. 5), drawn as a normal one, which is
    differentiable; a Poisson variate is skewed besides, visibly so below some ten electrons.
    """
    variance = images.clamp(min=0) * shot + reading**2
    return (images + variance.clamp(min=1e-12).sqrt() * own_noise(images, seed)).clamp(0, 1)


def colour_quantisation(images: Images, severity: Amount) -> Images:
    """Every channel rounded to 2 ** bits even steps from 0 to 1; gradients pass straight through."""
    steps = 2 ** at_severity(BITS, severity, images) - 1
    return kept_at_zero((_rounded(images * steps) / steps).clamp(max=1), images, severity)


def jpeg(images: Images, severity: Amount) -> Images:
    """Saved as a JPEG with halved chroma, and read again; gradients pass straight through its rounding.

    As libjpeg does it, but for its integer arithmetic.
    """
    quality = at_severity(QUALITIES, severity, images)
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality).floor().reshape(-1, 1, 1, 1, 1)
    height, width = images.shape[-2:]
    rows, columns = (torch.arange(-(-size // 16) * 16, device=images.device) for size in (height, width))
    whole = images.index_select(2, rows.clamp(max=height - 1)).index_select(3, columns.clamp(max=width - 1))
    red, green, blue = (_rounded(255 * whole)).unbind(1)
    luma = _rounded(0.299 * red + 0.587 * green + 0.114 * blue)
    chroma = [(blue - luma) / 1.772 + 128, (red - luma) / 1.402 + 128]
    halved = _rounded(torch.nn.functional.avg_pool2d(_rounded(torch.stack(chroma, 1)), 2))
    luma = _coded(luma[:, None], _table(_LUMINANCE, images), scale)
    blueness, redness = (_doubled(_coded(halved, _table(_CHROMINANCE, images), scale)) - 128).split(1, 1)
    green = luma - 0.344136 * blueness - 0.714136 * redness
    decoded = torch.cat([luma + 1.402 * redness, green, luma + 1.772 * blueness], 1)
    decoded = _rounded(decoded[..., :height, :width].clamp(0, 255)) / 255
    return kept_at_zero(decoded, images, severity)


def _rounded(values: Tensor) -> Tensor:
    return values + (values.detach().round() - values.detach())


def _table(numbers: str, images: Tensor) -> Float[Tensor, "8 8"]:
    values = torch.tensor([float(number) for number in numbers.split()], dtype=images.dtype)
    values = to_device(values, images.device)
    if len(values) == 64:
        return values.reshape(8, 8)
    table = values.new_full((8, 8), 99.0)
    table[:4, :4] = values.reshape(4, 4)
    return table


def _coded(planes: Float[Tensor, "batch plane height width"], table: Tensor, scale: Tensor) -> Tensor:
    """Planes in [0, 255] whose 8 x 8 blocks were rounded in the frequencies of the discrete cosine transform."""
    place = torch.arange(8, dtype=planes.dtype, device=planes.device)
    cosines = torch.cos((2 * place + 1) * place[:, None] * torch.pi / 16) / 2
    cosines = torch.cat([cosines[:1] / 2**0.5, cosines[1:]])
    step = ((table * scale + 50) / 100).detach().floor().clamp(1, 255)
    height, width = planes.shape[-2:]
    blocks = (planes - 128).unflatten(3, (width // 8, 8)).unflatten(2, (height // 8, 8)).transpose(3, 4)
    step = step[:, :, None]
    coded = _rounded(cosines @ blocks @ cosines.T / step) * step
    blocks = (cosines.T @ coded @ cosines).transpose(3, 4).flatten(4, 5).flatten(2, 3)
    return _rounded((blocks + 128).clamp(0, 255))


def _doubled(planes: Float[Tensor, "batch plane height width"]) -> Tensor:
    """Twice as large, with the triangular weights 3/4 and 1/4 that libjpeg has."""
    return torch.nn.functional.interpolate(planes, scale_factor=2, mode="bilinear", align_corners=False)
