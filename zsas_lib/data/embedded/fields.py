"""Coordinate grids, random fields and curves: what every procedural picture is drawn from."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy.random import Generator

FLOAT = np.float32
Number = int | float


@lru_cache(maxsize=8)
def pixel_grid(size: int) -> tuple[Float[np.ndarray, "height width"], Float[np.ndarray, "height width"]]:
    """Pixel centres of a square picture as (x to the right, y downwards), both in [-1, 1]."""
    axis = ((np.arange(size) + 0.5) / size * 2 - 1).astype(FLOAT)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return x, y


@lru_cache(maxsize=8)
def _frequencies(size: int) -> tuple[np.ndarray, np.ndarray]:
    fy = np.fft.fftfreq(size)[:, None].astype(FLOAT) * size
    fx = np.fft.rfftfreq(size)[None, :].astype(FLOAT) * size
    return np.broadcast_to(fx, (size, size // 2 + 1)), np.broadcast_to(fy, (size, size // 2 + 1))


def fractal_noise(
    rng: Generator,
    size: int,
    slope: Number = 1.5,
    coarsest: Number = 2,
    finest: Number = np.inf,
    stretch: Number = 1,
    angle: Number = 0,
) -> Float[np.ndarray, "height width"]:
    """Gaussian noise of zero mean and unit deviation whose amplitude falls as frequency ** -slope.

    ``coarsest`` and ``finest`` bound the band in periods per picture; ``stretch`` > 1 elongates the noise along
    ``angle`` (radians).
    """
    fx, fy = _frequencies(size)
    along, across = np.cos(angle) * fx + np.sin(angle) * fy, np.cos(angle) * fy - np.sin(angle) * fx
    frequency = np.hypot(along * stretch, across)
    amplitude = 1 / (1 + (frequency / coarsest) ** 2) ** (slope / 2)
    if np.isfinite(finest):
        amplitude = amplitude * np.exp(-((frequency / finest) ** 2))
    if slope == 0:
        amplitude = amplitude * (1 - np.exp(-((frequency / coarsest) ** 2)))
    spectrum = rng.standard_normal((2, *fx.shape), dtype=FLOAT)
    noise = np.fft.irfft2((spectrum[0] + 1j * spectrum[1]) * amplitude, s=(size, size)).astype(FLOAT)
    noise -= noise.mean()
    return noise / (noise.std() + 1e-9)


def smoothstep(low: Number, high: Number, values: np.ndarray) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, a cubic in between; ``low`` > ``high`` falls instead of rising."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def segment_distance(
    x: np.ndarray, y: np.ndarray, points: Float[np.ndarray, "point 2"]
) -> tuple[np.ndarray, np.ndarray]:
    """Distance of every (x, y) to a polyline, and how far along it (0 to 1) the nearest point lies."""
    distance, along = np.full(x.shape, np.inf, FLOAT), np.zeros(x.shape, FLOAT)
    count = len(points) - 1
    for i, (start, end) in enumerate(zip(points[:-1], points[1:])):
        d = end - start
        t = np.clip(((x - start[0]) * d[0] + (y - start[1]) * d[1]) / (d @ d + 1e-12), 0, 1)
        here = np.hypot(x - start[0] - t * d[0], y - start[1] - t * d[1])
        nearer = here < distance
        distance = np.where(nearer, here, distance)
        along = np.where(nearer, (i + t) / count, along)
    return distance.astype(FLOAT), along.astype(FLOAT)


def wandering_line(
    rng: Generator, start: np.ndarray, heading: float, length: float, wobble: float, steps: int
) -> np.ndarray:
    """A polyline of ``steps`` segments whose heading drifts by about ``wobble`` radians a step."""
    headings = heading + np.cumsum(rng.normal(0, wobble, steps))
    moves = np.stack([np.cos(headings), np.sin(headings)], 1) * length / steps
    return np.concatenate([start[None], start + np.cumsum(moves, 0)]).astype(FLOAT)


def blob(
    rng: Generator, x: np.ndarray, y: np.ndarray, centre: np.ndarray, radius: float, raggedness: float
) -> np.ndarray:
    """A signed distance (negative inside) to a randomly elongated and lobed patch around ``centre``."""
    angle, elongation = rng.uniform(0, np.pi), rng.uniform(1, 1.9)
    dx, dy = x - centre[0], y - centre[1]
    u = (np.cos(angle) * dx + np.sin(angle) * dy) / elongation
    v = (np.cos(angle) * dy - np.sin(angle) * dx) * elongation**0.3
    turn, r = np.arctan2(v, u), np.hypot(u, v)
    outline = np.ones_like(r)
    for lobes in range(2, 8):
        outline += raggedness * rng.normal(0, 0.8 / lobes) * np.cos(lobes * turn + rng.uniform(0, 2 * np.pi))
    return r - radius * np.clip(outline, 0.35, 2)
