"""One picture of a product, sound or with one defect, and what is known about that defect."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.random import default_rng

from .defects import DEFECTS, FADING, Bench
from .fields import pixel_grid
from .products import Product
from .scene import build_layers, draw_light, draw_pose, gloss_of, part_coordinates, photograph, shine

CONTRASTS = {"low": 0.06, "medium": 0.14, "high": 0.40}
"""Mean absolute difference (0 to 1) inside the mask between the damaged and the sound picture, aimed at."""


@dataclass(frozen=True)
class Defect:
    """What is asked for: a kind of ``DEFECTS``, a level of ``CONTRASTS``, a radius in units of half the picture's
    width."""

    kind: str
    contrast: str
    radius: float


@dataclass(frozen=True)
class Picture:
    """``sound`` is the same shot without the defect; ``contrast`` and ``area`` are measured, not asked for."""

    image: Float[np.ndarray, "height width 3"]
    sound: Float[np.ndarray, "height width 3"]
    mask: Bool[np.ndarray, "height width"]
    contrast: float
    area: float


def render(product: Product, seed: int, size: int, defect: Defect | None = None, variation: float = 0.15) -> Picture:
    """A square picture of ``size`` pixels; the same arguments give the same pixels.

    ``variation`` in [0, 1] widens lighting and camera from a steady bench to anything. Kinds in ``FADING`` are blended
    towards the sound picture until their contrast is the level asked for; the others keep their own.
    """
    rng = default_rng([seed, 0])
    pose, light = draw_pose(rng, product), draw_light(rng, variation)
    blur, noise = rng.uniform(0.3, 0.8 + 1.2 * variation), rng.uniform(0.004, 0.012 + 0.03 * variation)
    u, v = part_coordinates(*pixel_grid(size), pose)
    sound_layers = build_layers(product, pose, seed, u, v)
    gloss, has_shadow = gloss_of(product), not product.is_texture
    sound = shine(sound_layers, light, gloss, has_shadow)
    grain_seed = [seed, 3]
    if defect is None:
        image = photograph(default_rng(grain_seed), sound, blur, noise)
        return Picture(image, image, np.zeros((size, size), bool), 0.0, 0.0)
    bench = Bench(product, u, v, sound_layers, lambda u, v, ink=None: build_layers(product, pose, seed, u, v, ink))
    layers, soft = DEFECTS[defect.kind](default_rng([seed, 4]), bench, defect.radius)
    damaged = shine(layers, light, gloss, has_shadow)
    mask = soft > 0.4
    difference = np.abs(damaged - sound).mean(-1)
    contrast = float(difference[mask].mean()) if mask.any() else 0.0
    target = CONTRASTS[defect.contrast]
    if defect.kind in FADING and contrast > target:
        damaged = sound + (damaged - sound) * (target / contrast)
        contrast = target
    return Picture(
        photograph(default_rng(grain_seed), damaged, blur, noise),
        photograph(default_rng(grain_seed), sound, blur, noise),
        mask,
        contrast,
        float(mask.mean()),
    )
