"""Photographs as flat prints on the bench, which a camera sees from aside: exact geometry for pictures without any.

Two views of a print match point by point and its depth is that of a plane, so that released towers can be asked with
one's own data sets what the zoo is asked with drawn products: `correspondence`, and `depth_naming`. What a print lacks
is relief: nothing of it hides anything. Around it the bench is grey.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from ..backbones.backbone import Backbone
from ..backbones.registry import load_backbone
from ..base.errors import DataError, OptionError
from ..base.sources import source_digest
from ..data.dataset import AnomalyDataset
from ..data.embedded.camera import UPRIGHT, Camera, look, sample
from ..models.prompts import class_phrase
from ..perturbations.corruptions import CORRUPTIONS, corrupt
from ..store.results import load_or_compute
from .correspondence import FINEST, Pair, Seen, finest_grid, recalled
from .depth_naming import DISTANCE, WITH_DEPTH, images_and_depth, require_depth_takers
from .naming import CLEAN
from .naming_towers import ProductQuestions, numbered, product_questions

BENCH = 0.5
"""How bright the bench around a print is."""


def seen_print(photograph: Float[np.ndarray, "size size 3"], camera: Camera) -> Seen:
    """What a camera sees of a square print, which the upright one sees as it is."""
    size = len(photograph)
    x, y, depth = look(camera, np.zeros((size, size), np.float32), size)
    inside = (np.abs(x) <= 1) & (np.abs(y) <= 1)
    image = np.where(inside[..., None], sample(photograph, x, y, size), BENCH)
    return Seen(image.clip(0, 1).astype(np.float32), x, y, inside.astype(np.float32), depth)


def print_pairs(photographs: AnomalyDataset, tilts: Sequence[int | float], size: int, seed: int = 0) -> list[Pair]:
    """Of every photograph, made a square of ``size`` pixels, and every tilt (degrees) a view from above and one from
    aside: the camera tilts to a random side, in perspective, and turns by any angle around its own axis."""
    pairs = []
    squashed = photographs.squashed(size)
    for number in range(len(squashed)):
        shown = squashed[number]
        side, roll = np.random.default_rng([seed, number]).uniform(0, 2 * np.pi, 2)
        photograph, name = _as_array(shown.image), class_phrase(shown.category)
        above = seen_print(photograph, UPRIGHT)
        for tilt in tilts:
            camera = Camera(float(np.deg2rad(tilt)), float(side), float(roll), perspective=True)
            pairs.append(Pair(name, tilt, above, seen_print(photograph, camera)))
    return pairs


def tower_matches(
    towers: Sequence[str],
    products: ProductQuestions,
    tilts: Sequence[int | float],
    photographs: int,
    *,
    weights: str | None = None,
    seed: int = 0,
    store: Path | None = None,
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """`correspondence.view_correspondence` of towers by name (`load_backbone`'s, ``weights`` as there) on `print_pairs`
    of ``photographs`` sound pictures of every category, and why others are left out.

    A tower whose layers are all coarser than `FINEST` x `FINEST` patches gets larger pictures. One tower is in memory
    at a time; each is stored by itself. One that cannot be had here is left out, all of them if it must be. Raises
    UnknownNameError for a name that is none.
    """
    shown = [own.select(anomalous=False, per_category=photographs) for own in products.datasets]
    found, absent = {}, {}
    for name in dict.fromkeys(towers):
        try:
            found[name] = _matches(_fine_enough(name, weights), shown, tilts, seed, store)
        except (DataError, OptionError) as error:
            absent[name] = str(error)
    return found, absent


def _fine_enough(name: str, weights: str | None) -> Backbone:
    backbone = load_backbone(name, weights)
    rows, columns = finest_grid(backbone)
    if rows == columns >= FINEST:
        return backbone
    return load_backbone(name, weights, image_size=FINEST * backbone.patch_size)


def _matches(
    backbone: Backbone, shown: Sequence[AnomalyDataset], tilts: Sequence[int | float], seed: int, store: Path | None
) -> pd.DataFrame:
    size = backbone.size[0]
    return load_or_compute(
        "correspondence",
        {"backbone": backbone.digest, "prints": [own.digest for own in shown], "tilts": list(tilts), "seed": seed},
        lambda: recalled(backbone, [pair for own in shown for pair in print_pairs(own, tilts, size, seed)]),
        sources=source_digest(print_pairs, recalled),
        maker=backbone,
        store=store,
    )


@dataclass(frozen=True)
class PrintQuestions:
    """Which pictures towers are asked about: prints of the sound pictures of ``products``, the camera tilted by
    ``tilt`` degrees to a random side, clean, and under each of the ``corruptions`` that take depth and its twin at each
    of the ``levels`` (severities). Raises as `DepthQuestions`."""

    products: ProductQuestions
    corruptions: tuple[str, ...] = WITH_DEPTH
    levels: tuple[int, ...] = (2, 4)
    tilt: int | float = 35
    seed: int = 0
    strangers: None = None

    def __post_init__(self):
        require_depth_takers(self.corruptions, self.levels)
        self.camera("", 0)

    @property
    def names(self) -> tuple[str, ...]:
        return self.products.names

    @property
    def key(self) -> dict[str, object]:
        """What decides the answers beside the tower."""
        known = {"prints": self.products.key["sound"], "tilt": self.tilt, "seed": self.seed}
        return known | {"corruptions": self.corruptions, "levels": self.levels}

    def camera(self, name: str, number: int) -> Camera:
        """The one that takes this print. Raises ValueError for a tilt that no camera can have."""
        side = float(np.random.default_rng([self.seed, crc32(name.encode()), number]).uniform(0, 2 * np.pi))
        return Camera(float(np.deg2rad(self.tilt)), side, distance=DISTANCE, perspective=True)

    def views(self, size: int) -> Iterator[tuple[list[tuple[str, int, int]], list[Seen]]]:
        """Batches of the clean views, and of each its name, its number among those of its name, and among all."""
        for own in self.products.datasets:
            for facts, images in numbered(self.products.sound(own), size):
                cameras = [self.camera(name, number) for name, number, _ in facts]
                yield facts, [seen_print(_as_array(image), camera) for image, camera in zip(images, cameras)]

    def batches(self, size: int) -> Iterator[tuple[list[tuple], Float[Tensor, "picture 3 height width"]]]:
        """Batches of pictures as squares of ``size`` pixels, and of each its set, level, name and number."""
        for facts, views in self.views(size):
            images, depth = images_and_depth(views)
            yield [(CLEAN, 0, *fact[:2]) for fact in facts], images
            twins = dict.fromkeys(str(CORRUPTIONS[name].twin) for name in self.corruptions)
            for name, given in [*((name, depth) for name in self.corruptions), *((twin, None) for twin in twins)]:
                for level in self.levels:
                    shown = corrupt(images, f"{name}({level})", depth=given)
                    yield [(name, level, *fact[:2]) for fact in facts], shown


def print_questions(
    datasets: Sequence[str],
    roots: Sequence[str] | None = None,
    corruptions: Sequence[str] = WITH_DEPTH,
    levels: Sequence[int] = (2, 4),
    tilt: int | float = 35,
    per_name: int = 20,
    seed: int = 0,
) -> PrintQuestions:
    """The questions about data sets by name, each in its own of ``roots`` (`naming_towers.product_questions`)."""
    products = product_questions(datasets, roots, (), (), per_name)
    return PrintQuestions(products, tuple(corruptions), tuple(levels), tilt, seed)


def _as_array(image: Float[Tensor, "3 size size"]) -> Float[np.ndarray, "size size 3"]:
    return image.permute(1, 2, 0).numpy()
