"""Ten kinds of defect, each with its pixel-exact mask.

A defect takes a random generator, the sound picture's layers (and a way to build them anew from bent coordinates or
another print) and a radius in units of half the picture's width; it gives the damaged layers and a soft mask.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from .fields import Number, blob, fractal_noise, pixel_grid, segment_distance, smoothstep, wandering_line
from .materials import draw_colours
from .products import Product
from .scene import Layers, Plane, print_on


@dataclass(frozen=True)
class Bench:
    """What a defect works on: the product, its part coordinates, its sound layers, and the builder of other layers."""

    product: Product
    u: Plane
    v: Plane
    layers: Layers
    build: Callable[..., Layers]

    @property
    def size(self) -> int:
        return len(self.u)

    def spot(self, rng: Generator, low: Number, high: Number) -> np.ndarray:
        """A random point (x, y) at which the part's signed distance lies in [low, high]; the deepest one if none
        does."""
        margin = max(1, self.size // 16)
        inner = self.layers.distance[margin:-margin, margin:-margin]
        candidates = np.flatnonzero((inner >= low) & (inner <= high))
        index = rng.choice(candidates) if len(candidates) else int(np.argmin(inner))
        row, column = np.unravel_index(index, inner.shape)
        return np.array([column + margin + 0.5, row + margin + 0.5], np.float32) / self.size * 2 - 1


def _blend(albedo, colour, weight):
    return albedo * (1 - weight[..., None]) + np.asarray(colour, np.float32) * weight[..., None]


def _line_mask(bench, points, width, taper):
    x, y = pixel_grid(bench.size)
    distance, along = segment_distance(x, y, points)
    edge = 2 / bench.size
    half = np.maximum(width * (1 - taper * along), 0.6 * edge)
    return smoothstep(1.0, 0.0, (distance - half + edge / 2) / edge)


def scratch(rng: Generator, bench: Bench, radius: float) -> tuple[Layers, Plane]:
    layers = bench.layers
    mask = np.zeros((bench.size, bench.size), np.float32)
    heading, start = rng.uniform(0, 2 * np.pi), bench.spot(rng, -9, -0.12)
    for _ in range(rng.integers(1, 4)):
        points = wandering_line(
            rng, start + rng.normal(0, 0.02, 2), heading + rng.normal(0, 0.06), 3.5 * radius + 0.1, 0.04, 8
        )
        mask = np.maximum(mask, _line_mask(bench, points, rng.uniform(0.003, 0.012), rng.uniform(0, 0.6)))
    mask = mask * layers.cover
    shade = rng.choice([rng.uniform(0.2, 0.6), rng.uniform(1.35, 1.9)])
    albedo = _blend(layers.albedo, np.clip(layers.albedo * shade + 0.15 * (shade > 1), 0, 1), 0.9 * mask)
    return replace(layers, albedo=albedo, relief=layers.relief - 0.6 * mask), mask


def crack(rng: Generator, bench: Bench, radius: float) -> tuple[Layers, Plane]:
    layers = bench.layers
    width = 0.006 + 0.03 * radius
    trunk = wandering_line(rng, bench.spot(rng, -9, -0.05), rng.uniform(0, 2 * np.pi), 3 * radius + 0.1, 0.45, 12)
    mask = _line_mask(bench, trunk, width, 0.8)
    for _ in range(rng.integers(0, 4)):
        start = trunk[rng.integers(2, 10)]
        branch = wandering_line(rng, start, rng.uniform(0, 2 * np.pi), 1.2 * radius + 0.05, 0.5, 6)
        mask = np.maximum(mask, _line_mask(bench, branch, 0.6 * width, 0.8))
    mask = mask * layers.cover
    albedo = _blend(layers.albedo, np.asarray(layers.albedo) * 0.12, 0.95 * mask)
    return replace(layers, albedo=albedo, relief=layers.relief - 1.5 * mask), mask


def hole(rng: Generator, bench: Bench, radius: float) -> tuple[Layers, Plane]:
    layers = bench.layers
    x, y = pixel_grid(bench.size)
    radius = 0.8 * radius
    pit = blob(rng, x, y, bench.spot(rng, -9, -0.8 * radius - 0.02), radius, 0.25)
    mask = smoothstep(2 / bench.size, -2 / bench.size, pit) * layers.cover
    floor = rng.choice([0.06, 0.15, 0.3])
    albedo = _blend(layers.albedo, layers.albedo * floor, mask)
    rim = np.exp(-((pit / (0.25 * radius)) ** 2)) * layers.cover
    depth = smoothstep(0, -radius, pit) * 6 * radius / 0.1
    return replace(layers, albedo=albedo, relief=layers.relief + 0.4 * rim - depth * layers.cover), mask


def missing_piece(rng: Generator, bench: Bench, radius: float) -> tuple[Layers, Plane]:
    layers = bench.layers
    x, y = pixel_grid(bench.size)
    chip = blob(rng, x, y, bench.spot(rng, -0.3 * radius, 0.02), 1.1 * radius, 0.3)
    gone = smoothstep(2 / bench.size, -2 / bench.size, chip)
    mask = gone * layers.cover
    product = bench.product
    below = np.asarray(product.ground_colour, np.float32) * 0.8
    albedo = _blend(layers.albedo, below, mask)
    grain = fractal_noise(rng, bench.size, 0.6, 15)
    fracture = np.exp(-((np.maximum(chip, 0) / 0.02) ** 2)) * layers.cover * (1 - gone)
    relief = layers.relief * (1 - mask) + 0.5 * grain * fracture
    return replace(layers, albedo=albedo, relief=relief, cover=layers.cover * (1 - gone)), mask


def stain(rng: Generator, bench: Bench, radius: float) -> tuple[Layers, Plane]:
    layers = bench.layers
    x, y = pixel_grid(bench.size)
    patch = blob(rng, x, y, bench.spot(rng, -9, -0.03), 1.2 * radius, 0.5)
    patch = patch + 0.25 * radius * fractal_noise(rng, bench.size, 1.4, 6)
    soft = smoothstep(0.25 * radius, -0.25 * radius, patch) * layers.cover
    colour = draw_colours(rng, "plastic")[0]
    strength = rng.uniform(0.5, 0.95)
    albedo = _blend(layers.albedo, layers.albedo * np.asarray(colour, np.float32) * 1.1, strength * soft)
    return replace(layers, albedo=albedo), soft


def contamination(rng: Generator, bench: Bench, radius: float) -> tuple[Layers, Plane]:
    layers = bench.layers
    size = bench.size
    x, y = pixel_grid(size)
    centre = bench.spot(rng, -9, -0.02)
    if rng.random() < 0.4:
        fibre = wandering_line(rng, centre, rng.uniform(0, 2 * np.pi), 4 * radius + 0.1, 0.35, 14)
        mask = _line_mask(bench, fibre, rng.uniform(0.005, 0.014), 0.0)
    else:
        mask = np.zeros((size, size), np.float32)
        for _ in range(rng.integers(1, 6)):
            grain = blob(rng, x, y, centre + rng.normal(0, 0.9 * radius, 2), radius * rng.uniform(0.2, 0.5), 0.35)
            mask = np.maximum(mask, smoothstep(2 / size, -2 / size, grain))
    colour = draw_colours(rng, str(rng.choice(["plastic", "concrete", "rubber"])))[0]
    lit = np.asarray(colour, np.float32) * (1 + 0.12 * fractal_noise(rng, size, 0.8, 10)[..., None])
    return replace(layers, albedo=_blend(layers.albedo, lit, mask), relief=layers.relief + 1.2 * mask), mask


def dent(rng: Generator, bench: Bench, radius: float) -> tuple[Layers, Plane]:
    layers = bench.layers
    x, y = pixel_grid(bench.size)
    radius = radius + 0.03
    bowl = blob(rng, x, y, bench.spot(rng, -9, -0.6 * radius), 1.3 * radius, 0.2)
    depth = smoothstep(0.0, -1.2 * radius, bowl)
    amplitude = rng.choice([-1, 1]) * rng.uniform(25, 55) * radius
    mask = smoothstep(0.0, -0.12 * radius, bowl) * layers.cover
    return replace(layers, relief=layers.relief + amplitude * depth * layers.cover), mask


def burn(rng: Generator, bench: Bench, radius: float) -> tuple[Layers, Plane]:
    layers = bench.layers
    x, y = pixel_grid(bench.size)
    patch = blob(rng, x, y, bench.spot(rng, -9, -0.03), 1.5 * radius, 0.3)
    soft = smoothstep(0.5 * radius, -0.6 * radius, patch) * layers.cover
    toned = layers.albedo * np.array([0.45, 0.33, 0.28], np.float32) * rng.uniform(0.5, 1.4)
    pale = 0.45 * layers.albedo + 0.5
    target = toned if rng.random() < 0.7 else pale
    return replace(layers, albedo=_blend(layers.albedo, target, 0.9 * soft)), soft


def deformation(rng: Generator, bench: Bench, radius: float) -> tuple[Layers, Plane]:
    x, y = pixel_grid(bench.size)
    radius = 1.4 * radius + 0.06
    outline = (-9.0, -0.1) if bench.product.is_texture else (-0.4 * radius, 0.2 * radius)
    centre = bench.spot(rng, *outline)
    reach = np.hypot(x - centre[0], y - centre[1]) / radius
    push = np.exp(-1.5 * reach**2)
    heading, amplitude = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 0.6) * radius
    u, v = bench.u + amplitude * np.cos(heading) * push, bench.v + amplitude * np.sin(heading) * push
    bent = bench.build(u.astype(np.float32), v.astype(np.float32))
    moved = smoothstep(0.25, 0.4, push)
    if bench.product.is_texture:
        return bent, moved
    return bent, np.maximum(
        np.abs(bent.cover - bench.layers.cover) * (push > 0.05), moved * np.maximum(bent.cover, bench.layers.cover)
    )


def misprint(rng: Generator, bench: Bench, radius: float) -> tuple[Layers, Plane]:
    angle, shift = rng.normal(0, 0.5), rng.normal(0, 0.12 + 0.5 * radius, 2)
    u, v = bench.u - shift[0], bench.v - shift[1]
    u, v = np.cos(angle) * u + np.sin(angle) * v, np.cos(angle) * v - np.sin(angle) * u
    ink = print_on(bench.product, u.astype(np.float32), v.astype(np.float32), 2 / bench.size)
    wrong = bench.build(bench.u, bench.v, ink)
    return wrong, np.abs(wrong.print - bench.layers.print)


DEFECTS = {
    f.__name__.replace("_", " "): f
    for f in (scratch, crack, hole, missing_piece, stain, contamination, dent, burn, deformation, misprint)
}
FADING = frozenset({"scratch", "stain", "contamination", "dent", "burn", "misprint"})
"""Kinds that exist faintly as well as clearly; a crack or a missing piece does not come at half strength."""


def possible_defects(product: Product) -> list[str]:
    """The kinds that can befall a product: no misprint without a print, no chip off an endless sheet."""
    excluded = set() if product.print else {"misprint"}
    if product.is_texture:
        excluded.add("missing piece")
    if product.is_texture and product.material not in {"woven", "ribbed", "wooden"} and product.shape == "sheet":
        excluded.add("deformation")
    return [kind for kind in DEFECTS if kind not in excluded]
