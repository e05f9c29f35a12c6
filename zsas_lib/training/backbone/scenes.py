"""Pairs of pictures as they come from anywhere, for the training of the embedded backbone only: parts off centre, cut
by the frame or filling it, on any ground, under structure that is sound (``structures``), with one or two defects
that may be faint, lie at a rim, or cover half of the part."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.random import Generator, default_rng
from scipy.ndimage import gaussian_filter

from ...data.embedded.defects import DEFECTS, FADING, Bench, possible_defects
from ...data.embedded.fields import blob, fractal_noise, pixel_grid, segment_distance, smoothstep, wandering_line
from ...data.embedded.materials import SURFACES, draw_colours
from ...data.embedded.products import TRAINING, Product, draw_product
from ...data.embedded.render import CONTRASTS
from ...data.embedded.scene import (
    Layers,
    Plane,
    Pose,
    build_layers,
    draw_light,
    gloss_of,
    part_coordinates,
    photograph,
    shine,
)
from ...data.embedded.shapes import FULL_FRAME, SHAPES
from .structures import draw_veils, streaks, upright_streaks

SHARE_OF_PHOTOGRAPHED = 0.15
SHARE_OF_TEXTURES = 0.35
SHARE_OF_EVEN = 0.7
"""Of the products, how many are of a material without a strong pattern of its own, as most real ones are."""
EVEN = frozenset({"painted", "plastic", "ceramic", "polished", "brushed", "rubber"})
RUST = "rusty"
"""The material that is damage wherever it is seen on a part."""
SHARE_OF_UNEVEN = 0.3
"""Of the parts, how many have an outline that no tool has made."""
FLECKED = 0.5
"""Of the textures, how many are covered by streaks or flecks."""
LEAST_PART = 0.08
"""Share of the picture that the part must cover."""
TRIES = 6


def overgrowth(rng: Generator, bench: Bench, radius: float) -> tuple[Layers, Plane]:
    """Another material in the place of the part's own: rust, scale, a foreign patch, up to half the part."""
    layers, size = bench.layers, bench.size
    x, y = pixel_grid(size)
    radius = radius * rng.uniform(1, 4)
    patch = blob(rng, x, y, bench.spot(rng, -9, -0.02), radius, 0.5)
    if rng.random() < 0.3:  # a band across the part
        angle, place = rng.uniform(0, np.pi), bench.spot(rng, -9, -0.02)
        patch = np.abs((x - place[0]) * np.cos(angle) + (y - place[1]) * np.sin(angle)) - 0.6 * radius
    patch = patch + rng.uniform(0, 0.5) * radius * fractal_noise(
        rng, size, rng.uniform(0.6, 1.6), 6, stretch=rng.choice([1.0, 8.0]), angle=rng.uniform(0, np.pi)
    )
    edge = rng.uniform(0.02, 0.3) * radius
    soft = smoothstep(edge, -edge, patch) * layers.cover
    name = str(rng.choice(["rusty", "rusty", "concrete", "speckled", "marbled", "hammered", "cork", "photographed"]))
    colour, accent = draw_colours(rng, name)
    other = SURFACES[name](rng, x, y, rng.uniform(0, np.pi), rng.uniform(0.7, 2), colour, accent)
    weight = (rng.uniform(0.6, 1) * soft)[..., None]
    albedo = layers.albedo * (1 - weight) + other.albedo * weight
    return replace(layers, albedo=albedo, relief=layers.relief + other.relief * soft), soft


def hairline(rng: Generator, bench: Bench, radius: float) -> tuple[Layers, Plane]:
    """A thin crack, long or short, nearly straight or ragged."""
    layers, size = bench.layers, bench.size
    x, y = pixel_grid(size)
    length, wobble = radius * rng.uniform(2, 9) + 0.08, rng.uniform(0.03, 0.4)
    heading = rng.integers(4) * np.pi / 2 + rng.normal(0, 0.15) if rng.random() < 0.5 else rng.uniform(0, 2 * np.pi)
    points = wandering_line(rng, bench.spot(rng, -9, 0.0), heading, length, wobble, 14)
    width = rng.uniform(0.003, 0.013)
    nearest = segment_distance(x, y, points)[0]
    mask = smoothstep(width + 1.5 / size, width - 1.5 / size, nearest) * layers.cover
    shade = rng.uniform(0.05, 0.6)
    return replace(
        layers, albedo=layers.albedo * (1 - (1 - shade) * mask[..., None]), relief=layers.relief - mask
    ), mask


