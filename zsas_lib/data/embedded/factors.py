"""Ten things of a picture that change alone: paper T's visual factors, each at three strengths.

A factor takes a setting (`shoot.draw_setting`) and gives it with one thing changed; product, pose and seed are the same
but for that thing, so the two pictures are paired. Where a factor draws (another ground, another colour), it draws from
the setting's own seed: the same setting always gets the same change, and a stronger level goes the same way farther.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
from numpy.random import Generator, default_rng

from ...base.errors import UnknownNameError
from .camera import Plane
from .fields import Number, smoothstep
from .materials import MATERIALS, draw_colours
from .products import MATTE, Colour
from .shoot import Setting


@dataclass(frozen=True)
class Factor:
    """One visual factor.

    name      as paper T calls it
    levels    its strengths, weakest first, in ``unit``
    unit      what a level says
    change    ``change(setting, level, rng)``: the setting with the one thing changed
    outlined  whether it needs a part with an outline, so that sheets, panels and lattices do not have it
    """

    name: str
    levels: tuple[Number, ...]
    unit: str
    change: Callable[[Setting, Number, Generator], Setting]
    outlined: bool = False

    def apply(self, setting: Setting, level: Number) -> Setting:
        """The setting at one of ``levels``, or any between and beyond. Raises ValueError for a part without an outline
        where the factor needs one."""
        if self.outlined and setting.product.is_texture:
            raise ValueError(
                f"Expected a part with an outline for the factor {self.name!r}, got a {setting.product.name!r}, which "
                "fills the picture; leave it out."
            )
        return self.change(setting, level, default_rng([setting.seed, crc32(self.name.encode())]))


def named(factor: str) -> Factor:
    """The record of a factor. Raises UnknownNameError for a name that `FACTORS` does not have."""
    if factor not in FACTORS:
        raise UnknownNameError("factor", factor, FACTORS)
    return FACTORS[factor]


def _pose(setting, degrees, rng):
    camera = replace(setting.camera, tilt=float(np.deg2rad(degrees)), direction=float(rng.uniform(0, 2 * np.pi)))
    return replace(setting, camera=camera)


def _partial(setting, shift, rng):
    angle = rng.uniform(0, 2 * np.pi)
    x, y = setting.pose.centre
    centre = float(x + shift * np.cos(angle)), float(y + shift * np.sin(angle))
    return replace(setting, pose=replace(setting.pose, centre=centre))


def _scaled(setting, factor, rng):
    return replace(setting, pose=replace(setting.pose, scale=setting.pose.scale * factor))


def _lighting(setting, exposure, rng):
    return replace(setting, light=replace(setting.light, exposure=setting.light.exposure * exposure))


def _background(setting, level, rng):
    """1: matte of another tone; 2: a material; 3: a photograph."""
    product, names = setting.product, sorted(set(MATERIALS) - {setting.product.material, setting.product.ground})
    tone, material = float(rng.uniform(0.3, 0.6)), str(rng.choice(names))
    if level == 1:
        light = float((np.mean(product.ground_colour) + tone) % 1)
        return replace(setting, product=replace(product, ground=MATTE, ground_colour=(light, light, light)))
    ground = material if level == 2 else "photographed"
    colour, accent = draw_colours(rng, ground)
    return replace(setting, product=replace(product, ground=ground, ground_colour=colour, ground_accent=accent))


def _colour(setting, share, rng):
    product, (colour, accent) = setting.product, draw_colours(rng, "plastic")

    def towards(own: Colour, other: Colour) -> Colour:
        red, green, blue = (float((1 - share) * a + share * b) for a, b in zip(own, other))
        return red, green, blue

    changed = replace(product, colour=towards(product.colour, colour), accent=towards(product.accent, accent))
    return replace(setting, product=changed)


def _pattern(setting, share, rng):
    pitch, angle = rng.uniform(0.2, 0.35), rng.uniform(0, np.pi)

    def stripes(u: Plane, v: Plane, edge: float) -> Plane:
        across = np.mod(np.cos(angle) * u + np.sin(angle) * v, pitch)
        return smoothstep(share * pitch / 2 + edge, share * pitch / 2 - edge, np.minimum(across, pitch - across))

    return replace(setting, ink=stripes)


def _texture(setting, weight, rng):
    other = str(rng.choice(sorted(set(MATERIALS) - {setting.product.material})))
    return replace(setting, blend=(other, weight))


def _shape(setting, amount, rng):
    waves = [(rng.uniform(2, 5), rng.uniform(0, 2 * np.pi)) for _ in range(2)]

    def bend(u: Plane, v: Plane) -> tuple[Plane, Plane]:
        (fast, first), (slow, second) = waves
        return u + np.float32(amount) * np.sin(fast * v + first), v + np.float32(amount) * np.sin(slow * u + second)

    return replace(setting, warp=bend)


FACTORS: dict[str, Factor] = {
    factor.name: factor
    for factor in (
        Factor("pose", (20.0, 35.0, 50.0), "degrees of tilt", _pose),
        Factor("partial view", (0.2, 0.4, 0.6), "shift of the centre, half widths", _partial, outlined=True),
        Factor("larger", (1.2, 1.5, 1.9), "times the size", _scaled, outlined=True),
        Factor("smaller", (1 / 1.2, 1 / 1.5, 1 / 1.9), "times the size", _scaled, outlined=True),
        Factor("lighting", (0.75, 0.55, 0.4), "times the exposure", _lighting),
        Factor(
            "background", (1.0, 2.0, 3.0), "1 another tone, 2 a material, 3 a photograph", _background, outlined=True
        ),
        Factor("colour", (0.25, 0.5, 1.0), "share of another colour", _colour),
        Factor("pattern", (0.1, 0.25, 0.5), "share of the part under stripes", _pattern),
        Factor("texture", (0.2, 0.4, 0.6), "share of another material", _texture),
        Factor("shape", (0.05, 0.1, 0.2), "bend, half widths of the part", _shape, outlined=True),
    )
}
"""The ten factors by name. Their levels are milder than those at which small models fall to chance."""
