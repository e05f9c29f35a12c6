"""From a product and a pose to a lit picture."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.random import Generator, default_rng
from scipy.ndimage import gaussian_filter, uniform_filter

from .fields import fractal_noise, pixel_grid, segment_distance, smoothstep, wandering_line
from .materials import GLOSS, SURFACES
from .products import MATTE, Product
from .shapes import FULL_FRAME, SHAPES

Plane = Float[np.ndarray, "height width"]


@dataclass(frozen=True)
class Pose:
    """Where the part lies: its turn in radians, its scale and its centre in units of half the picture."""

    angle: float
    scale: float
    centre: tuple[float, float]


@dataclass(frozen=True)
class Layers:
    """A picture before light falls on it. Relief is in 1/100 of the picture's width, ``cover`` is the part's share of a
    pixel."""

    albedo: Float[np.ndarray, "height width 3"]
    relief: Plane
    cover: Plane
    distance: Plane
    print: Plane


def draw_pose(rng: Generator, product: Product) -> Pose:
    angle = rng.uniform(0, 2 * np.pi) if product.turns else rng.normal(0, 0.02)
    if product.shape in FULL_FRAME:
        return Pose(angle, 1.0, tuple(rng.uniform(-0.2, 0.2, 2)))
    return Pose(angle, rng.uniform(0.66, 0.74), tuple(rng.uniform(-0.05, 0.05, 2)))


def part_coordinates(x: Plane, y: Plane, pose: Pose) -> tuple[Plane, Plane]:
    dx, dy = (x - pose.centre[0]) / pose.scale, (y - pose.centre[1]) / pose.scale
    cos, sin = np.float32(np.cos(pose.angle)), np.float32(np.sin(pose.angle))
    return cos * dx + sin * dy, cos * dy - sin * dx


def print_on(product: Product, u: Plane, v: Plane, line: float) -> Plane:
    """Ink coverage in the part's coordinates; ``line`` is the anti-aliasing width."""
    if product.print is None:
        return np.zeros_like(u)
    rng = default_rng(product.seed)
    width = rng.uniform(0.025, 0.05)
    if product.print == "stripes":
        distance = np.minimum(np.abs(u - 0.3), np.abs(u + 0.3))
    elif product.print == "circle":
        distance = np.abs(np.hypot(u, v) - rng.uniform(0.45, 0.7))
    elif product.print == "dots":
        pitch = rng.uniform(0.28, 0.4)
        distance = np.hypot(np.mod(u, pitch) - pitch / 2, np.mod(v, pitch) - pitch / 2) - 0.02
    elif product.print == "logo":
        distance = np.minimum(np.abs(np.hypot(u, v * 1.3) - 0.22), np.abs(u - v) + 10 * (np.hypot(u, v) > 0.2))
    else:
        distance = np.full_like(u, 9)
        for column in range(5):
            start = np.array([-0.4 + 0.2 * column, rng.uniform(-0.1, 0.1)], np.float32)
            stroke = wandering_line(rng, start, rng.uniform(0, 2 * np.pi), 0.28, 0.9, 4)
            distance = np.minimum(distance, segment_distance(u, v, stroke)[0])
    return smoothstep(width * 0.7 + line, width * 0.7 - line, distance)


