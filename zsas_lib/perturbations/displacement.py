"""Rows or columns of planes displaced by fractions of a pixel through the Fourier transform, differentiably.

Displacing gives the frequency w the phase w by, without the blur of local interpolation.
"""

import math
from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import scipy.fft
import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

AT_ONCE = 2**17
"""How many numbers of lines are displaced at once on the CPU, so that they stay near the processor."""
SEAM = 16  # pixels, at least, that lead from the end of a line back to its beginning


def displaced(
    planes: Float[Tensor, "batch channel height width"], by: Float[Tensor, "#batch lines"], dim: int, margin: int = 0
) -> Float[Tensor, "batch channel higher wider"]:
    """Lines along ``dim`` (-1: rows, -2: columns), out[x] = line[x + by] for x from -margin to length + margin, each
    continued by its ends.

    ``by`` is the same for all channels. It may have more lines than the planes, as many before as behind, which are
    copies of the first and of the last. Differentiable, once, in both. A smooth seam leads from the end of a line back
    to its beginning, so that the Fourier transform, for which they are neighbours, does not let one ring into the
    other.
    """
    return _Displacement.apply(planes, by[:, None].unsqueeze(dim), dim, margin)


def period_of(length: int) -> int:
    """How many pixels a line of a length and its seam have, so that they are transformed fast."""
    return cast(int, scipy.fft.next_fast_len(length + SEAM, real=True))


class _Displacement(torch.autograd.Function):
    """Backward displaces the gradient by -by, and takes that of ``by`` from the two spectra at hand (Parseval), which
    is twice as fast as differentiating through the transforms."""

    @staticmethod
    def forward(ctx, planes, by, dim, margin):
        length, across = planes.shape[dim], _other(dim)
        lines = planes.shape[across]
        before = (by.shape[across] - lines) // 2
        period = period_of(length + 2 * margin)
        seam = period - length - 2 * margin
        ramp = torch.arange(1 - margin, seam + margin + 1, dtype=planes.dtype, device=planes.device) / (seam + 1)
        ramp = _along((1 - torch.cos(math.pi * ramp.clamp(0, 1))) / 2, dim)
        frequency = _along(2 * math.pi * torch.fft.rfftfreq(period, dtype=by.dtype, device=by.device), dim)
        by = by - margin

        found = planes.new_empty(_resized(_resized(planes.shape, dim, length + 2 * margin), across, by.shape[across]))
        spectra = []
        for first, count, place, copies in _blocks(lines, before, planes, period):
            own = planes.narrow(across, first, count)
            periodic = own.new_empty(_resized(own.shape, dim, period))
            periodic.narrow(dim, 0, length).copy_(own)
            ends = own.narrow(dim, -1, 1), own.narrow(dim, 0, 1)
            torch.lerp(*ends, ramp, out=periodic.narrow(dim, length, period - length))
            spectrum = _spectrum(periodic, dim)
            phase = _phase(by.narrow(across, place, copies or count) * frequency)
            if not copies and any(ctx.needs_input_grad):
                spectra.append(spectrum)
                spectrum = spectrum * phase
            else:
                spectrum = spectrum * phase if copies else spectrum.mul_(phase)
            moved = _lines(spectrum, dim, period).narrow(dim, 0, length + 2 * margin)
            found.narrow(across, place, copies or count).copy_(moved)
        if spectra:
            ctx.save_for_backward(torch.cat(spectra, across), by, frequency, ramp)
        ctx.dim, ctx.length, ctx.period = dim, length, period
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        (spectrum, by, frequency, ramp), dim = ctx.saved_tensors, ctx.dim
        angle = by * frequency
        padded = gradient.new_zeros(_resized(gradient.shape, dim, ctx.period))
        padded.narrow(dim, 0, gradient.shape[dim]).copy_(gradient)
        returned = _spectrum(padded, dim).mul_(_phase(-angle))
        periodic = _lines(_gathered(returned, spectrum.shape[_other(dim)], dim), dim, ctx.period)
        of_planes, of_seam = (part.clone() for part in periodic.tensor_split([ctx.length], dim))
        of_planes.narrow(dim, 0, 1).add_((of_seam * ramp).sum(dim, keepdim=True))
        of_planes.narrow(dim, -1, 1).add_((of_seam * (1 - ramp)).sum(dim, keepdim=True))
        if not ctx.needs_input_grad[1]:
            return of_planes, None, None, None
        weight = torch.full_like(frequency, 2 / ctx.period)
        weight.narrow(dim, 0, 1).zero_()
        if ctx.period % 2 == 0:
            weight.narrow(dim, -1, 1).fill_(1 / ctx.period)
        returned.mul_(weight * frequency)
        of_by = torch.linalg.vecdot(_repeated(spectrum, angle.shape[_other(dim)], dim), returned, dim=dim).imag
        return of_planes, of_by.unsqueeze(dim).sum_to_size(_resized(angle.shape, dim, 1)), None, None


