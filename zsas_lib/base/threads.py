"""How many of torch's threads work on what is small."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

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