def build_layers(product: Product, pose: Pose, seed: int, u: Plane, v: Plane, ink: Plane | None = None) -> Layers:
    """The picture's layers for part coordinates (u, v), which a defect may have bent; the same seed, the same
    texture."""
    size = len(u)
    edge = 2.0 / size / pose.scale
    distance = SHAPES[product.shape](u, v, product.proportions)
    cover = smoothstep(edge, -edge, distance)
    part = SURFACES[product.material](
        default_rng([seed, 1]), u, v, pose.angle, product.texture_scale, product.colour, product.accent
    )
    ink = print_on(product, u, v, edge) if ink is None else ink
    albedo = (
        part.albedo * (1 - 0.9 * ink[..., None]) + np.asarray(product.print_colour, np.float32) * 0.9 * ink[..., None]
    )
    x, y = pixel_grid(size)
    if product.ground == MATTE:
        noise = fractal_noise(default_rng([seed, 2]), size, 0.3, 30, 90)
        ground_albedo, ground_relief = (
            np.asarray(product.ground_colour, np.float32) * (1 + 0.02 * noise[..., None]),
            0 * noise,
        )
    else:
        ground = SURFACES[product.ground](
            default_rng([seed, 2]), x, y, 0.0, 0.8, product.ground_colour, product.ground_accent
        )
        ground_albedo, ground_relief = ground.albedo, ground.relief
    slope_width = 0.04 + 0.35 * product.proportions[2] ** 2
    bevel = 40 * slope_width * (1 - np.exp(np.minimum(distance, 0) / slope_width))
    return Layers(
        albedo * cover[..., None] + ground_albedo * (1 - cover[..., None]),
        (part.relief + bevel) * cover + ground_relief * (1 - cover),
        cover,
        distance,
        ink * cover,
    )


@dataclass(frozen=True)
class Light:
    azimuth: float
    elevation: float
    softness: float
    falloff: tuple[float, float]
    exposure: float
    tint: tuple[float, float, float]


def draw_light(rng: Generator, variation: float) -> Light:
    """``variation`` 0 is one bench lamp, 1 is anything a phone may see."""
    return Light(
        rng.uniform(0, 2 * np.pi) if rng.random() < variation else rng.normal(-2.2, 0.15),
        np.deg2rad(rng.uniform(40, 75)),
        rng.uniform(0.45, 0.75),
        tuple(rng.normal(0, 0.04 + 0.12 * variation, 2)),
        float(np.exp(rng.normal(0, 0.05 + 0.2 * variation))),
        tuple(np.exp(rng.normal(0, 0.01 + 0.06 * variation, 3))),
    )


def shine(layers: Layers, light: Light, gloss: float, has_shadow: bool) -> Float[np.ndarray, "height width 3"]:
    """The lit picture: a soft diffuse lamp, a highlight, a cast shadow, and a slow fall-off over the field."""
    size = len(layers.relief)
    slope_y, slope_x = np.gradient(layers.relief * (size / 100))
    length = np.sqrt(1 + slope_x**2 + slope_y**2)
    lx, ly, lz = (
        np.cos(light.elevation) * np.cos(light.azimuth),
        np.cos(light.elevation) * np.sin(light.azimuth),
        np.sin(light.elevation),
    )
    facing = (lz - slope_x * lx - slope_y * ly) / length / lz
    shade = light.softness + (1 - light.softness) * np.clip(facing, 0, 2.5)
    half = np.array([lx, ly, lz + 1]) / np.sqrt(2 + 2 * lz)
    highlight = np.clip((half[2] - slope_x * half[0] - slope_y * half[1]) / length, 0, 1) ** 24
    x, y = pixel_grid(size)
    if has_shadow:
        shift = max(1, round(size * 0.018))
        cast = np.roll(layers.cover, (-round(ly * shift), -round(lx * shift)), (0, 1))
        cast = uniform_filter(uniform_filter(cast, max(3, size // 24)), max(3, size // 24))
        shade = shade * (1 - 0.35 * cast * (1 - layers.cover))
    field = light.exposure * (1 + light.falloff[0] * x + light.falloff[1] * y)
    lit = layers.albedo * (shade * field)[..., None] + (0.5 * gloss * highlight * layers.cover * field)[..., None]
    return (lit * np.asarray(light.tint, np.float32)).astype(np.float32)


def photograph(rng: Generator, picture: Float[np.ndarray, "height width 3"], blur: float, noise: float):
    """What a camera makes of a lit picture: a slight blur, sensor noise, clipping."""
    size = len(picture)
    if blur > 0:
        picture = gaussian_filter(picture, (blur * size / 512, blur * size / 512, 0))
    grain = rng.standard_normal(picture.shape, dtype=np.float32)
    return np.clip(picture + noise * grain, 0, 1)


def gloss_of(product: Product) -> float:
    return GLOSS.get(product.material, 0.05)
