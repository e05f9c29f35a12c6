"""Sound structure that looks like damage, for the training of the embedded backbone only: rings, threads, holes, print,
wires with their shadows, grinding streaks, specks, seams, edges of a table, highlights, shadows, vignettes, low light.

A structure takes a random generator, the size of the picture and the part's share of each pixel, and gives a `Veil`,
which is laid over both pictures of a pair alike, so that it never is what tells them apart.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter, shift

from ...data.embedded.fields import fractal_noise, pixel_grid, segment_distance, smoothstep
from ...data.embedded.scene import Plane

LETTERS = list("ABCDEFGHJKLMNPRSTUVWXYZ0123456789.-/")


@dataclass(frozen=True)
class Veil:
    """A lit picture becomes ``picture * gain * (1 - cover) + colour * cover``."""

    gain: Float[np.ndarray, "height width"]
    cover: Float[np.ndarray, "height width"]
    colour: Float[np.ndarray, "*place 3"]

    def over(self, picture: Float[np.ndarray, "height width 3"]) -> Float[np.ndarray, "height width 3"]:
        cover = self.cover[..., None]
        return (picture * self.gain[..., None] * (1 - cover) + self.colour * cover).astype(np.float32)


def _gain(gain: Plane) -> Veil:
    return Veil(np.clip(gain, 0.02, 3), np.zeros_like(gain), np.zeros(3, np.float32))


def _paint(cover: Plane, colour: np.ndarray, gain: Plane | float = 1.0) -> Veil:
    return Veil(np.broadcast_to(np.asarray(gain, np.float32), cover.shape), cover, np.asarray(colour, np.float32))


def _colour(rng: Generator) -> np.ndarray:
    """Grey three times out of four, else any."""
    grey = rng.uniform(0.02, 1)
    return np.full(3, grey) if rng.random() < 0.75 else rng.uniform(0, 1, 3)


def _somewhere(rng: Generator, size: int, part: Plane) -> np.ndarray:
    """A point (x, y), on the part three times out of four."""
    on = np.flatnonzero(part > 0.5)
    if len(on) and rng.random() < 0.75:
        return np.array([on[i := rng.integers(len(on))] % size, on[i] // size]) / size * 2 - 1
    return rng.uniform(-1, 1, 2)


def _turned(rng: Generator, size: int, centre: np.ndarray) -> tuple[Plane, Plane]:
    """Coordinates about ``centre`` in any direction, upright in half of the cases."""
    x, y = pixel_grid(size)
    angle = rng.integers(4) * np.pi / 2 if rng.random() < 0.5 else rng.uniform(0, 2 * np.pi)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    dx, dy = x - np.float32(centre[0]), y - np.float32(centre[1])
    return cos * dx + sin * dy, cos * dy - sin * dx


def _wave(rng: Generator, phase: Plane) -> Plane:
    """A periodic profile in [-1, 1], from soft to sharp."""
    return np.tanh(rng.uniform(0.5, 5) * np.sin(phase + rng.uniform(0, 6.3)))


def rings(rng, size, part):
    u, v = _turned(rng, size, _somewhere(rng, size, part))
    r = np.hypot(u, v)
    inner, outer = np.sort(rng.uniform(0, 1.1, 2))
    band = smoothstep(inner, inner + 0.02, r) * smoothstep(outer + 0.02, outer, r)
    return _gain(1 + rng.uniform(0.08, 0.5) * band * _wave(rng, r * rng.uniform(15, 120)))


def threads(rng, size, part):
    u, v = _turned(rng, size, _somewhere(rng, size, part))
    length, width = rng.uniform(0.2, 1.6), rng.uniform(0.06, 0.5)
    band = smoothstep(length + 0.02, length, np.abs(u)) * smoothstep(width + 0.02, width, np.abs(v))
    slant = rng.choice([0, rng.uniform(-0.6, 0.6)])
    return _gain(1 + rng.uniform(0.1, 0.6) * band * _wave(rng, (u + slant * v) * rng.uniform(25, 130)))


def holes(rng, size, part):
    u, v = _turned(rng, size, _somewhere(rng, size, part))
    pitch, radius = rng.uniform(0.25, 1.0), rng.uniform(0.03, 0.2)
    rows, columns = rng.integers(1, 4, 2)
    u, v = (
        q - pitch * np.clip(np.round(q / pitch), -(count // 2), (count - 1) // 2)
        for q, count in ((u, rows), (v, columns))
    )
    r = np.hypot(u, v)
    edge = 2 / size
    inside = smoothstep(radius + edge, radius - edge, r)
    rim = np.exp(-(((r - radius) / (0.1 * radius + edge)) ** 2)) * rng.uniform(-0.7, 0.9)
    lit = 1 + rim * (u * rng.normal() + v * rng.normal()) / (r + 1e-6)
    return _paint(inside, _colour(rng), np.clip(lit, 0.1, 2))


def lettering(rng, size, part):
    """Lines of letters and numbers."""
    lines = ["".join(rng.choice(LETTERS, rng.integers(1, 9))) for _ in range(rng.integers(1, 4))]
    font = ImageFont.load_default(size=float(rng.uniform(0.05, 0.22) * size))
    page = Image.new("L", (2 * size, 2 * size))
    x, y = map(float, (_somewhere(rng, size, part) * 0.5 + 1.0) * size)
    ImageDraw.Draw(page).multiline_text((x, y), "\n".join(lines), fill=255, font=font, anchor="mm", spacing=size * 0.02)
    angle = float(rng.integers(4) * 90 if rng.random() < 0.5 else rng.uniform(0, 360))
    page = page.rotate(angle, Image.Resampling.BILINEAR, center=(x, y))
    ink = np.asarray(page, np.float32)[size // 2 : size // 2 + size, size // 2 : size // 2 + size] / 255
    return _paint(ink * rng.uniform(0.4, 1), _colour(rng))


def wires(rng, size, part):
    """One or several straight or bent wires or rods that enter the picture from outside, each with a shadow."""
    x, y = pixel_grid(size)
    cover, shade = np.zeros((size, size), np.float32), np.ones((size, size), np.float32)
    tone = np.zeros((size, size), np.float32)
    for _ in range(rng.integers(1, 3)):
        start = rng.uniform(-1, 1, 2)
        start[rng.integers(2)] = rng.choice([-1.1, 1.1])
        points = [start, rng.uniform(-0.6, 0.6, 2)]
        if rng.random() < 0.5:
            points.append(points[1] + rng.normal(0, 0.4, 2))
        points = np.asarray(points, np.float32)
        width = rng.uniform(0.008, 0.07)
        distance = segment_distance(x, y, points)[0]
        own = smoothstep(width + 1.5 / size, width - 1.5 / size, distance)
        tone = np.where(own > cover, np.sqrt(np.clip(1 - (distance / width) ** 2, 0.05, 1)), tone)
        cover = np.maximum(cover, own)
        if rng.random() < 0.6:
            shadow = segment_distance(x, y, points + rng.normal(0, 0.12, 2).astype(np.float32))[0]
            shade = shade * (1 - rng.uniform(0.1, 0.6) * np.exp(-((shadow / (width + 0.03)) ** 2)))
    return _paint(cover, tone[..., None] * _colour(rng), shade)


def streaks(rng, size, part):
    """Grinding or drawing marks, over the part or the whole picture."""
    n = fractal_noise(
        rng, size, rng.uniform(0, 1), rng.uniform(8, 40), 90, stretch=rng.uniform(4, 50), angle=rng.uniform(0, np.pi)
    )
    where = part if rng.random() < 0.5 else 1.0
    return _gain(1 + rng.uniform(0.04, 0.3) * n * where)


def upright_streaks(rng, size, part):
    """Short flecks along the picture's sides, as a pressed or sintered surface has them."""
    angle = rng.integers(2) * np.pi / 2
    n = fractal_noise(rng, size, 0, rng.uniform(12, 50), rng.uniform(50, 95), stretch=rng.uniform(2, 8), angle=angle)
    return _gain(1 + rng.uniform(0.05, 0.25) * n + rng.uniform(0, 0.15) * np.minimum(n + 1, 0))


