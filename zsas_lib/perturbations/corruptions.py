"""Corruptions: what cameras, light and formats do to pictures, at severities 1 to 5, spelled as in ``"defocus(3)"``.

Hendrycks and Dietterich (ICLR 2019) and 3DCC (Kar et al., CVPR 2022) have the kinds and the idea of five severities;
the tables of parameters, beside the functions, say whose they are. A corruption is a `Perturbation` whose amount is its
severity, 0 for the picture itself; what lies between is interpolated. So sweeps take it by its name, and a search for
the worst case does once it is entered in `PERTURBATIONS`. Six take depth; each has a twin that takes none and does the
same where all depths are equal. None moves a defect out of its mask.
"""

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from ..base.errors import UnknownNameError
from ..base.unit_range import require_images
from . import blurs, illumination, sensor
from .amounts import Amount, as_amount, at_least_single
from .record import Perturbation
from .severity import SEVERITIES


@dataclass(frozen=True, kw_only=True)
class Corruption(Perturbation):
    """A perturbation at severities.

    values         of its parameter, at severities 0 to 5
    parameter      what that is, with its unit
    source         whose values they are
    rounds         whether it rounds, so that a gradient passes it straight through and is no derivative
    twin           the corruption that does the same without depth, for one that takes depth

    >>> zsas.CORRUPTIONS["jpeg"].values
    (100, 25, 18, 15, 10, 7)
    """

    low: int | float = 0
    high: int | float = SEVERITIES[-1]
    unit: str = "severity"
    column: str = "severity"
    colour: str = "plum"
    rate: int | float = 0.1
    sweep_values: int = 1 + len(SEVERITIES)
    values: tuple[int | float, ...]
    parameter: str
    source: str
    rounds: bool = False
    twin: str | None = None

    @property
    def takes_depth(self) -> bool:
        return self.twin is not None

    @property
    def takes_seed(self) -> bool:
        return "seed" in inspect.signature(self.function).parameters

    def apply(
        self,
        images: Float[Tensor, "batch 3 height width"],
        amount: Amount,
        *,
        seed: int | Sequence[int] = 0,
        depth: Float[Tensor, "batch height width"] | None = None,
    ) -> Float[Tensor, "batch 3 height width"]:
        """The images at a severity, one for all or one each; see `corrupt`."""
        require_images(images, may_wait=False)
        amount = as_amount(amount, len(images))
        asked, images = images, at_least_single(images)
        further: dict[str, Any] = {"seed": seed} if self.takes_seed else {}
        if depth is not None:
            if not self.takes_depth:
                raise ValueError(
                    f"Expected no depth for {self.name!r}, which is the same at every depth; leave it out."
                )
            if not isinstance(depth, Tensor):
                raise ValueError(f"Expected depths as a torch.Tensor, got {type(depth).__name__}.")
            if depth.shape != (len(images), *images.shape[2:]):
                raise ValueError(
                    f"Expected depths (batch, height, width) of images {tuple(images.shape)}, got {tuple(depth.shape)}."
                )
            depth = depth.to(images.device, images.dtype)
        if self.takes_depth:
            further["depth"] = depth
        return self.function(images, severity=amount, **further).to(asked.dtype) if len(images) else asked.clone()


_HENDRYCKS, _KAR, _OURS = "Hendrycks and Dietterich 2019", "Kar et al. 2022", "this book"


def _record(module, name, values, parameter, source, **more) -> Corruption:
    label = f"severity of {name.replace('_', ' ')}"
    function = getattr(module, name)
    return Corruption(
        name=name, function=function, label=label, values=values, parameter=parameter, source=source, **more
    )


