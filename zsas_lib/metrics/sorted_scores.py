"""The normal scores of one picture, ascending, as they are, or without loss in a third of their space.

Of ascending numbers, read as whole ones by their bits, each is little more than the one before: these steps are kept,
`packed`, where that is asked for and the numbers are in single precision.
"""

import numpy as np
from jaxtyping import Float, Int, UInt16, UInt32

from .arena import Arena
from .packed import Packed

ORDERS = 2**16
"""How many upper halves of bits there are, from that of the lowest number to that of the highest."""


class SortedScores:
    """Scores in ascending order, packed in an arena, or as they are without one. Numbers of other precisions than
    single are never packed."""

    def __init__(self, ascending: Float[np.ndarray, " score"], arena: Arena | None = None):
        own = _upper(ascending)
        self._length = len(own)
        starts = np.append(0, np.flatnonzero(own[1:] != own[:-1]) + 1)[: len(own)]
        keep = _as_it_is if arena is None else arena.keep
        self._starts, self._uppers = keep(starts.astype(np.int32 if len(own) < 2**31 else np.int64)), keep(own[starts])
        self._scores = ascending if arena is None or ascending.dtype != np.float32 else None
        if arena is None or self._scores is not None:
            return
        keys = _keys(ascending)
        self._firsts = arena.keep(keys[starts])
        self._steps = Packed(np.diff(keys, prepend=keys[:1]), arena)

    def __len__(self) -> int:
        return self._length

    def values(self, first: int = 0, stop: int | None = None) -> Float[np.ndarray, " score"]:
        """The scores from one place in the order to before another."""
        stop = len(self) if stop is None else stop
        if self._scores is not None:
            return self._scores[first:stop]
        if stop <= first:
            return np.empty(0, np.float32)
        run = int(self._starts.searchsorted(first, "right")) - 1
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
        return _orders(self._uppers), np.diff(self._starts, append=self._length)

    def places(self, orders: Int[np.ndarray, " order"]) -> Int[np.ndarray, " order"]:
        """Where the first score stands that has at least such an order."""
        return np.append(self._starts, self._length)[_orders(self._uppers).searchsorted(orders)]


def counted_below(
    ascending: Float[np.ndarray, " score"], numbers: Float[np.ndarray, " number"]
) -> tuple[Int[np.ndarray, " number"], Int[np.ndarray, " number"]]:
    """How many of some scores are lower than each number, and how many are no higher."""
    below = np.searchsorted(ascending, numbers, side="left")
    if not len(ascending):
        return below, below
    tied = (below < len(ascending)) & (ascending[np.minimum(below, len(ascending) - 1)] == numbers)
    up_to = below.copy()
    up_to[tied] = np.searchsorted(ascending, numbers[tied], side="right")  # elsewhere there is nothing between
    return below, up_to


def orders(scores: Float[np.ndarray, " score"]) -> Int[np.ndarray, " score"]:
    """Numbers in [0, `ORDERS`) that rise with the scores: what their upper sixteen bits say of them."""
    return _orders(_upper(scores))


def _upper(scores: Float[np.ndarray, " score"]) -> UInt16[np.ndarray, " score"]:
    """The upper sixteen bits of each score."""
    size = scores.dtype.itemsize
    return (scores.view(f"u{size}") >> (8 * size - 16)).astype(np.uint16)


def _orders(upper: UInt16[np.ndarray, " score"]) -> Int[np.ndarray, " score"]:
    return np.where(upper & 0x8000, ~upper, upper | 0x8000).astype(np.int64)


def _as_it_is(values: np.ndarray) -> np.ndarray:
    return values


def _keys(scores: Float[np.ndarray, " score"]) -> UInt32[np.ndarray, " score"]:
    """Whole numbers that rise with the scores, one for each; the other way round is `_scores`."""
    bits = scores.view(np.uint32)
    return np.where(bits >> np.uint32(31), ~bits, bits | np.uint32(2**31))


def _scores(keys: UInt32[np.ndarray, " score"]) -> Float[np.ndarray, " score"]:
    return np.where(keys >> np.uint32(31), keys & np.uint32(2**31 - 1), ~keys).view(np.float32)
