"""What is done to pictures: the registry of perturbations, their ranges, and all of them at once (S eq. (1))."""

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..base.errors import UnknownNameError
from ..base.unit_range import require_images
from .amounts import Amount, as_amount, at_least_single, is_number
from .colour import HUE, SATURATION
from .corruptions import CORRUPTIONS
from .record import Motion, Perturbation, Range
from .rotation import ROTATION

PERTURBATIONS: dict[str, Perturbation] = {record.name: record for record in (ROTATION, HUE, SATURATION)}
"""Every perturbation by name, in the order in which `perturb` applies them.

>>> list(zsas.PERTURBATIONS)[:3]
['rotation', 'hue', 'saturation']
"""

OF_PAPER_S = (ROTATION.name, HUE.name, SATURATION.name)
"""The three of S eq. (1), over which searches go by default."""


class _Ranges(Mapping[str, Range]):
    def __getitem__(self, name: str) -> Range:
        return PERTURBATIONS[name].range

    def __iter__(self) -> Iterator[str]:
        return iter(PERTURBATIONS)

    def __len__(self) -> int:
        return len(PERTURBATIONS)


RANGES: Mapping[str, Range] = _Ranges()
"""The range of every perturbation's amounts, a view of `PERTURBATIONS`. S eq. (5) has these boxes of the first three,
but none of the hue, which wraps.

>>> zsas.RANGES["rotation"].low, zsas.RANGES["rotation"].high
(-90.0, 90.0)
"""


def named(perturbation: str) -> Perturbation:
    """The record of a perturbation or a corruption. Raises UnknownNameError for a name that neither `PERTURBATIONS` nor
    `corruptions.CORRUPTIONS` has."""
    known = CORRUPTIONS | PERTURBATIONS
    if perturbation not in known:
        raise UnknownNameError("perturbation", perturbation, known)
    return known[perturbation]


def check_amount(perturbation: str, amount: int | float) -> None:
    """Raises UnknownNameError for an unknown perturbation and ValueError for an amount outside its range."""
    record = named(perturbation)
    low, high, unit = record.range
    if not record.takes(amount):
        raise ValueError(
            f"Expected a {perturbation} in [{low:g}, {high:g}] {unit}, got {amount:g}; leave that value out."
        )


def perturb(
    images: Float[Tensor, "batch 3 height width"],
    degrees: Amount = 0,
    hue: Amount = 0,
    saturation: Amount = 0,
    **others: Amount,
) -> Float[Tensor, "batch 3 height width"]:
    """The perturbed images x_aug = f(x; theta, d_h, d_s) of S eq. (1): `rotate`, then both shifts in HSV at once.

    ``hue`` is in radians as in `shift_hue`, ``saturation`` as in `shift_saturation`. ``others`` are amounts of further
    perturbations by their columns. They are applied in the order of `PERTURBATIONS`; those that share a function, as
    both colour shifts do, in one call of it, where the first of them stands. A Python number that changes nothing (0)
    leaves its step out, so without colour shifts nothing passes through HSV, as S says below eq. (3).

    Raises UnknownNameError for a keyword that is no perturbation's column, ValueError for what is no batch of RGB
    images of floats in [0, 1].

    >>> images = torch.rand(2, 3, 16, 16)
    >>> zsas.perturb(images, degrees=30, hue=torch.tensor([0.0, 0.5])).shape
    torch.Size([2, 3, 16, 16])
    """
    amounts = {"degrees": degrees, "hue": hue, "saturation": saturation} | others
    columns = [perturbation.column for perturbation in PERTURBATIONS.values()]
    require_images(images, may_wait=False)
    for column in others:
        if column not in columns:
            raise UnknownNameError("amount", column, columns)
    amounts = {column: as_amount(amount, len(images)) for column, amount in amounts.items()}
    steps: dict = {}
    for perturbation in PERTURBATIONS.values():
        amount = amounts.get(perturbation.column, perturbation.neutral)
        if not is_number(amount, perturbation.neutral):
            steps.setdefault(perturbation.function, {})[perturbation.column] = amount
    found = at_least_single(images)
    for function, given in steps.items():
        found = function(found, **given)
    return found.to(images.dtype)


def upright(
    maps: Float[Tensor, "batch height width"], amounts: Mapping[str, Float[Tensor, " batch"]], fill: str = "zero"
) -> Float[Tensor, "batch height width"]:
    """Maps of images that `perturb` changed by ``amounts`` (by column), moved back, what was done last first.

    What a perturbed image did not show is 0 (``fill="zero"``, S eq. (3)) or continued from the border ("replicate").
    """
    for motion, amount in _motions(amounts):
        maps = motion.maps_back(maps, amount, fill)
    return maps


def shown(
    maps: Float[Tensor, "batch height width"], amounts: Mapping[str, Float[Tensor, " batch"]]
) -> Bool[Tensor, "batch height width"]:
    """Which pixels of maps that are `upright` again the perturbed images showed."""
    region = torch.ones_like(maps, dtype=torch.bool)
    for number, (motion, amount) in enumerate(_motions(amounts)):
        amount = amount.detach()
        if number:
            region = motion.maps_back(region.to(maps.dtype), amount, "zero") >= 0.5
        region = region & motion.shown(amount, *maps.shape[1:])
    return region


def _motions(amounts: Mapping[str, Tensor]) -> Iterator[tuple[Motion, Tensor]]:
    """How pixels were moved, and by how much, the last motion first."""
    for perturbation in reversed(PERTURBATIONS.values()):
        if perturbation.motion is not None and perturbation.column in amounts:
            yield perturbation.motion, amounts[perturbation.column]
