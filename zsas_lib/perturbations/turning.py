"""Pictures in memory turned by three shears, without gradients.

It is what `rotation` does step by step, on each thread one picture after the other, with as few passes over memory as
there are transforms.

What a shear leads beyond the ends of the next one's lines (copies of the first and the last line, the seam) is a linear
function of lines whose spectrum is at hand, so it is put together there, and no line is copied between two transforms.
Phases are products of two short tables of float64, hence more exact than the cosine of a float32 angle of many turns.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Complex, Float

from .displacement import lines_of, period_of, spectrum_of

AT_ONCE = 400_000
"""How many numbers of a picture's channels, as the transforms see them, are turned at once."""


class Frame(NamedTuple):
    """A picture of ``height`` x ``width`` in a ``square``, ``top`` and ``left`` pixels from its ends, which has a
    ``margin`` around it for the shears, and a seam up to a ``period`` that is transformed fast."""

    height: int
    width: int
    square: int
    top: int
    left: int
    margin: int
    period: int

    @property
    def side(self) -> int:
        return self.square + 2 * self.margin

    @property
    def odd(self) -> float:
        """How far right of the square's centre the picture's is, 0 or -1/2."""
        return self.left - (self.square - self.width) / 2


def frame_of(height: int, width: int) -> Frame:
    square = max(height, width)
    square += (square - height) % 2
    margin = math.ceil((math.hypot(height, width) - square) / 2)
    period = period_of(square + 2 * margin)
    return Frame(height, width, square, (square - height) // 2, (square - width) // 2, margin, period)


def turned(
    images: Float[np.ndarray, "batch channel height width"],
    degrees: Float[np.ndarray, " #batch"],
    limits: tuple[float, float] | None,
    covered: bool,
) -> Float[np.ndarray, "batch channel height width"]:
    """Images turned clockwise, continued by their border pixels and clipped to ``limits``, or each to its own extremes;
    times `rotation.coverage` where it is ``covered``. By an angle that is no finite number, to nan.

    Pictures are shared out among as many threads as torch has, each of which transforms by itself: lines of one picture
    are too few for two."""
    frame = frame_of(*images.shape[2:])
    found = np.empty(images.shape, images.dtype)
    angles = np.broadcast_to(degrees, len(images)).astype(float)

    def turn(part: slice) -> None:
        _turn_in_turn(images[part], angles[part], frame, limits, covered, out=found[part])

    threads = max(1, min(torch.get_num_threads(), len(images)))
    if threads == 1:
        turn(slice(None))
        return found
    ends = np.linspace(0, len(images), threads + 1).round().astype(int)
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        list(pool.map(turn, map(slice, ends[:-1], ends[1:])))
    return found


def _turn_in_turn(
    images: Float[np.ndarray, "batch channel height width"],
    angles: Float[np.ndarray, " batch"],
    frame: Frame,
    limits: tuple[float, float] | None,
    covered: bool,
    out: Float[np.ndarray, "batch channel height width"],
) -> None:
    """`turned`, one picture after the other; the next by the same angle needs no phases of its own."""
    at_once = max(1, AT_ONCE // frame.period**2)
    known, quarters, phases, shown = math.nan, 0, [], None
    for image, own, angle in zip(images, out, angles):
        if angle == 0:
            np.clip(image, *(limits or (None, None)), out=own)
            continue
        if not math.isfinite(angle):
            own.fill(math.nan)
            continue
        if angle != known:
            quarters, known = round(angle / 90), angle
            phases = _phases(frame, math.radians(angle - 90 * quarters), quarters, images.dtype)
            shown = _coverage(angle, frame.height, frame.width, images.dtype) if covered else None
        low, high = limits or (image.min(), image.max())
        for first in range(0, len(image), at_once):
            part = slice(first, first + at_once)
            _sheared(np.rot90(_squared(image[part], frame), -quarters, (1, 2)), phases, frame).clip(
                low, high, out=own[part]
            )
        if shown is not None:
            own *= shown


def _sheared(square: np.ndarray, phases: list[np.ndarray], frame: Frame) -> np.ndarray:
    """The three passes, along rows, columns and rows."""
    _, _, length, top, left, margin, period = frame
    side, channels, (rows, columns, last) = frame.side, len(square), phases
    inner = slice(margin, margin + length)

    periodic = np.empty((channels, length, period), square.dtype)
    periodic[..., inner] = square
    periodic[..., :margin], periodic[..., inner.stop : side] = square[..., :1], square[..., -1:]
    _seam(periodic, side)
    spectrum = spectrum_of(periodic, -1)
    moved = np.empty((channels, period, spectrum.shape[-1]), spectrum.dtype)
    np.multiply(spectrum, rows[inner], out=moved[:, inner])
    np.multiply(spectrum[:, :1], rows[:margin], out=moved[:, :margin])
    np.multiply(spectrum[:, -1:], rows[inner.stop :], out=moved[:, inner.stop : side])
    _seam(moved.swapaxes(1, 2), side)

    spectrum = spectrum_of(lines_of(moved, -1, period)[..., :side], -2)
    moved = np.empty((channels, len(columns), period), spectrum.dtype)
    np.multiply(spectrum, columns, out=moved[..., :side])
    _seam(moved, side)

    spectrum = spectrum_of(lines_of(moved, -2, period)[:, margin + top : margin + top + frame.height], -1)
    spectrum *= last
    return lines_of(spectrum, -1, period)[..., margin + left : margin + left + frame.width]


def _phases(frame: Frame, rest: float, quarters: int, dtype: np.dtype) -> list[Complex[np.ndarray, "..."]]:
    """What each pass multiplies spectra by, for a rest of a turn after so many quarters, as in `rotation._turn`: for
    rows (line, frequency), for columns (frequency, line)."""
    slope, sine, odd, side = math.tan(rest / 2), math.sin(rest), frame.odd, frame.side
    odd_x, odd_y = odd * math.cos(quarters * math.pi / 2), odd * math.sin(quarters * math.pi / 2)
    frequency, centre = np.arange(frame.period // 2 + 1) / frame.period, (side - 1) / 2
    columns = odd_y - sine * (np.arange(side) - centre - odd)
    rows = _turns(odd_x - odd - slope * (centre + odd_y), slope, side, frequency, dtype)
    last = rows if odd == 0 else _turns(-slope * centre, slope, side, frequency, dtype)
    return [
        rows,
        _turns(0.0, 1 / frame.period, len(frequency), columns, dtype),
        last[frame.margin + frame.top :][: frame.height],
    ]


def _turns(
    first: float, step: float, count: int, by: Float[np.ndarray, " other"], dtype: np.dtype
) -> Complex[np.ndarray, "count other"]:
    """exp(2 pi i (first + k step) by) for k < ``count``, from tables for k = q n and for k < n."""
    n = math.isqrt(count - 1) + 1
    coarse = _unit((first + step * n * np.arange(-(-count // n)))[:, None] * by, dtype)
    fine = _unit((step * np.arange(n))[:, None] * by, dtype)
    return (coarse[:, None] * fine).reshape(-1, len(by))[:count]


def _unit(turns: Float[np.ndarray, "*shape"], dtype: np.dtype) -> Complex[np.ndarray, "*shape"]:
    turns -= np.rint(turns)
    angle = (2 * math.pi * turns).astype(dtype)
    found = np.empty((*angle.shape, 2), dtype)
    np.cos(angle, out=found[..., 0])
    np.sin(angle, out=found[..., 1])
    return found.view(np.result_type(dtype, np.complex64))[..., 0]


def _seam(lines: np.ndarray, length: int) -> None:
    """Lead from the end of lines of a length to their beginning, as `displacement` does."""
    first, last, seam = lines[..., :1], lines[..., length - 1 : length], lines[..., length:]
    np.multiply(first - last, _eased(seam.shape[-1], lines.dtype), out=seam)
    seam += last


@cache
def _eased(seam: int, dtype: np.dtype) -> np.ndarray:
    return ((1 - np.cos(math.pi * np.arange(1, seam + 1) / (seam + 1))) / 2).astype(dtype)


def _squared(image: np.ndarray, frame: Frame) -> np.ndarray:
    """A picture continued by its border to a square."""
    if frame.height == frame.width == frame.square:
        return image
    below, right = frame.square - frame.height - frame.top, frame.square - frame.width - frame.left
    return np.pad(image, ((0, 0), (frame.top, below), (frame.left, right)), "edge")


def _coverage(degrees: float, height: int, width: int, dtype: np.dtype) -> Float[np.ndarray, "height width"]:
    """`rotation.coverage` of one angle, in float64: whether a pixel of the rim has exactly 0, like the thousands beyond
    it, decides about thousands of ties."""
    sine, cosine = (f(math.radians(degrees)) for f in (math.sin, math.cos))
    x, y = np.arange(width) - (width - 1) / 2, np.arange(height)[:, None] - (height - 1) / 2

    def inside(along_x: float, along_y: float, extent: int) -> np.ndarray:
        own = along_x * x + along_y * y
        np.abs(own, out=own)
        return np.subtract((extent + 1) / 2, own, out=own)

    edge = inside(cosine, sine, width)
    np.minimum(edge, inside(-sine, cosine, height), out=edge)
    return edge.clip(0, 1, out=np.empty(edge.shape, dtype), casting="same_kind")
