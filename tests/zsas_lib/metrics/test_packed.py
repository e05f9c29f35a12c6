"""Packed numbers are what was packed, from any place to any other, in the space of their smaller kinds."""

import numpy as np
import pytest

from zsas_lib.metrics.arena import Arena
from zsas_lib.metrics.packed import BLOCK, Packed

RNG = np.random.default_rng(0)
OF_ALL_KINDS = np.where(RNG.random(3 * BLOCK) < 0.1, RNG.integers(0, 2**20, 3 * BLOCK), RNG.integers(0, 256, 3 * BLOCK))


@pytest.mark.parametrize(
    "numbers",
    [
        OF_ALL_KINDS,
        RNG.integers(0, 2**17, BLOCK + 7),  # mostly in two bytes
        np.array([0, 254, 255, 256, 65534, 65535, 65536, 2**32 - 1]),
        np.full(2 * BLOCK, 255),
        np.array([], int),
    ],
)
def test_numbers_come_back_from_any_place_to_any_other(numbers):
    numbers = numbers.astype(np.uint32)
    packed, count = Packed(numbers, Arena()), len(numbers)
    assert packed.numbers(0, count).dtype == np.uint32
    ends = {0, count, *(place for place in (1, 3, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK) if place <= count)}
    for start in ends:
        for stop in (stop for stop in ends if stop >= start):
            np.testing.assert_array_equal(packed.numbers(start, stop), numbers[start:stop])


def test_small_numbers_take_a_byte_each_and_what_is_larger_two_more():
    assert Packed(np.full(BLOCK, 254, np.uint32), Arena()).nbytes < 1.01 * BLOCK
    some = np.where(np.arange(BLOCK) % 8 == 0, 300, 9).astype(np.uint32)
    assert 1.25 * BLOCK <= Packed(some, Arena()).nbytes < 1.26 * BLOCK
    assert Packed(np.full(BLOCK, 300, np.uint32), Arena()).nbytes < 2.01 * BLOCK


def test_an_arena_holds_copies_beside_each_other_of_any_size_and_kind(monkeypatch):
    monkeypatch.setattr("zsas_lib.metrics.arena.BLOCK", 64)
    arena, given = Arena(), [np.arange(3, dtype=np.uint8), np.arange(5.0), np.arange(100), np.empty(0, np.int32)]
    held = [arena.keep(values) for values in given]
    before = [values.copy() for values in given]
    for values in given:
        values[:] = 0
    for own, values in zip(held, before):
        assert own.dtype == values.dtype and own.base is not None
        np.testing.assert_array_equal(own, values)