def specks(rng, size, part):
    n = fractal_noise(rng, size, 0, rng.uniform(10, 60), rng.uniform(30, 95))
    spots = smoothstep(rng.uniform(0.8, 1.6), rng.uniform(1.7, 2.4), n)
    return _paint(spots * rng.uniform(0.15, 0.8) * (part if rng.random() < 0.6 else 1.0), _colour(rng))


def seams(rng, size, part):
    """Straight lines across the whole picture, alone or at even distances."""
    u, _ = _turned(rng, size, rng.uniform(-0.9, 0.9, 2))
    if rng.random() < 0.5:
        pitch = rng.uniform(0.15, 0.9)
        u = np.mod(u + pitch / 2, pitch) - pitch / 2
    width = rng.uniform(0.006, 0.04)
    line = smoothstep(width + 1.5 / size, width - 1.5 / size, np.abs(u))
    return _gain(1 + line * rng.choice([rng.uniform(-0.8, -0.15), rng.uniform(0.2, 1)]))


def borders(rng, size, part):
    """Beyond a straight edge lies something else: a table's end, a frame, a blank strip."""
    u, _ = _turned(rng, size, rng.uniform(-1.1, 1.1, 2) * np.array([1, 1]))
    beyond = smoothstep(-1.5 / size, 1.5 / size, u)
    if beyond.mean() > 0.5:
        beyond = 1 - beyond
    cover = beyond * (1 - part) if rng.random() < 0.5 else beyond * (beyond.mean() < 0.3)
    return _paint(cover.astype(np.float32), _colour(rng))


