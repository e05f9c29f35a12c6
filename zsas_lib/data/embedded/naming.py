"""Pictures to name: sound parts of every material and shape, as a wide choice of cameras and lamps may show them.

A name is "MATERIAL SHAPE". Of the names of the 16 materials and 15 shapes, those whose numbers add up to 0 or 1 modulo
5 are held out, and so are the products of both embedded data sets: a network that names them has put words together
that it has seen apart only. Three shapes more, and real photographs as a material, are seen by no network of the zoo.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import UInt8
from joblib import Parallel, delayed
from numpy.random import default_rng

from .materials import MATERIALS
from .products import AUXILIARY, EVALUATION, draw_product
from .shapes import FULL_FRAME, SHAPES
from .shoot import Setting, draw_setting

SIZE = 64
"""Pixels per side of the pictures that the zoo learns from and is asked about."""
UNSEEN_SHAPES = ("flower", "bolt", "handle")
"""Shapes that no network of the zoo has seen or has a word for."""
NAMED_SHAPES = tuple(shape for shape in SHAPES if shape not in FULL_FRAME and shape not in UNSEEN_SHAPES)
NAMES = tuple(f"{material} {shape}" for material in MATERIALS for shape in NAMED_SHAPES)
_RESERVED = {product.name for product in AUXILIARY + EVALUATION}
HELD_OUT = tuple(
    f"{material} {shape}"
    for i, material in enumerate(MATERIALS)
    for j, shape in enumerate(NAMED_SHAPES)
    if (i + j) % 5 < 2 or f"{material} {shape}" in _RESERVED
)
"""The names that are asked for; no network of the zoo has learnt a picture of them."""
TRAINED = tuple(name for name in NAMES if name not in HELD_OUT)
WIDE = {"variation": 0.5, "spread": 1.0}
"""How far light, camera and pose vary in training (`shoot.draw_setting`): so that factors meet no cliff."""


@dataclass(frozen=True)
class NamedPictures:
    """Memory-mapped pictures, uint8; ``names`` are numbers in `TRAINED`."""

    pictures: UInt8[np.ndarray, "picture height width 3"]
    names: np.ndarray


def draw_named(name: str, *seed: int, style: str = "photograph", wide: bool = False) -> Setting:
    """A new product of a name and how it is taken, from a seed of whole numbers; ``wide`` as any camera and lamp may
    show it, else as the embedded data sets' own."""
    rng = default_rng(list(seed))
    material, shape = name.split()
    product = draw_product(rng, material, shape)
    return draw_setting(product, int(rng.integers(2**31)), style, **(WIDE if wide else {}))


def _draw(index: int, seed: int, style: str, wide: bool) -> tuple[np.ndarray, int]:
    name = int(default_rng([seed, index, 0]).integers(len(TRAINED)))
    view = draw_named(TRAINED[name], seed, index, 1, style=style, wide=wide).shoot(SIZE)
    return np.round(view.image * 255).astype(np.uint8), name


def named_pictures(folder: Path, count: int, seed: int, style: str = "photograph", wide: bool = True) -> NamedPictures:
    """``count`` pictures of `TRAINED` names in ``folder``, drawn on the first call and mapped from disk on later ones.

    The same seed shows the same products in every style.
    """
    ready, file = folder / "names.json", folder / "pictures.npy"
    if not ready.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pictures = np.lib.format.open_memmap(file, "w+", np.uint8, (count, SIZE, SIZE, 3))
        names = []
        drawn = cast(  # a list, or None, where `return_as` says so
            Iterator,
            Parallel(n_jobs=os.cpu_count(), return_as="generator")(
                delayed(_draw)(index, seed, style, wide) for index in range(count)
            ),
        )
        for index, (picture, name) in enumerate(drawn):
            pictures[index] = picture
            names.append(name)
        pictures.flush()
        ready.write_text(json.dumps(names))
    return NamedPictures(np.load(file, mmap_mode="r"), np.array(json.loads(ready.read_text())))
