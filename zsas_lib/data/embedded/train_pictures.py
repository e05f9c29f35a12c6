"""The pictures that the embedded backbone learns from: pairs of one shot, sound and damaged, of compositions that
neither ``embedded-a`` nor ``embedded-b`` holds, each drawn with its own product, light, camera and defect.

``benches`` are as the embedded data sets' own; ``scenes`` (``train_scenes``) come from anywhere.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from joblib import Parallel, delayed
from numpy.random import Generator, default_rng
from tqdm import tqdm

from .defects import possible_defects
from .materials import SURFACES
from .products import TRAINING, draw_product
from .render import CONTRASTS, Defect, render
from .train_scenes import draw_scene

PICTURE_SIZE = 192
SHARE_OF_PHOTOGRAPHED = 0.2


@dataclass(frozen=True)
class TrainingPictures:
    """Memory-mapped: ``pairs`` (picture, sound/damaged, height, width, 3) uint8, ``masks`` bool, ``names`` as words."""

    pairs: np.ndarray
    masks: np.ndarray
    names: list[str]


def benches(rng: Generator) -> tuple[np.ndarray, np.ndarray, str]:
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


def scenes(rng: Generator) -> tuple[np.ndarray, np.ndarray, str]:
    return draw_scene(rng, PICTURE_SIZE)


def _draw(draw: Callable, index: int, seed: int) -> tuple[np.ndarray, np.ndarray, str]:
    pair, mask, name = draw(default_rng([seed, index]))
    return np.round(pair * 255).astype(np.uint8), mask, name


def training_pictures(folder: Path, count: int, seed: int, draw: Callable = benches) -> TrainingPictures:
    """``count`` pairs in ``folder``, drawn on the first call and mapped from disk on later ones.

    ``draw`` takes a random generator and gives a pair (sound/damaged, height, width, 3) in [0, 1], its mask and the
    product's name.
    """
    ready = folder / "names.json"
    pairs_file, masks_file = folder / "pairs.npy", folder / "masks.npy"
    if not ready.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shape = (count, 2, PICTURE_SIZE, PICTURE_SIZE, 3)
        pairs = np.lib.format.open_memmap(pairs_file, "w+", np.uint8, shape)
        masks = np.lib.format.open_memmap(masks_file, "w+", bool, (count, PICTURE_SIZE, PICTURE_SIZE))
        names = []
        drawn = cast(  # a list, or None, where `return_as` says so
            Iterator,
            Parallel(n_jobs=os.cpu_count(), return_as="generator")(delayed(_draw)(draw, i, seed) for i in range(count)),
        )
        for i, (pair, mask, name) in enumerate(tqdm(drawn, total=count, desc="training pictures", mininterval=10)):
            pairs[i], masks[i] = pair, mask
            names.append(name)
        pairs.flush()
        masks.flush()
        ready.write_text(json.dumps(names))
    return TrainingPictures(
        np.load(pairs_file, mmap_mode="r"), np.load(masks_file, mmap_mode="r"), json.loads(ready.read_text())
    )
