"""How long a model takes for a picture on this device, and how much memory beside its weights."""

import time
import weakref
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from ..base.devices import wait_for
from ..models.prediction import AnomalyModel
from .complexity import as_it_begins, parameter_counts


@torch.no_grad()
def milliseconds(
    model: nn.Module, images: Float[Tensor, "batch 3 height width"], class_names: str | Sequence[str], repeats: int = 5
) -> list[float]:
    """Milliseconds per picture of ``repeats`` predictions, after one that is not counted (texts that are encoded once,
    kernels that are chosen)."""
    model(images, class_names)
    found = []
    for _ in range(repeats):
        wait_for(images.device)
        start = time.perf_counter()
        model(images, class_names)
        wait_for(images.device)
        found.append(1000 * (time.perf_counter() - start) / len(images))
    return found


@torch.no_grad()
def peak_memory(
    model: nn.Module, images: Float[Tensor, "batch 3 height width"], class_names: str | Sequence[str]
) -> float:
    """The most megabytes (10^6 bytes) of tensors that are alive at once in a prediction, weights and images not
    counted.

    What one operation allocates and frees within itself is not seen. Texts that are encoded once are, on the first
    call.
    """
    held = [*model.parameters(), *model.buffers(), images]
    with _Live(held) as live:
        model(images, class_names)
    return live.peak / 1e6


def costs(
    models: Mapping[str, AnomalyModel],
    images: Float[Tensor, "batch 3 height width"],
    class_names: str | Sequence[str],
    repeats: int = 5,
) -> pd.DataFrame:
    """What models take for one picture on this device, one row each by its name in ``model``.

    Columns: the median, the fastest and the slowest of ``repeats`` `milliseconds`; `peak_memory` (MB); how many
    sentences are encoded for each picture; all weights as float32 (MB); and how many parameters are learned. A model
    that has learned nothing yet is timed as it begins.
    """
    rows = []
    for name, model in models.items():
        with as_it_begins(model):
            times = milliseconds(model, images, class_names, repeats)
            peak = peak_memory(model, images, class_names)
        parameters = parameter_counts(model)
        rows.append(
            {
                "model": name,
                "ms per picture": np.median(times),
                "fastest": min(times),
                "slowest": max(times),
                "peak MB": peak,
                "sentences per picture": getattr(model, "sentences_per_picture", 0),
                "weights MB": 4 * parameters.total / 1e6,
                "learned": parameters.learned,
            }
        )
    return pd.DataFrame(rows)


class _Live(TorchDispatchMode):
    """Counts the bytes of the storages that operations make, for as long as each lives."""

    def __init__(self, held: Sequence[Tensor]):
        super().__init__()
        self.known = WeakIdKeyDictionary()
        self.bytes = self.peak = 0
        for tensor in held:
            self.known[tensor.untyped_storage()] = True

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        made = function(*arguments, **(options or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor) and (storage := leaf.untyped_storage()) not in self.known:
                self.known[storage] = True
                self.bytes += storage.nbytes()
                self.peak = max(self.peak, self.bytes)
                weakref.finalize(storage, self._freed, storage.nbytes())
        return made

    def _freed(self, size: int) -> None:
        self.bytes -= size
