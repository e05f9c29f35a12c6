"""The normal scores of one picture, ascending, without loss, in single precision in a third of their space.

Of ascending numbers, read as whole ones by their bits, each is little more than the one before: these steps are kept,
`packed`.
"""

import numpy as np
from jaxtyping import Float, Int, UInt32

from .arena import Arena
from .packed import Packed

ORDERS = 2**16
"""How many upper halves of bits there are, from that of the lowest number to that of the highest."""


class SortedScores:
    """Scores in ascending order, in an arena. Numbers of other precisions than single are held as they are."""

    def __init__(self, ascending: Float[np.ndarray, " score"], arena: Arena | None = None):
        own, arena = orders(ascending), arena or Arena()
        changes = np.flatnonzero(own[1:] != own[:-1]) + 1
        self._starts = arena.keep(np.append(0, changes) if len(own) else np.empty(0, np.int64))
        self._ends = arena.keep(np.append(changes, len(own)) if len(own) else np.empty(0, np.int64))
        self._orders = arena.keep(own[self._starts])
        self._scores = None if ascending.dtype == np.float32 else ascending
        if self._scores is not None:
            return
        keys = _keys(ascending)
        steps = np.diff(keys, prepend=keys[:1])
        self._firsts = arena.keep(keys[self._starts])
        self._steps = Packed(steps, arena)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def values(self, first: int = 0, stop: int | None = None) -> Float[np.ndarray, " score"]:
        """The scores from one place in the order to before another."""
        stop = len(self) if stop is None else stop
        if self._scores is not None:
            return self._scores[first:stop]
        if stop <= first:
            return np.empty(0, np.float32)
        run = int(self._ends.searchsorted(first, "right"))
        start = int(self._starts[run])
        keys = self._steps.numbers(start, stop)
        keys[0] = self._firsts[run]
        np.cumsum(keys, dtype=np.uint32, out=keys)
        return _scores(keys[first - start :])

    def every(self, step: int) -> Float[np.ndarray, " sampled"]:
        """Every so many scores, from the lowest."""
        return self.values()[::step].copy()

    def runs(self) -> tuple[Int[np.ndarray, " run"], Int[np.ndarray, " run"]]:
        """The `orders` that occur, ascending, and how many scores have each."""
        return self._orders, self._ends - self._starts

    def places(self, orders: Int[np.ndarray, " order"]) -> Int[np.ndarray, " order"]:
        """Where the first score stands that has at least such an order."""
        return np.append(0, self._ends)[self._orders.searchsorted(orders)]


def orders(scores: Float[np.ndarray, " score"]) -> Int[np.ndarray, " score"]:
    """Numbers in [0, `ORDERS`) that rise with the scores: what their upper sixteen bits say of them."""
    bits = scores.view(f"u{scores.dtype.itemsize}")
    upper = (bits >> (8 * scores.dtype.itemsize - 16)).astype(np.uint16)
    return np.where(upper & 0x8000, ~upper, upper | 0x8000).astype(np.int64)


def _keys(scores: Float[np.ndarray, " score"]) -> UInt32[np.ndarray, " score"]:
    """Whole numbers that rise with the scores, one for each; the other way round is `_scores`."""
    bits = scores.view(np.uint32)
    return np.where(bits >> np.uint32(31), ~bits, bits | np.uint32(2**31))


def _scores(keys: UInt32[np.ndarray, " score"]) -> Float[np.ndarray, " score"]:
    return np.where(keys >> np.uint32(31), keys & np.uint32(2**31 - 1), ~keys).view(np.float32)
