"""How many threads work on what is small: torch's, and those of numpy's and scipy's matrices."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController

SMALL = 2**22
"""With fewer numbers, threads of a processor wait for each other longer than the second saves: pictures of 144 x 144
in batches of 16 take a third longer with two threads, those of 240 x 240 as long, and twice the processor's time."""


@contextmanager
def enough_threads(numbers: int) -> Iterator[None]:
    """In the block torch takes one thread for what has fewer than `SMALL` ``numbers``, and as many as before for more.

    Other threads of Python go on with as many as they had.
    """
    before = torch.get_num_threads()
    if numbers >= SMALL or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def one_blas_thread() -> AbstractContextManager[object]:
    """In the block numpy's and scipy's products of matrices take one thread. Of small ones, others only wait, and go on
    waiting busily afterwards."""
    return _libraries().limit(limits=1, user_api="blas")


@cache
def _libraries() -> ThreadpoolController:
    """What is loaded, which takes some milliseconds to find out."""
    return ThreadpoolController()
