"""Outlines of parts as signed distances: negative inside, positive outside, in units of half the picture's width.

A shape takes the part's own coordinates (the part fits the unit disc unless it is a sheet, a panel or a bar, which
reach the picture's edge) and three ``proportions`` in [0, 1] that tell one product of a shape from another.
"""

import numpy as np

from .fields import segment_distance


def _polygon(u, v, corners, radius, rounding=0.06):
    sector = 2 * np.pi / corners
    turn = np.mod(np.arctan2(u, -v) + sector / 2, sector) - sector / 2
    return np.hypot(u, v) * np.cos(turn) - radius * np.cos(sector / 2) - rounding * 0.2


def _box(u, v, half_width, half_height, rounding=0.08):
    du, dv = np.abs(u) - half_width + rounding, np.abs(v) - half_height + rounding
    return np.hypot(np.maximum(du, 0), np.maximum(dv, 0)) + np.minimum(np.maximum(du, dv), 0) - rounding


def _lobes(u, v, count, depth, radius, sharpness=1.0):
    wave = np.cos(count * np.arctan2(v, u))
    wave = np.clip(wave * sharpness, -1, 1)
    return np.hypot(u, v) - radius * (1 + depth * wave)


def disc(u, v, p):
    return np.hypot(u, v) - 0.95


def ring(u, v, p):
    r, hole = np.hypot(u, v), 0.35 + 0.3 * p[0]
    return np.maximum(r - 0.95, hole - r)


def hexagon(u, v, p):
    return _polygon(u, v, 6, 0.98)


def nut(u, v, p):
    return np.maximum(_polygon(u, v, 6, 0.98), 0.3 + 0.2 * p[0] - np.hypot(u, v))


def triangle(u, v, p):
    return _polygon(u, v + 0.12, 3, 1.0)


def square(u, v, p):
    return _box(u, v, 0.72, 0.72, 0.05 + 0.2 * p[0])


def gear(u, v, p):
    teeth = 8 + int(8 * p[0])
    return np.maximum(_lobes(u, v, teeth, 0.09, 0.87, 3.0), 0.15 + 0.25 * p[1] - np.hypot(u, v))


def star(u, v, p):
    return _lobes(u, v, 5 + int(3 * p[0]), 0.22 + 0.08 * p[1], 0.75)


def flower(u, v, p):
    return _lobes(u, v, 4 + int(4 * p[0]), 0.12, 0.84)


def capsule(u, v, p):
    return _box(u, v, 0.95, 0.34 + 0.12 * p[0], 0.33 + 0.12 * p[0])


def cross(u, v, p):
    arm = 0.22 + 0.12 * p[0]
    return np.minimum(_box(u, v, 0.93, arm), _box(u, v, arm, 0.93))


def crescent(u, v, p):
    return np.maximum(np.hypot(u, v) - 0.93, 0.62 + 0.1 * p[0] - np.hypot(u - 0.48, v))


def button(u, v, p):
    holes = np.hypot(np.abs(u) - 0.24, np.abs(v) - 0.24) - 0.1 - 0.05 * p[0]
    return np.maximum(np.hypot(u, v) - 0.93, -holes)


def bracket(u, v, p):
    width = 0.2 + 0.1 * p[0]
    legs = np.minimum(_box(u + 0.7 - width, v, width, 0.85, 0.04), _box(u, v - 0.85 + width, 0.7, width, 0.04))
    return np.maximum(legs, 0.09 - np.hypot(u - 0.45, v - 0.85 + width))


def comb(u, v, p):
    pitch = 0.22 + 0.1 * p[0]
    tooth = np.abs(np.mod(u, pitch) - pitch / 2) - pitch * 0.3
    teeth = np.maximum(tooth, np.maximum(np.abs(u) - 0.9, np.abs(v - 0.25) - 0.6))
    return np.minimum(teeth, _box(u, v + 0.45, 0.92, 0.25, 0.04))


def bolt(u, v, p):
    head = _box(u + 0.72, v, 0.2, 0.42 + 0.1 * p[0], 0.05)
    thread = _box(u - 0.2, v + 0.02 * np.sign(np.sin(u * 60)), 0.78, 0.2 + 0.06 * p[1], 0.03)
    return np.minimum(head, thread)


def handle(u, v, p):
    arch = np.array([[-0.8, 0.5], [-0.7, -0.1], [-0.35, -0.45], [0.35, -0.45], [0.7, -0.1], [0.8, 0.5]], np.float32)
    return segment_distance(u, v, arch)[0] - 0.14 - 0.06 * p[0]


def bar(u, v, p):
    return np.abs(v) - 0.35 - 0.15 * p[0]


def sheet(u, v, p):
    return np.full_like(u, -1.0)


def panel(u, v, p):
    pitch = 0.7 + 0.4 * p[0]
    joint = np.minimum(np.abs(np.mod(u, pitch) - pitch / 2), np.abs(np.mod(v, pitch) - pitch / 2))
    return 0.02 - joint


def lattice(u, v, p):
    pitch = 0.28 + 0.12 * p[0]
    return np.minimum(np.abs(np.mod(u, pitch) - pitch / 2), np.abs(np.mod(v, pitch) - pitch / 2)) - pitch * 0.16


SHAPES = {
    f.__name__: f
    for f in (
        disc,
        ring,
        hexagon,
        nut,
        triangle,
        square,
        gear,
        star,
        flower,
        capsule,
        cross,
        crescent,
        button,
        bracket,
        comb,
        bolt,
        handle,
        bar,
        sheet,
        panel,
        lattice,
    )
}
FULL_FRAME = frozenset({"sheet", "panel", "lattice"})
"""Shapes that fill the picture: textures, in MVTec AD's words."""
REACHES_EDGE = FULL_FRAME | {"bar"}
