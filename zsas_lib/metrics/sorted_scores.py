"""The normal scores of one picture, ascending, without loss and, in single precision, in half of their space.

Of ascending numbers the upper sixteen bits change seldom: they are held once for each run of equal ones, and of every
score only the lower sixteen.
"""

import numpy as np
from jaxtyping import Float, Int, UInt16

ORDERS = 2**16
"""How many upper halves there are, from that of the lowest number to that of the highest."""


class SortedScores:
    """Scores in ascending order. Numbers of other precisions than single are held as they are."""

    def __init__(self, ascending: Float[np.ndarray, " score"]):
        upper = _upper(ascending)
        changes = np.flatnonzero(upper[1:] != upper[:-1]) + 1
        self._ends = np.append(changes, len(upper)).astype(np.int64) if len(upper) else np.empty(0, np.int64)
        self._upper = upper[self._ends - 1]
        single = ascending.dtype == np.float32
        self._rest = ascending.view(np.uint32).astype(np.uint16) if single else ascending

    def __len__(self) -> int:
        return len(self._rest)

    def values(self, first: int = 0, stop: int | None = None) -> Float[np.ndarray, " score"]:
        """The scores from one place in the order to before another."""
        stop = len(self) if stop is None else stop
        rest = self._rest[first:stop]
        if rest.dtype != np.uint16:
            return rest
        run, last = self._ends.searchsorted((first, stop - 1), "right") if len(rest) else (0, -1)
        lengths = self._ends[run : last + 1].copy()
        if len(lengths):
            lengths[-1] = stop
            lengths[1:] -= lengths[:-1].copy()
            lengths[0] -= first
        bits = np.repeat(self._upper[run : last + 1].astype(np.uint32) << np.uint32(16), lengths)
        bits |= rest
        return bits.view(np.float32)

    def every(self, step: int) -> Float[np.ndarray, " sampled"]:
        """Every so many scores, from the lowest."""
        if self._rest.dtype != np.uint16 or step == 1:
            return self.values()[::step]
        runs = np.searchsorted(self._ends, np.arange(0, len(self), step), "right")
        bits = self._upper[runs].astype(np.uint32) << np.uint32(16)
        return (bits | self._rest[::step]).view(np.float32)

    def runs(self) -> tuple[Int[np.ndarray, " run"], Int[np.ndarray, " run"]]:
        """The `orders` that occur, ascending, and how many scores have each."""
        return _ordered(self._upper), np.diff(self._ends, prepend=0)

    def places(self, orders: Int[np.ndarray, " order"]) -> Int[np.ndarray, " order"]:
        """Where the first score stands that has at least such an order."""
        return np.append(0, self._ends)[np.searchsorted(_ordered(self._upper), orders)]


def orders(scores: Float[np.ndarray, " score"]) -> Int[np.ndarray, " score"]:
    """Numbers in [0, `ORDERS`) that rise with the scores: what their upper sixteen bits say of them."""
    return _ordered(_upper(scores))


def _upper(scores: Float[np.ndarray, " score"]) -> UInt16[np.ndarray, " score"]:
    bits = scores.view(f"u{scores.dtype.itemsize}")
    return (bits >> (8 * scores.dtype.itemsize - 16)).astype(np.uint16)


def _ordered(upper: UInt16[np.ndarray, " score"]) -> Int[np.ndarray, " score"]:
    return np.where(upper & 0x8000, ~upper, upper | 0x8000).astype(np.int64)