def _along(line: Float[Tensor, " length"], dim: int) -> Float[Tensor, "..."]:
    """A line beside planes, along ``dim``."""
    return line if dim == -1 else line[:, None]


def _other(dim: int) -> int:
    """Of the two dimensions of a plane, the one across lines along ``dim``."""
    return -3 - dim


def _resized(shape: Sequence[int], dim: int, size: int) -> list[int]:
    return [size if place == len(shape) + dim else own for place, own in enumerate(shape)]


def _phase(angle: Float[Tensor, "*shape"]) -> Complex[Tensor, "*shape"]:
    """cos + i sin; on the CPU by numpy, which is several times as fast for angles of many turns."""
    if angle.device.type != "cpu":
        return torch.polar(torch.ones_like(angle), angle)
    known = angle.numpy()
    return torch.complex(torch.from_numpy(np.cos(known)), torch.from_numpy(np.sin(known)))


def _blocks(lines: int, before: int, planes: Tensor, period: int) -> Iterator[tuple[int, int, int, int]]:
    """Some lines after the others: the first of them and how many, where they go, and of the first and of the last line
    how many copies go there instead."""
    numbers = planes.shape[:-2].numel() * period
    at_once = lines if planes.device.type != "cpu" else max(1, AT_ONCE // numbers)
    for first in range(0, lines, at_once):
        yield first, min(at_once, lines - first), before + first, 0
    if before:
        yield 0, 1, 0, before
        yield lines - 1, 1, before + lines, before


def _repeated(spectrum: Complex[Tensor, "..."], lines: int, dim: int) -> Complex[Tensor, "..."]:
    """With as many copies of the first line and of the last as make so many."""
    across = _other(dim)
    before = (lines - spectrum.shape[across]) // 2
    first, last = spectrum.narrow(across, 0, 1), spectrum.narrow(across, -1, 1)
    return torch.cat([first] * before + [spectrum] + [last] * before, across) if before else spectrum


def _gathered(spectra: Complex[Tensor, "..."], own: int, dim: int) -> Complex[Tensor, "..."]:
    """The sums of what falls to a line and to its copies."""
    across = _other(dim)
    before = (spectra.shape[across] - own) // 2
    if not before:
        return spectra
    above, found, below = spectra.tensor_split([before, before + own], across)
    found = found.clone()
    found.narrow(across, 0, 1).add_(above.sum(across, keepdim=True))
    found.narrow(across, -1, 1).add_(below.sum(across, keepdim=True))
    return found


def _spectrum(lines: Float[Tensor, "..."], dim: int) -> Complex[Tensor, "..."]:
    return torch.from_numpy(spectrum_of(lines.numpy(), dim)) if _in_memory(lines) else torch.fft.rfft(lines, dim=dim)


def _lines(spectrum: Complex[Tensor, "..."], dim: int, period: int) -> Float[Tensor, "..."]:
    if _in_memory(spectrum):
        return torch.from_numpy(lines_of(spectrum.numpy(), dim, period))
    return torch.fft.irfft(spectrum, period, dim)


def _in_memory(numbers: Tensor) -> bool:
    return numbers.device.type == "cpu"


def spectrum_of(lines: Float[np.ndarray, "..."], dim: int) -> Complex[np.ndarray, "..."]:
    """Of columns and of odd periods by scipy, which takes columns where they stand."""
    if _by_torch(lines.shape[dim], dim):
        return torch.fft.rfft(torch.from_numpy(lines), dim=dim).numpy()
    return np.asarray(scipy.fft.rfft(lines, axis=dim, workers=torch.get_num_threads()))


def lines_of(spectrum: Complex[np.ndarray, "..."], dim: int, period: int) -> Float[np.ndarray, "..."]:
    if _by_torch(period, dim):
        return torch.fft.irfft(torch.from_numpy(spectrum), period, dim).numpy()
    return np.asarray(scipy.fft.irfft(spectrum, period, dim, workers=torch.get_num_threads()))


def _by_torch(period: int, dim: int) -> bool:
    """Whether torch transforms such lines faster on the CPU than scipy."""
    return dim == -1 and period % 2 == 0
