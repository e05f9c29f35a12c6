"""A map as the mean over changed copies of its picture, beside as many forward passes spent on parts of it.

Paper S suggests changes at test time that raise what each kind of object scores. The plainest is to ask the model about
several turned or tinted copies and to mean over the maps, turned back. That takes as many passes as there are copies,
and so it is set against as many that look at the picture's parts at twice the size.
"""

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..base.errors import UnknownNameError
from ..models.around import AroundModel
from ..models.prediction import AnomalyModel, Prediction, names_of_images
from ..perturbations import perturb, shown, upright
from ..store.results import describe_model

COPIES: Mapping[str, Mapping[str, Sequence[float]]] = {
    "turned": {"degrees": (0.0, 90.0, 180.0, 270.0)},
    "tinted": {
        "hue": (0.0, math.pi / 2, math.pi, -math.pi / 2),
        "saturation": (0.0, 0.2, -0.2, 0.0),
    },
}
"""Copies by the way they are made: the amounts of each perturbation, by column, the picture as it is first. Quarter
turns lose no pixel."""
PARTS = "parts"
SINGLE = "single pass"
WAYS = (SINGLE, *COPIES, PARTS)
SIDE, SHARE = 2, 0.6
"""Parts in a row and in a column, and the share of the picture's side that each has; they overlap."""


class _Around(AroundModel):
    """Another model, asked several times about each picture."""

    def __init__(self, model: AnomalyModel, way: str):
        super().__init__(model, {"way": way})

    def identity(self, class_names: Sequence[str]) -> Mapping[str, object]:
        return {"of": describe_model(self.model, class_names)}


class Averaged(_Around):
    """The mean of a model's maps over one of `COPIES`, each turned back, where the copy showed a pixel; and the mean of
    its image scores. Raises UnknownNameError for a way that is none."""

    def __init__(self, model: AnomalyModel, way: str):
        if way not in COPIES:
            raise UnknownNameError("way to make copies", way, COPIES)
        super().__init__(model, way)

    def forward(self, images: Float[Tensor, "batch 3 height width"], class_names: str | Sequence[str]) -> Prediction:
        names, of = names_of_images(class_names, len(images)), COPIES[self.options["way"]]
        total, seen, scores = images.new_zeros(()), images.new_zeros(()), []
        for copy in range(len(next(iter(of.values())))):
            given = {column: images.new_full((len(images),), own[copy]) for column, own in of.items() if own[copy]}
            found = self.model(perturb(images, **given), names)
            maps = upright(found.anomaly_map, given, fill="replicate")
            region = shown(maps, given).to(maps)
            total, seen = total + maps * region, seen + region
            scores.append(found.image_score)
        return Prediction(total / seen, torch.stack(scores).mean(0))


class InParts(_Around):
    """A model's maps of `SIDE` x `SIDE` overlapping parts of a picture, each enlarged to the picture's size, put
    together, in the mean where they overlap; and the highest of its image scores."""

    def __init__(self, model: AnomalyModel):
        super().__init__(model, PARTS)

    def forward(self, images: Float[Tensor, "batch 3 height width"], class_names: str | Sequence[str]) -> Prediction:
        names, size = names_of_images(class_names, len(images)), images.shape[-2:]
        total, seen = images.new_zeros(len(images), *size), images.new_zeros(size)
        scores = []
        for rows in _places(size[0]):
            for columns in _places(size[1]):
                part = images[..., rows, columns]
                large = F.interpolate(part, size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
                found = self.model(large, names)
                small = F.interpolate(
                    found.anomaly_map[:, None], part.shape[-2:], mode="bilinear", align_corners=False, antialias=True
                )
                total[:, rows, columns] += small[:, 0]
                seen[rows, columns] += 1
                scores.append(found.image_score)
        return Prediction(total / seen, torch.stack(scores).amax(0))


def ways(model: AnomalyModel, names: Sequence[str] = WAYS) -> dict[str, AnomalyModel]:
    """The model itself and with as many passes as `COPIES` has copies, by the name of the way. Raises UnknownNameError
    for a name that is none."""
    for name in names:
        if name not in WAYS:
            raise UnknownNameError("way to spend passes", name, WAYS)
    made = {SINGLE: lambda: model, PARTS: lambda: InParts(model)}
    return {name: made[name]() if name in made else Averaged(model, name) for name in names}


def passes_of(way: str) -> int:
    """How many forward passes of the model one picture takes."""
    if way == SINGLE:
        return 1
    return SIDE**2 if way == PARTS else len(next(iter(COPIES[way].values())))


def _places(length: int) -> list[slice]:
    own = max(1, round(SHARE * length))
    return [slice(start, start + own) for start in (round(k * (length - own) / (SIDE - 1)) for k in range(SIDE))]