def wear(rng: Generator, bench: Bench, radius: float) -> tuple[Layers, Plane]:
    """A patch rubbed smooth: its texture is gone, its tone a little another."""
    layers, size = bench.layers, bench.size
    x, y = pixel_grid(size)
    radius = radius * rng.uniform(0.8, 2.5)
    patch = blob(rng, x, y, bench.spot(rng, -9, -0.02), radius, 0.4)
    soft = smoothstep(0.15 * radius, -0.15 * radius, patch) * layers.cover
    reach = size * rng.uniform(0.01, 0.05)
    smooth = gaussian_filter(np.asarray(layers.albedo), (reach, reach, 0)) * rng.uniform(0.75, 1.3)
    albedo = layers.albedo * (1 - soft[..., None]) + np.clip(smooth, 0, 1) * soft[..., None]
    return replace(
        layers, albedo=albedo, relief=gaussian_filter(layers.relief, reach) * soft + layers.relief * (1 - soft)
    ), soft


def transplant(rng: Generator, bench: Bench, radius: float) -> tuple[Layers, Plane]:
    """A piece of the picture in another place: a part too many, or the ground where the part should be."""
    layers, size = bench.layers, bench.size
    x, y = pixel_grid(size)
    patch = blob(rng, x, y, bench.spot(rng, -9, 0.02), radius, rng.uniform(0, 0.4))
    soft = smoothstep(2 / size, -2 / size, patch)
    shift, weight = tuple(rng.integers(size // 8, size * 7 // 8, 2)), soft[..., None]
    albedo = layers.albedo * (1 - weight) + np.roll(layers.albedo, shift, (0, 1)) * weight
    relief = layers.relief * (1 - soft) + (np.roll(layers.relief, shift, (0, 1)) + rng.normal(0, 0.5)) * soft
    return replace(layers, albedo=albedo, relief=relief), soft


def smear(rng: Generator, bench: Bench, radius: float) -> tuple[Layers, Plane]:
    """Strokes and drops of paint, ink or wax, in a strong colour."""
    layers, size = bench.layers, bench.size
    x, y = pixel_grid(size)
    centre, soft = bench.spot(rng, -9, -0.02), np.zeros((size, size), np.float32)
    for _ in range(rng.integers(1, 5)):
        start = centre + rng.normal(0, 0.5 * radius, 2)
        length, width = radius * rng.uniform(0.2, 2.5), rng.uniform(0.01, 0.06) + 0.15 * radius * rng.random()
        points = wandering_line(rng, start, rng.uniform(0, 2 * np.pi), length, rng.uniform(0.1, 0.8), 8)
        distance = segment_distance(x, y, points)[0] + 0.3 * width * fractal_noise(rng, size, 1.2, 8)
        edge = width * rng.uniform(0.1, 0.6)
        soft = np.maximum(soft, smoothstep(width + edge, width - edge, distance))
    soft = soft * layers.cover
    strong = rng.permutation([rng.uniform(0.4, 0.95), rng.uniform(0.02, 0.4), rng.uniform(0.02, 0.25)])
    colour = strong if rng.random() < 0.75 else np.full(3, rng.choice([0.03, 0.95]))
    weight = (rng.uniform(0.55, 1) * soft)[..., None]
    albedo = layers.albedo * (1 - weight) + np.asarray(colour, np.float32) * weight
    return replace(layers, albedo=albedo, relief=layers.relief + rng.uniform(0, 0.8) * soft), soft


FURTHER: dict[str, Callable[[Generator, Bench, float], tuple[Layers, Plane]]] = {
    "overgrowth": overgrowth,
    "hairline": hairline,
    "wear": wear,
    "transplant": transplant,
    "smear": smear,
}
"""Kinds of defect that only training has."""


def draw_scene(rng: Generator, size: int) -> tuple[np.ndarray, np.ndarray, str]:
    """A pair (sound/damaged, height, width, 3) in [0, 1], the damaged one's mask, and the product's name."""
    photographed, texture, even = rng.random(3) < (SHARE_OF_PHOTOGRAPHED, SHARE_OF_TEXTURES, SHARE_OF_EVEN)
    choices = [
        (material, shape)
        for material, shape in TRAINING
        if (material == "photographed") == photographed
        and material != RUST
        and (shape in FULL_FRAME) == texture
        and (photographed or not even or material in EVEN)
    ]
    product = draw_product(rng, *choices[rng.integers(len(choices))], grounds=(*sorted(EVEN), *SURFACES))
    pose = _pose(rng, product, size)
    variation = float(rng.random())
    light, seed = draw_light(rng, variation), int(rng.integers(2**31))
    u, v = part_coordinates(*pixel_grid(size), pose)
    if rng.random() < SHARE_OF_UNEVEN:
        u, v = (axis + rng.uniform(0.02, 0.12) * fractal_noise(rng, size, 2.5, rng.uniform(0.6, 2)) for axis in (u, v))
    sound = build_layers(product, pose, seed, u, v)
    gloss, shadow = gloss_of(product) * rng.uniform(0.5, 1.6), not product.is_texture
    bench = Bench(product, u, v, sound, lambda u, v, ink=None: build_layers(product, pose, seed, u, v, ink))
    lit = shine(sound, light, gloss, shadow)
    damaged, mask = lit, np.zeros((size, size), bool)
    for _ in range(1 + (rng.random() < 0.2)):
        own, soft = _damage(rng, bench, lit, lambda layers: shine(layers, light, gloss, shadow))
        damaged, mask = np.where((soft > 0.02)[..., None], own, damaged), mask | (soft > 0.4)
    veils = draw_veils(rng, size, sound.cover)
    if texture and rng.random() < FLECKED:
        veils = [(streaks if rng.random() < 0.5 else upright_streaks)(rng, size, sound.cover), *veils]
    blur, noise = rng.uniform(0.3, 2.2), rng.uniform(0.004, 0.03)
    grain = int(rng.integers(2**31))
    pair = []
    for picture in (lit, damaged):
        for veil in veils:
            picture = veil.over(picture)
        pair.append(photograph(default_rng(grain), picture, blur, noise))
    return np.stack(pair), mask, product.name


def _pose(rng: Generator, product: Product, size: int) -> Pose:
    """Anywhere, in any size, also cut by the frame or filling it."""
    x, y = pixel_grid(size // 8)
    for _ in range(TRIES):
        scale = float(np.exp(rng.uniform(np.log(0.3), np.log(2.2))))
        pose = Pose(rng.uniform(0, 2 * np.pi), scale, tuple(rng.uniform(-0.75, 0.75, 2)))
        if product.shape in FULL_FRAME:
            return Pose(pose.angle, float(np.clip(scale, 0.6, 1.8)), pose.centre)
        if (SHAPES[product.shape](*part_coordinates(x, y, pose), product.proportions) < 0).mean() >= LEAST_PART:
            return pose
    return Pose(pose.angle, 0.8, (0.0, 0.0))


def _damage(rng, bench, lit, shone):
    """One defect as it looks, and its soft mask; most of the fading kinds fainter than they come."""
    kinds = [*possible_defects(bench.product), *FURTHER, "overgrowth", "hairline", "hairline", "smear"]
    if bench.product.is_texture:
        kinds += ["hairline"] * 3
    kind = kinds[rng.integers(len(kinds))]
    radius = float(np.exp(rng.uniform(np.log(0.03), np.log(0.3))))
    layers, soft = (DEFECTS | FURTHER)[kind](rng, bench, radius)
    damaged = shone(layers)
    mask = soft > 0.4
    contrast = float(np.abs(damaged - lit).mean(-1)[mask].mean()) if mask.any() else 0.0
    target = CONTRASTS[str(rng.choice(list(CONTRASTS), p=(0.2, 0.35, 0.45)))]
    if (kind in FADING or kind in FURTHER) and contrast > target:
        damaged = lit + (damaged - lit) * (target / contrast)
    return damaged, soft
