"""What frozen towers say of batches that were changed at random, for trainings that draw the same.

Models that read the same, such as VCP-CLIP and VCP-CLIP+, meet the same changed pictures in a training from the same
seed (`Examples.shuffled`). A batch is known by the state of the random numbers that it is drawn from, so that what is
shared is what would have been read.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from .glanced import Batch

SHARED_BYTES = 3 * 2**29
"""Of the batches read last; a training of four epochs on 360 pictures of 240 pixels reads 1.3 GB."""

_shared: "_Shared | None" = None


class _Shared:
    """Batches by backbone and key, and the random numbers' states behind them, the oldest first."""

    def __init__(self):
        self.batches: dict[tuple[nn.Module, str], tuple[Batch, UInt8[Tensor, " byte"]]] = {}
        self.bytes = 0

    def add(self, key: tuple[nn.Module, str], batch: Batch) -> None:
        self.batches[key] = batch, torch.get_rng_state()
        self.bytes += _bytes(batch)
        while self.bytes > SHARED_BYTES:
            self.bytes -= _bytes(self.batches.pop(next(iter(self.batches)))[0])


@contextmanager
def batches_shared() -> Iterator[None]:
    """Batches that trainings inside have read are kept for those that draw the same, up to `SHARED_BYTES`, and let go
    at the end."""
    global _shared
    outer, _shared = _shared, _shared or _Shared()
    try:
        yield
    finally:
        _shared = outer


def batch_once(backbone: nn.Module, what: str, read: Callable[[], Batch]) -> Batch:
    """What ``read`` gives, which draws from torch's global random numbers of the CPU; from what is kept where ``what``
    was drawn from the same random numbers before, and these go on as behind it."""
    if _shared is None:
        return read()
    state = torch.get_rng_state()
    key = backbone, hashlib.sha256(what.encode() + state.numpy().tobytes()).hexdigest()
    if key not in _shared.batches:
        batch = read()
        _shared.add(key, batch)
        return batch
    batch, after = _shared.batches[key]
    torch.set_rng_state(after)
    return batch


def _bytes(batch: Batch) -> int:
    features, *others = batch
    return sum(values.nbytes for values in [*features.values(), *others])
