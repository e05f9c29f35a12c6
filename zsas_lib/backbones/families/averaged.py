"""Transformers whose embedding is the mean of their patches: CLIPA, ViTamin, timm's "gap" names.

A window's embedding is the mean of its patches, with the same norm and projection; a patch's, that of one patch. Where
the norm comes before the mean and all after it is linear, a picture's embedding is the mean of its map.
"""

from typing import Any

from torch import Tensor

from .parts import Pool
from .windows import window_means

AVERAGED = "average-pooled"


class Averaged(Pool):
    """The mean of the patches between two norms, one of which is none, then a projection. A class token takes part in
    the blocks alone."""

    family = AVERAGED

    def __init__(self, before: Any, after: Any, project: Any, prefix: int, includes_prefix: bool = False):
        self.before, self.after, self.project = before, after, project
        self.prefix, self.pooled_from = prefix, 0 if includes_prefix else prefix

    def embedding(self, last: Tensor, normed: bool = True) -> Tensor:
        return self._read(self.before(last)[:, self.pooled_from :].mean(1))

    def normed(self, last: Tensor) -> Tensor:
        return self.after(self.before(last[:, self.prefix :]))

    def dense(self, state: Tensor) -> Tensor:
        return self._read(self.before(state[:, self.prefix :]))

    def windows(self, last: Tensor, grid: tuple[int, int], side: int) -> Tensor:
        return self._read(window_means(self.before(last[:, self.prefix :]), grid, side))

    def _read(self, means: Tensor) -> Tensor:
        return self.project(self.after(means))
