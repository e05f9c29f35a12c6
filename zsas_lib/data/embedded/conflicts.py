"""Cue conflicts: the material of one product on the shape of another, each cue as strong as is asked for.

Names are one-to-one: the i-th of `TOLD_MATERIALS` belongs to the i-th of `TOLD_SHAPES`, so that a picture with the
material of one name and the shape of another has a cue for each. Colours are fixed for each material and belong to it.
A cue is weakened by mixing pictures of one pose, light and noise: towards a part of plain grey, which has no material,
or towards a sheet, which has no shape. With one of them gone the picture is the other's control.
"""

from dataclasses import replace
from zlib import crc32

import numpy as np
from jaxtyping import Float
from numpy.random import default_rng

from .fields import Number
from .materials import draw_colours
from .naming import SIZE
from .products import MATTE, Colour, draw_product
from .shoot import Setting, draw_setting

TOLD_MATERIALS = (
    *("wooden", "marbled", "speckled", "woven", "leather"),
    *("rusty", "cork", "ribbed", "polished", "concrete"),
)
"""Those whose albedo varies within the part, so that 64 pixels show it."""
TOLD_SHAPES = ("ring", "triangle", "square", "star", "capsule", "cross", "crescent", "comb", "bracket", "hexagon")
TOLD = tuple(f"{material} {shape}" for material, shape in zip(TOLD_MATERIALS, TOLD_SHAPES, strict=True))
"""The names."""
PLAIN, GREY = "painted", (0.5, 0.5, 0.5)
"""What has no material: none of `TOLD_MATERIALS`, in one grey and hardly glossy."""
PLAIN_GLOSS = 0.05
NO_SHAPE = "sheet"


def colours_of(material: str) -> tuple[Colour, Colour]:
    """The colours that belong to a material here."""
    return draw_colours(default_rng(crc32(material.encode())), material)


class Cues:
    """One picture, ``SIZE`` pixels wide, of a material and a shape of `MATERIALS` and `SHAPES`, from a seed: call it
    with the strengths of both cues in [0, 1]. What it is mixed of is drawn once."""

    def __init__(self, material: str, shape: str, *seed: int):
        rng = default_rng(list(seed))
        tone = rng.uniform(0.05, 0.15) if rng.random() < 0.5 else rng.uniform(0.85, 0.95)
        colour, accent = colours_of(material)
        fixed = {"ground_colour": (tone, tone, tone), "print": None, "colour": colour, "accent": accent}
        product = draw_product(rng, material, shape, **fixed, ground=MATTE, texture_scale=1.0, turns=True)
        self.setting = draw_setting(product, int(rng.integers(2**31)))
        self._drawn: dict[tuple[bool, bool], np.ndarray] = {}

    def _of(self, has_material: bool, has_shape: bool) -> Float[np.ndarray, "height width 3"]:
        known = (has_material, has_shape)
        if known not in self._drawn:
            self._drawn[known] = self.taken(*known).shoot(SIZE).image
        return self._drawn[known]

    def taken(self, has_material: bool = True, has_shape: bool = True) -> Setting:
        """How the picture with these cues is taken."""
        product, gloss = self.setting.product, None
        if not has_material:
            product, gloss = replace(product, material=PLAIN, colour=GREY, accent=GREY), PLAIN_GLOSS
        if not has_shape:
            product = replace(product, shape=NO_SHAPE)
        return replace(self.setting, product=product, gloss=gloss)

    def __call__(self, material: Number, shape: Number) -> Float[np.ndarray, "height width 3"]:
        """The picture, float RGB in [0, 1]."""
        shares = [
            (share, has_material, has_shape)
            for has_material, own in ((True, material), (False, 1 - material))
            for has_shape, other in ((True, shape), (False, 1 - shape))
            if (share := own * other)
        ]
        return np.sum([share * self._of(*known) for share, *known in shares], axis=0)