def highlights(rng, size, part):
    cover = np.zeros((size, size), np.float32)
    for _ in range(rng.integers(1, 5)):
        u, v = _turned(rng, size, _somewhere(rng, size, part))
        length, width = np.exp(rng.uniform(np.log(0.03), np.log(0.6))), np.exp(rng.uniform(np.log(0.015), np.log(0.15)))
        reach = (u / length) ** 2 + (v / width) ** 2
        cover = np.maximum(cover, rng.uniform(0.3, 1) * np.exp(-(reach ** rng.uniform(0.7, 3))))
    return _paint(cover * (part if rng.random() < 0.7 else 1.0), np.full(3, rng.uniform(0.8, 1.1)))


def shadows(rng, size, part):
    n = fractal_noise(rng, size, 2.5, rng.uniform(0.8, 2))
    edge = rng.uniform(0.1, 1)
    depth = smoothstep(-edge, edge, n + rng.normal(0, 0.7)) * rng.uniform(0.2, 0.7)
    return _gain(1 - depth * ((1 - part) if rng.random() < 0.4 else 1.0))


def cast_shadows(rng, size, part):
    """The part's own shadow on its ground, long and soft."""
    reach, blur = rng.uniform(-0.12, 0.12, 2) * size, rng.uniform(0.005, 0.05) * size
    cast = gaussian_filter(shift(part, reach, order=1, mode="nearest"), blur)
    return _gain(1 - rng.uniform(0.2, 0.7) * cast * (1 - part))


def mottling(rng, size, part):
    """Clouds of another tone, as wood, nuts, stone and skin have them."""
    n = fractal_noise(
        rng, size, rng.uniform(1.2, 2.5), rng.uniform(1, 4), stretch=rng.choice([1.0, 4.0]), angle=rng.uniform(0, 3.2)
    )
    clouds = smoothstep(-1.5, 1.5, n) * rng.uniform(0.1, 0.5)
    return _paint(clouds * (part if rng.random() < 0.7 else 1.0), rng.uniform(0.1, 0.9) * rng.uniform(0.6, 1, 3))


def vignette(rng, size, part):
    u, v = _turned(rng, size, rng.normal(0, 0.35, 2))
    return _gain(1.1 - rng.uniform(0.1, 0.5) * (u**2 + rng.uniform(0.5, 1.2) * v**2))


def low_light(rng, size, part):
    return _gain(np.full((size, size), rng.uniform(0.2, 0.6), np.float32))


STRUCTURES = (
    rings,
    threads,
    holes,
    lettering,
    wires,
    streaks,
    upright_streaks,
    specks,
    seams,
    mottling,
    borders,
    cast_shadows,
    highlights,
    shadows,
    vignette,
    low_light,
)
"""What belongs to the part or the scene, then what belongs to the light."""


def draw_veils(rng: Generator, size: int, part: Plane) -> list[Veil]:
    """None to three structures, in the order of ``STRUCTURES``."""
    chosen = np.sort(rng.choice(len(STRUCTURES), rng.integers(0, 4), replace=False))
    return [STRUCTURES[i](rng, size, part) for i in chosen]
