"""The pictures that the embedded backbone learns from: pairs of one shot, sound and damaged, of compositions that
neither ``embedded-a`` nor ``embedded-b`` holds, each drawn with its own product, light, camera and defect.

``benches`` are as the embedded data sets' own; ``anywhere`` (``scenes``) is what its name says.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import cast

import numpy as np
import torch
from jaxtyping import Bool, Int, UInt8
from joblib import Parallel, delayed
from numpy.random import Generator, default_rng
from torch import Tensor

from ...data.embedded.defects import possible_defects
from ...data.embedded.materials import SURFACES
from ...data.embedded.products import TRAINING, draw_product
from ...data.embedded.render import CONTRASTS, Defect, render
from .scenes import draw_scene

PICTURE_SIZE = 192
SHARE_OF_PHOTOGRAPHED = 0.2
NAMES = tuple(f"{material} {shape}" for material, shape in TRAINING)
AT_ONCE = 16  # pictures that a process draws before it hands them over
SPARE = 3  # processors left to the training

Pairs = tuple[np.ndarray, np.ndarray, list[int]]
Draw = Callable[[Generator], tuple[np.ndarray, np.ndarray, str]]


def benches(rng: Generator) -> tuple[np.ndarray, np.ndarray, str]:
    """A pair (sound/damaged, height, width, 3) in [0, 1], the damaged one's mask, and the product's name."""
    photographed = rng.random() < SHARE_OF_PHOTOGRAPHED
    choices = [pair for pair in TRAINING if (pair[0] == "photographed") == photographed]
    product = draw_product(rng, *choices[rng.integers(len(choices))], grounds=tuple(SURFACES))
    kinds = possible_defects(product)
    defect = Defect(
        kinds[rng.integers(len(kinds))],
        str(rng.choice(list(CONTRASTS), p=(0.25, 0.4, 0.35))),
        float(np.exp(rng.uniform(np.log(0.04), np.log(0.25)))),
    )
    picture = render(product, int(rng.integers(2**31)), PICTURE_SIZE, defect, variation=float(rng.random()))
    return np.stack([picture.sound, picture.image]), picture.mask, product.name


def anywhere(rng: Generator) -> tuple[np.ndarray, np.ndarray, str]:
    """The same of a scene."""
    return draw_scene(rng, PICTURE_SIZE)


def _draw(draw: Draw, indices: range, seed: int) -> Pairs:
    pairs, masks, names = zip(*(draw(default_rng([seed, index])) for index in indices))
    return np.round(np.stack(pairs) * 255).astype(np.uint8), np.stack(masks), [NAMES.index(name) for name in names]


class TrainingPictures:
    """``count`` pairs of each of several kinds, on a device. All processors but `SPARE` draw them in turns while the
    training goes on with those that are there: pair number i of a kind depends on the seed and i only."""

    def __init__(self, draws: Sequence[Draw], count: int, seed: int, device: torch.device):
        shape = (len(draws), count, 2, PICTURE_SIZE, PICTURE_SIZE, 3)
        self.pairs: UInt8[Tensor, "kind pair 2 height width 3"] = torch.empty(shape, dtype=torch.uint8, device=device)
        self.masks: Bool[Tensor, "kind pair height width"] = torch.empty(
            (*shape[:2], PICTURE_SIZE, PICTURE_SIZE), dtype=torch.bool, device=device
        )
        self.names: Int[Tensor, "kind pair"] = torch.empty(shape[:2], dtype=torch.long, device=device)
        """The place of each product's name in ``NAMES``."""
        self._there = [0] * len(draws)
        self._drawn: SimpleQueue[tuple[int, range, tuple[np.ndarray, np.ndarray, list[int]]] | Exception] = (
            SimpleQueue()
        )
        starts = range(0, count, AT_ONCE)
        parts = [(kind, range(at, min(at + AT_ONCE, count))) for at in starts for kind in range(len(draws))]
        Thread(target=self._fill, args=(draws, parts, seed), daemon=True).start()

    def wait_for(self, kind: int, number: int) -> None:
        """Until so many pairs of a kind are there. Raises what came in the way of drawing them."""
        while self._there[kind] < number:
            if isinstance(found := self._drawn.get(), Exception):
                raise found
            drawn, part, (pairs, masks, names) = found
            place = (drawn, slice(part.start, part.stop))
            for kept, new in (
                (self.pairs, torch.from_numpy(pairs)),
                (self.masks, torch.from_numpy(masks)),
                (self.names, torch.tensor(names)),
            ):
                kept[place] = new.pin_memory().to(kept.device, non_blocking=True) if kept.is_cuda else new
            self._there[drawn] = part.stop

    def _fill(self, draws: Sequence[Draw], parts: list[tuple[int, range]], seed: int) -> None:
        try:
            drawn = cast(  # a list, or None, where `return_as` says so
                Iterator,
                Parallel(n_jobs=max(1, (os.cpu_count() or 1) - SPARE), return_as="generator", pre_dispatch="4*n_jobs")(
                    delayed(_draw)(draws[kind], part, seed) for kind, part in parts
                ),
            )
            for (kind, part), pairs in zip(parts, drawn):
                self._drawn.put((kind, part, pairs))
        except Exception as failure:  # is raised where the training waits
            self._drawn.put(failure)
