"""Surfaces of parts and grounds: albedo and relief.

A material takes a random generator, the part's coordinates, its orientation and scale, and two colours; it gives
albedo in [0, 1] and relief (height in units of 1/100 of the picture's width).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import skimage.data
from jaxtyping import Float
from numpy.random import Generator
from PIL import Image
from sklearn.datasets import load_sample_images

from .fields import fractal_noise, smoothstep


@dataclass(frozen=True)
class Surface:
    albedo: Float[np.ndarray, "height width 3"]
    relief: Float[np.ndarray, "height width"]


def _mix(first, second, weight):
    return np.asarray(first, np.float32) * (1 - weight[..., None]) + np.asarray(second, np.float32) * weight[..., None]


def _tint(colour, brightness):
    return np.asarray(colour, np.float32) * (1 + brightness[..., None])


def brushed(rng, u, v, angle, scale, colour, accent):
    n = fractal_noise(rng, len(u), 0.8, 8, stretch=40, angle=angle)
    return Surface(_tint(colour, 0.10 * n), 0.04 * n)


def polished(rng, u, v, angle, scale, colour, accent):
    n = fractal_noise(rng, len(u), 2.5, 1.5)
    return Surface(_tint(colour, 0.16 * np.sin(2 * n + 3 * u)), 0.05 * n)


def wooden(rng, u, v, angle, scale, colour, accent):
    size = len(u)
    bend = fractal_noise(rng, size, 2.5, 1.5, stretch=4, angle=angle)
    rings = np.sin((v * 14 + 2.5 * bend) * scale)
    streak = fractal_noise(rng, size, 0.7, 12, stretch=25, angle=angle)
    weight = np.clip(0.5 + 0.35 * rings + 0.15 * streak, 0, 1)
    return Surface(_mix(colour, accent, weight), 0.05 * streak)


def marbled(rng, u, v, angle, scale, colour, accent):
    n = fractal_noise(rng, len(u), 1.7, 2.5)
    vein = 1 - np.abs(np.sin(3 * scale * (u + 0.6 * n)))
    return Surface(_mix(colour, accent, vein**3), 0.0 * n)


def speckled(rng, u, v, angle, scale, colour, accent):
    size = len(u)
    grain = fractal_noise(rng, size, 0, 25 * scale, 60 * scale)
    other = fractal_noise(rng, size, 0, 15 * scale, 40 * scale)
    albedo = _mix(colour, accent, smoothstep(0.7, 1.1, grain))
    return Surface(_mix(albedo, 0.5 * np.asarray(colour), 0.7 * smoothstep(1.1, 1.4, other)), 0.03 * grain)


def woven(rng, u, v, angle, scale, colour, accent):
    f = 55 * scale
    over = np.sin(f * u / 2) * np.sin(f * v / 2) > 0
    thread = np.where(over, np.abs(np.sin(f * u)), np.abs(np.sin(f * v)))
    n = fractal_noise(rng, len(u), 0.8, 6)
    return Surface(_mix(accent, colour, np.clip(0.35 + 0.6 * thread + 0.06 * n, 0, 1)), 0.5 * thread + 0.05 * n)


def rubber(rng, u, v, angle, scale, colour, accent):
    n = fractal_noise(rng, len(u), 0.3, 40, 90)
    return Surface(_tint(colour, 0.05 * n), 0.10 * n)


def ceramic(rng, u, v, angle, scale, colour, accent):
    n = fractal_noise(rng, len(u), 2.2, 2)
    return Surface(_tint(colour, 0.03 * n), 0.04 * n)


def leather(rng, u, v, angle, scale, colour, accent):
    n = fractal_noise(rng, len(u), 0, 12 * scale, 30 * scale)
    crease = np.exp(-np.abs(n) * 2.5)
    return Surface(_mix(colour, accent, 0.5 * crease), -0.7 * crease)


def rusty(rng, u, v, angle, scale, colour, accent):
    size = len(u)
    patch, grit = fractal_noise(rng, size, 1.6, 3 * scale), fractal_noise(rng, size, 0.4, 30, 90)
    albedo = _mix(colour, accent, smoothstep(-0.6, 0.9, patch + 0.4 * grit))
    return Surface(_tint(1.0, 0.08 * grit) * albedo, 0.15 * grit)


def painted(rng, u, v, angle, scale, colour, accent):
    n = fractal_noise(rng, len(u), 0, 20, 45)
    return Surface(_tint(colour, 0.01 * n), 0.06 * n)


def cork(rng, u, v, angle, scale, colour, accent):
    size = len(u)
    lump, grain = fractal_noise(rng, size, 0, 10 * scale, 25 * scale), fractal_noise(rng, size, 0.6, 25, 90)
    return Surface(_mix(colour, accent, np.clip(0.45 + 0.3 * lump + 0.12 * grain, 0, 1)), 0.25 * lump)


def hammered(rng, u, v, angle, scale, colour, accent):
    n = fractal_noise(rng, len(u), 0, 7 * scale, 14 * scale)
    return Surface(_tint(colour, 0.04 * n), 1.0 * np.abs(n))


def ribbed(rng, u, v, angle, scale, colour, accent):
    wave = np.sin(38 * scale * u)
    n = fractal_noise(rng, len(u), 1.0, 8)
    return Surface(_mix(colour, accent, 0.25 + 0.2 * wave) * (1 + 0.03 * n[..., None]), 0.8 * wave)


def plastic(rng, u, v, angle, scale, colour, accent):
    n = fractal_noise(rng, len(u), 1.2, 15)
    return Surface(_tint(colour, 0.02 * n), 0.02 * n)


def concrete(rng, u, v, angle, scale, colour, accent):
    size = len(u)
    cloud, grit = fractal_noise(rng, size, 1.3, 3), fractal_noise(rng, size, 0.2, 40, 90)
    pore = smoothstep(1.9, 2.3, fractal_noise(rng, size, 0, 18 * scale, 45 * scale))
    return Surface(_tint(colour, 0.08 * cloud + 0.05 * grit - 0.35 * pore), 0.12 * grit - 0.5 * pore)


@lru_cache(maxsize=1)
def _photographs() -> tuple[np.ndarray, ...]:
    """The real photographs that scikit-image and scikit-learn ship in their packages, at most 512 px high."""
    names = (
        "brick",
        "grass",
        "gravel",
        "coffee",
        "chelsea",
        "astronaut",
        "camera",
        "coins",
        "immunohistochemistry",
        "moon",
    )
    pictures = [getattr(skimage.data, name)() for name in names] + list(load_sample_images().images)
    return tuple(np.repeat(p[..., None], 3, -1) if p.ndim == 2 else p[..., :3] for p in pictures)


def photographed(rng, u, v, angle, scale, colour, accent):
    """A random cut-out of a real photograph, turned, mirrored and tinted; for training the embedded backbone only."""
    size = len(u)
    picture = _photographs()[rng.integers(len(_photographs()))]
    side = int(min(picture.shape[:2]) * rng.uniform(0.2, 0.9))
    top, left = rng.integers(picture.shape[0] - side), rng.integers(picture.shape[1] - side)
    cut = Image.fromarray(picture[top : top + side, left : left + side]).resize((size, size), Image.Resampling.BICUBIC)
    cut = np.rot90(np.asarray(cut, np.float32) / 255, rng.integers(4))[:, :: rng.choice([-1, 1])]
    tint = 1 + rng.uniform(0, 1) * (np.asarray(colour, np.float32) / max(np.mean(colour), 0.2) - 1)
    return Surface(np.clip(cut * tint, 0, 1), np.zeros((size, size), np.float32))


MATERIALS = {
    f.__name__: f
    for f in (
        brushed,
        polished,
        wooden,
        marbled,
        speckled,
        woven,
        rubber,
        ceramic,
        leather,
        rusty,
        painted,
        cork,
        hammered,
        ribbed,
        plastic,
        concrete,
    )
}
SURFACES = MATERIALS | {"photographed": photographed}
"""All that a part or a ground can be made of; ``MATERIALS`` are those that an embedded data set uses."""

GLOSS = {
    "brushed": 0.35,
    "polished": 0.7,
    "ceramic": 0.6,
    "painted": 0.35,
    "plastic": 0.4,
    "hammered": 0.5,
    "leather": 0.15,
}
"""Share of the specular term in the light; 0.05 where a material is not named."""

_HUES = {
    "brushed": ("grey", 0.45, 0.8),
    "polished": ("grey", 0.45, 0.85),
    "hammered": ("metal", 0.45, 0.8),
    "wooden": ("brown", 0.35, 0.75),
    "cork": ("brown", 0.45, 0.7),
    "leather": ("brown", 0.15, 0.6),
    "rusty": ("brown", 0.3, 0.5),
    "concrete": ("grey", 0.45, 0.75),
    "marbled": ("pale", 0.6, 0.9),
    "ceramic": ("pale", 0.65, 0.92),
    "rubber": ("dark", 0.08, 0.3),
}


def _from_hsv(hue: float, saturation: float, value: float) -> tuple[float, float, float]:
    k = (np.array([5, 3, 1]) + hue * 6) % 6
    rgb = value - value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1)
    red, green, blue = map(float, rgb)
    return red, green, blue


def draw_colours(rng: Generator, material: str) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """A main and an accent colour that suit the material: metals grey or golden, wood brown, plastic anything."""
    family, low, high = _HUES.get(material, ("any", 0.25, 0.9))
    value = rng.uniform(low, high)
    hue, saturation = {
        "grey": (rng.uniform(0, 1), rng.uniform(0, 0.03)),
        "metal": (rng.uniform(0.06, 0.13), rng.choice([0.02, rng.uniform(0.3, 0.6)])),
        "brown": (rng.uniform(0.03, 0.1), rng.uniform(0.3, 0.75)),
        "pale": (rng.uniform(0, 1), rng.uniform(0, 0.3)),
        "dark": (rng.uniform(0, 1), rng.choice([0.03, rng.uniform(0.4, 0.9)])),
        "any": (rng.uniform(0, 1), rng.uniform(0.1, 0.9)),
    }[family]
    contrast = rng.uniform(0.25, 0.6) * rng.choice([-1, 1])
    other = float(np.clip(value * (1 + contrast), 0.05, 0.95))
    return _from_hsv(hue, saturation, value), _from_hsv((hue + rng.normal(0, 0.03)) % 1, saturation, other)
