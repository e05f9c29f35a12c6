"""Whole numbers that are mostly small, without loss, each in a byte or two: what does not fit is kept beside them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt32

from .arena import Arena

KINDS = (np.uint8, np.uint16, np.uint32)
"""In what numbers are kept: what is too large for one is kept in the next, packed likewise."""
BLOCK = 2**12
"""After how many numbers it is noted how many were too large."""


class Packed:
    """Numbers below 2^32 in their order. The largest number of a kind stands for one that is kept in the next kind,
    where those stand in the same order."""

    def __init__(
        self,
        numbers: UInt32[np.ndarray, " number"],
        arena: Arena,
        kinds: Sequence[type[np.unsignedinteger]] | None = None,
    ):
        kind, *larger = _smallest(numbers) if kinds is None else kinds
        self._small, self._larger, self._before = arena.keep(numbers.astype(kind)), None, np.empty(0, np.int32)
        self._mark = np.iinfo(kind).max
        if not larger:
            return
        too_large = numbers >= self._mark
        self._small[too_large] = self._mark
        self._larger = Packed(numbers[too_large], arena, larger)
        blocks = np.add.reduceat(too_large, np.arange(0, len(numbers), BLOCK), dtype=np.int32)
        self._before = arena.keep(np.cumsum(np.append(np.zeros(1, np.int32), blocks), dtype=np.int32))

    @property
    def nbytes(self) -> int:
        """The memory that they take."""
        return self._small.nbytes + self._before.nbytes + (self._larger.nbytes if self._larger is not None else 0)

    def numbers(self, start: int, stop: int) -> UInt32[np.ndarray, " number"]:
        """Those from one place to before another."""
        own = self._small[start:stop]
        found = own.astype(np.uint32)
        if self._larger is not None and len(places := np.flatnonzero(own == self._mark)):
            block = start // BLOCK
            first = int(self._before[block] + np.count_nonzero(self._small[block * BLOCK : start] == self._mark))
            found[places] = self._larger.numbers(first, first + len(places))
        return found


def _smallest(numbers: UInt32[np.ndarray, " number"]) -> Sequence[type[np.unsignedinteger]]:
    """The kinds in which they take the least space."""
    bytes_, halves = (np.count_nonzero(numbers >= np.iinfo(kind).max) for kind in KINDS[:2])
    return KINDS if 2 * bytes_ < len(numbers) + 2 * halves else KINDS[1:]