_AT_224 = "pixels of a side of 224"
CORRUPTIONS: dict[str, Corruption] = {
    record.name: record
    for record in (
        _record(blurs, "defocus", blurs.RADII, f"radius of the disc, {_AT_224}", _HENDRYCKS),
        _record(blurs, "motion_x", blurs.LENGTHS, f"length of the path, {_AT_224}", _OURS),
        _record(blurs, "motion_y", blurs.LENGTHS, f"length of the path, {_AT_224}", _OURS),
        _record(blurs, "zoom_blur", blurs.ZOOMS, "largest zoom", _HENDRYCKS),
        _record(blurs, "gaussian_blur", blurs.SIGMAS, f"standard deviation, {_AT_224}", _HENDRYCKS),
        _record(illumination, "fog", illumination.TRANSMISSIONS, "share of light that comes through", _OURS),
        _record(illumination, "flash", illumination.FLASHES, "light added in the middle, in multiples", _OURS),
        _record(illumination, "low_light", illumination.EXPOSURES, "share of light that is left", _OURS),
        _record(illumination, "brightness", illumination.BRIGHTER, "added to the value of HSV", _HENDRYCKS),
        _record(illumination, "contrast", illumination.CONTRASTS, "share of differences that is left", _HENDRYCKS),
        _record(sensor, "sensor_noise", sensor.ELECTRONS, "variance of shot noise at white", _HENDRYCKS),
        _record(sensor, "gaussian_noise", sensor.DEVIATIONS, "standard deviation", _HENDRYCKS),
        _record(sensor, "colour_quantisation", sensor.BITS, "bits of a channel", _KAR, rounds=True),
        _record(sensor, "jpeg", sensor.QUALITIES, "quality", _HENDRYCKS, rounds=True),
        _record(blurs, "near_focus", blurs.RADII, f"radius at the mean depth, {_AT_224}", _HENDRYCKS, twin="defocus"),
        _record(blurs, "far_focus", blurs.RADII, f"radius at the mean depth, {_AT_224}", _HENDRYCKS, twin="defocus"),
        _record(blurs, "xy_motion", blurs.LENGTHS, f"path at the mean depth, {_AT_224}", _OURS, twin="motion_x"),
        _record(blurs, "z_motion", blurs.ZOOMS, "largest zoom at the mean depth", _HENDRYCKS, twin="zoom_blur"),
        _record(illumination, "fog_3d", illumination.TRANSMISSIONS, "light from the mean depth", _OURS, twin="fog"),
        _record(illumination, "flash_3d", illumination.FLASHES, "light added, in multiples", _OURS, twin="flash"),
    )
}
"""Every corruption by name; those that take depth last.

>>> zsas.CORRUPTIONS["near_focus"].twin
'defocus'
"""

DEPTH_FREE = tuple(name for name, record in CORRUPTIONS.items() if not record.takes_depth)
"""Those that any picture can have."""

_SPELLED = re.compile(r"\s*(?P<name>\w+)\s*\(\s*(?P<severity>[^()]*?)\s*\)\s*")


def corruption_named(name: str) -> Corruption:
    """The record of a corruption. Raises UnknownNameError for a name that `CORRUPTIONS` does not have."""
    if name not in CORRUPTIONS:
        raise UnknownNameError("corruption", name, CORRUPTIONS)
    return CORRUPTIONS[name]


def spelled(corruption: str) -> tuple[Corruption, int]:
    """The record and the severity of a spelled corruption such as ``"defocus(3)"``.

    Raises UnknownNameError for another name, and ValueError for a severity that is not 1, 2, 3, 4 or 5, or none.

    >>> record, severity = spelled("fog(2)")
    >>> record.name, severity, record.values[severity]
    ('fog', 2, 0.65)
    """
    found = _SPELLED.fullmatch(corruption) if isinstance(corruption, str) else None
    record = corruption_named(found["name"] if found else str(corruption).strip())
    if not found:
        raise ValueError(
            f"Expected a severity of {record.name!r}, 1 to 5, such as '{record.name}(3)'; got {corruption!r}."
        )
    if found["severity"] not in {str(severity) for severity in SEVERITIES}:
        raise ValueError(
            f"Expected a severity of 1, 2, 3, 4 or 5 for {record.name!r}, got {found['severity'] or 'none'}."
        )
    return record, int(found["severity"])


def corrupt(
    images: Float[Tensor, "batch 3 height width"],
    corruption: str,
    *,
    seed: int | Sequence[int] = 0,
    depth: Float[Tensor, "batch height width"] | None = None,
) -> Float[Tensor, "batch 3 height width"]:
    """Images in [0, 1] under a corruption such as ``"defocus(3)"``, on their device.

    Lengths are of the shorter side, so a severity looks alike in every size; noise is of the pixels as they are. Where
    it draws noise, picture i draws from ``seed`` + i, or from its own of a sequence of seeds: the same seed gives the
    same picture on every device. ``depth`` is from the lens, in any unit. Differentiable in the images and the depth;
    `Corruption.rounds` says where the gradient is none.

    Raises UnknownNameError for another corruption, and ValueError for a severity that is not 1 to 5, for one that takes
    depth and gets none, for depths that are not positive or of another shape, for as many seeds as there are not
    images, and for what is no batch of RGB images of floats in [0, 1].

    >>> images = torch.rand(2, 3, 32, 32)
    >>> zsas.corrupt(images, "sensor_noise(2)", seed=7).shape
    torch.Size([2, 3, 32, 32])
    """
    record, severity = spelled(corruption)
    return record.apply(images, severity, seed=seed, depth=depth)
