"""Products: what stays the same from one picture of a category to the next (material, outline, colours, print, ground).

A category is named "MATERIAL SHAPE", so that a category that a backbone has never seen is made of words it has.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np
from numpy.random import Generator

from .materials import MATERIALS, SURFACES, draw_colours
from .shapes import FULL_FRAME, REACHES_EDGE, SHAPES

Colour = tuple[float, float, float]

PRINTS = ("stripes", "circle", "dots", "glyphs", "logo")
MATTE = "matte"


@dataclass(frozen=True)
class Product:
    """One product. ``turns``: it lies in any orientation on its ground. ``ground``: MATTE or a material's name."""

    material: str
    shape: str
    proportions: tuple[float, float, float]
    colour: Colour
    accent: Colour
    texture_scale: float
    ground: str
    ground_colour: Colour
    ground_accent: Colour
    print: str | None
    print_colour: Colour
    turns: bool
    seed: int

    @property
    def name(self) -> str:
        return f"{self.material} {self.shape}"

    @property
    def is_texture(self) -> bool:
        return self.shape in FULL_FRAME

    @property
    def rotation_invariant(self) -> bool:
        """Can be turned by any angle without a trace in the picture's corners, as paper S selects its objects."""
        return self.turns and self.ground == MATTE and self.shape not in REACHES_EDGE


def draw_product(
    rng: Generator, material: str, shape: str, grounds: tuple[str, ...] = tuple(MATERIALS), **fixed: Any
) -> Product:
    """A random product of a material and a shape on one of ``grounds`` or a matte one; keywords fix fields of
    ``Product``."""
    colour, accent = draw_colours(rng, material)
    ground = MATTE if rng.random() < 0.6 else str(rng.choice(grounds))
    ground_colour, ground_accent = draw_colours(rng, ground)
    if ground == MATTE:
        ground_colour = _triple(np.clip(rng.uniform(0.03, 0.95) + rng.normal(0, 0.04, 3), 0, 1))
    if abs(np.mean(ground_colour) - np.mean(colour)) < 0.15:
        shift = 0.3 if np.mean(colour) < 0.5 else -0.3
        ground_colour = _triple(np.clip(c + shift, 0.02, 0.98) for c in ground_colour)
    ink = 0.1 if np.mean(colour) > 0.45 else 0.9
    print_colour = (
        _triple(np.clip(ink + rng.normal(0, 0.05, 3), 0, 1)) if rng.random() < 0.6 else draw_colours(rng, "plastic")[0]
    )
    return replace(
        Product(
            material,
            shape,
            _triple(rng.random(3)),
            colour,
            accent,
            float(rng.uniform(0.7, 1.5)),
            ground,
            ground_colour,
            ground_accent,
            str(rng.choice(PRINTS)) if rng.random() < 0.4 else None,
            print_colour,
            bool(rng.random() < 0.6),
            int(rng.integers(2**31)),
        ),
        **fixed,
    )


def _triple(values: Iterable[float]) -> tuple[float, float, float]:
    first, second, third = map(float, values)
    return first, second, third


def category(material: str, shape: str, **fixed: Any) -> Product:
    """The product of an evaluation category: drawn from its own name, so that it is the same everywhere."""
    return draw_product(np.random.default_rng(crc32(f"{material} {shape}".encode())), material, shape, **fixed)


def _object(material: str, shape: str, **fixed: Any) -> Product:
    return category(material, shape, **{"ground": MATTE, "turns": True} | fixed)


def _aligned(material: str, shape: str, **fixed: object) -> Product:
    return category(material, shape, **{"turns": False} | fixed)


AUXILIARY = (
    _object("wooden", "ring", print=None),
    _object("hammered", "capsule", print=None),
    _object("ceramic", "disc", print="circle"),
    _object("plastic", "nut", print=None),
    _object("marbled", "button", print=None),
    _object("painted", "hexagon", print="glyphs"),
    _object("rubber", "star", print=None),
    _aligned("speckled", "bracket", ground="woven", print=None),
    _aligned("brushed", "gear", ground="rubber", print="dots"),
    _aligned("leather", "bar", print=None),
    _aligned("cork", "sheet", print=None),
    _aligned("woven", "panel", print=None),
)
"""The categories of ``embedded-a``, on which learnable models are trained."""

EVALUATION = (
    _object("brushed", "hexagon", print=None),
    _object("wooden", "disc", print=None),
    _object("ceramic", "ring", print=None),
    _object("rubber", "gear", print=None),
    _object("painted", "star", print=None),
    _object("plastic", "capsule", print="stripes"),
    _aligned("speckled", "comb", ground="rubber", print=None),
    _aligned("rusty", "bracket", ground="rubber", print=None),
    _aligned("polished", "bar", ground="woven", print="dots"),
    _aligned("woven", "sheet", print=None),
    _aligned("leather", "sheet", print=None),
    _aligned("marbled", "panel", accent=(0.38, 0.49, 0.47), print=None),
)
"""The categories of ``embedded-b``, on which everything is evaluated."""

TRAINING = tuple(
    (material, shape)
    for material in SURFACES
    for shape in SHAPES
    if f"{material} {shape}" not in {product.name for product in AUXILIARY + EVALUATION}
)
"""The compositions that the embedded backbone is trained on: all others."""

_STEEL: dict[str, Colour] = {"colour": (0.62, 0.63, 0.65), "accent": (0.36, 0.37, 0.40)}

LIKE_BTAD = (
    _object("speckled", "disc", print=None),
    _object("concrete", "ring", print=None),
    _aligned("wooden", "bar", print=None),
)
"""The categories of ``embedded-c``. The embedded backbone was trained on their compositions, though not on these
products of them; on none more often than on most others, which `train_scenes` does with even materials and textures."""

LIKE_MPDD = (
    _object("hammered", "bracket", print=None),
    _object("ribbed", "bracket", print=None, **_STEEL),
    _object("rusty", "cross", print=None),
    _object("hammered", "nut", print=None),
    _object("ribbed", "capsule", print=None, **_STEEL),
    _aligned("rusty", "square", print=None),
)
"""The categories of ``embedded-d``, metal parts; of what the backbone has seen the same holds."""
