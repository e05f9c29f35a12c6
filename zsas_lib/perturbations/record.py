"""What the library knows of a perturbation: one record each, written where its function is written.

Everything that perturbs pictures reads it here: sweeps, the searches for the worst case, tables and figures. A new
perturbation is a module with its function and its record, and an entry in `perturbations.PERTURBATIONS`.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from .amounts import Amount


class Range(NamedTuple):
    """The closed interval that a perturbation's amount may come from."""

    low: int | float
    high: int | float
    unit: str


@dataclass(frozen=True)
class Motion:
    """How masks and maps follow a perturbation that moves pixels; all three take its amount.

    ``masks_along(masks, amount)`` moves upright bool masks (batch, height, width) as the images were moved.
    ``maps_back(maps, amount, fill)`` moves maps (batch, height, width) of perturbed images back, differentiably; what
    the perturbed image did not show is 0 (``fill="zero"``) or continued from the border ("replicate").
    ``shown(amount, height, width)`` is True, (*batch, height, width), where a map moved back was shown.
    """

    masks_along: Callable[..., Tensor]
    maps_back: Callable[..., Tensor]
    shown: Callable[..., Tensor]


@dataclass(frozen=True)
class Perturbation:
    """One perturbation; amounts lie in [``low``, ``high``] ``unit``.

    name         how calls and tables name it
    function     ``function(images, COLUMN=amount)``: perturbed images (batch, 3, height, width) in [0, 1],
                 differentiable in both; the amount is one number for all images or a tensor with one per image.
                 Perturbations with the same function are applied by one call of it
    low, high    the closed range of the amounts; ``unit`` is "fraction" where they have none
    column       the amount's column in tables, its attribute of a `WorstCase` and its keyword in `perturb`
    label        of a figure's axis, with the unit
    colour       of its lines: a name of `zsas_book.figures.PALETTE`
    rate         Adam's learning rate in a search, in the amount's unit
    sweep_values how many values a sweep has by default
    neutral      the amount that changes nothing
    repeats      after which amount much the same comes again, as on a square grid after a quarter of a turn; 0: never
    wraps        whether ``low`` and ``high`` are the same, as of an angle over the whole circle
    motion       of a perturbation that moves pixels, None for one that leaves them where they are

    Raises ValueError for a range that is empty or does not hold ``neutral``, or a function without that argument.

    >>> hue = zsas.PERTURBATIONS["hue"]
    >>> hue.unit
    'radians'
    """

    name: str
    function: Callable[..., Tensor]
    low: int | float
    high: int | float
    unit: str
    column: str
    label: str
    colour: str
    rate: int | float
    sweep_values: int
    neutral: int | float = 0.0
    repeats: int | float = 0
    wraps: bool = False
    motion: Motion | None = None

    def __post_init__(self):
        if not (self.low < self.high and self.low <= self.neutral <= self.high):
            raise ValueError(
                f"Expected low < high and the neutral amount between them for perturbation {self.name!r}, got "
                f"low={self.low:g}, high={self.high:g} and neutral={self.neutral:g}."
            )
        taken = inspect.signature(self.function)
        try:
            taken.bind(None, **{self.column: self.neutral})
        except TypeError as error:
            raise ValueError(
                f"Expected the function of perturbation {self.name!r} to take the images and {self.column!r}, the "
                f"amount's column; it takes {taken}. Name its argument and the column alike."
            ) from error

    @property
    def range(self) -> Range:
        return Range(self.low, self.high, self.unit)

    @property
    def moves_pixels(self) -> bool:
        return self.motion is not None

    def apply(
        self, images: Float[Tensor, "batch 3 height width"], amount: Amount, *, seed: int | Sequence[int] = 0
    ) -> Float[Tensor, "batch 3 height width"]:
        """The images under this perturbation alone. ``seed``, one for all or one each, is of those that draw noise
        (`Corruption`); this draws none."""
        return self.function(images, **{self.column: amount})

    def takes(self, amount: int | float) -> bool:
        """Whether an amount lies in the range, to rounding to six decimals as of `grid`."""
        return self.low - 1e-6 <= amount <= self.high + 1e-6

    def grid(self) -> list[float]:
        """The ``sweep_values`` amounts of a sweep, evenly from ``low`` to ``high``, to six decimals."""
        return np.linspace(self.low, self.high, self.sweep_values).round(6).tolist()
