"""Batches that the embedded backbone learns from: training pictures as any camera might have taken them."""

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from numpy.random import Generator
from torch import Tensor
from torchvision.io import decode_jpeg, encode_jpeg
from torchvision.transforms.v2.functional import gaussian_blur

from .train_pictures import TrainingPictures

VISIBLE = 0.05
"""Difference to the sound twin (0 to 1) from which a pixel of the mask counts as damaged."""


@dataclass(frozen=True)
class Camera:
    """What a camera may do, as ranges: of the zoom (below 1 it comes closer), of the saturation, of the exponent and
    the factor of brightness and of the factor of contrast; ``stretch`` is the logarithm of the largest factor by which
    width and height may part company, as pictures of any shape are squashed to a square."""

    zoom: tuple[float, float] = (0.6, 1.1)
    stretch: float = 0.0
    saturation: tuple[float, float] = (0.0, 1.5)
    gamma: tuple[float, float] = (0.6, 1.6)
    exposure: tuple[float, float] = (0.75, 1.25)
    contrast: tuple[float, float] = (1.0, 1.0)


BENCH = Camera()
ANYWHERE = Camera((0.4, 1.0), 0.5, (0.0, 2.2), (0.5, 2.0), (0.6, 1.4), (0.6, 1.5))


@dataclass(frozen=True)
class TrainingBatch:
    """``pairs`` are the same shots, sound (0) and damaged (1); ``seen`` is the part of ``masks`` that can be seen, and
    ``difference`` is what the damage did to each pixel, before noise and JPEG."""

    pairs: Float[Tensor, "pair 2 3 height width"]
    masks: Bool[Tensor, "pair height width"]
    seen: Bool[Tensor, "pair height width"]
    difference: Float[Tensor, "pair 3 height width"]
    names: list[str]

    def __add__(self, other: "TrainingBatch") -> "TrainingBatch":
        return TrainingBatch(
            torch.cat([self.pairs, other.pairs]),
            torch.cat([self.masks, other.masks]),
            torch.cat([self.seen, other.seen]),
            torch.cat([self.difference, other.difference]),
            self.names + other.names,
        )


def draw_batch(
    pictures: TrainingPictures, rng: Generator, size: int, side: int, camera: Camera = BENCH
) -> TrainingBatch:
    """``size`` pairs, cropped to ``side`` pixels and seen by a camera of that kind each."""
    picks = rng.choice(len(pictures.names), size, replace=False)
    pairs = torch.from_numpy(np.stack([pictures.pairs[i] for i in picks])).permute(0, 1, 4, 2, 3) / 255
    defects = torch.from_numpy(np.stack([pictures.masks[i] for i in picks])).float()[:, None]
    pairs, defects = _crop(rng, pairs, defects, side, camera)
    pairs = _expose(rng, pairs, camera)
    difference = pairs[:, 1] - pairs[:, 0]
    masks = defects[:, 0] > 0.4
    seen = masks & (difference.abs().mean(1) > VISIBLE)
    return TrainingBatch(_record(rng, pairs), masks, seen, difference, [pictures.names[i] for i in picks])


def _crop(rng, pairs, defects, side, camera):
    """Zoom, shift, mirror, quarter-turn and stretch; a third of the zooms are centred on the defect."""
    size = len(pairs)
    zoom = np.exp(rng.uniform(*np.log(camera.zoom), size)).astype(np.float32)
    turn, mirror = rng.integers(4, size=size) * np.pi / 2 + rng.normal(0, 0.05, size), rng.choice([-1, 1], size)
    room = np.maximum(1 - zoom, 0)[:, None]
    shift = rng.uniform(-1, 1, (size, 2)) * room
    weight = defects[:, 0] / defects[:, 0].sum((1, 2), keepdim=True).clamp_min(1e-6)
    axis = torch.linspace(-1, 1, defects.shape[-1])
    centre = torch.stack([(weight.sum(1) * axis).sum(1), (weight.sum(2) * axis).sum(1)], 1).numpy()
    aimed = (rng.random(size) < 0.33)[:, None]
    shift = np.where(aimed, np.clip(centre + rng.normal(0, 0.25, (size, 2)) * zoom[:, None], -room, room), shift)
    cos, sin = np.cos(turn) * zoom, np.sin(turn) * zoom
    theta = np.stack([np.stack([cos * mirror, -sin, shift[:, 0]], 1), np.stack([sin * mirror, cos, shift[:, 1]], 1)], 1)
    if camera.stretch:  # no wider than the picture
        wide = np.exp(np.clip(rng.uniform(-1, 1, size) * camera.stretch, np.log(zoom), -np.log(zoom)))
        theta[:, :, :2] *= np.stack([wide, 1 / wide], 1)[:, None]
    grid = F.affine_grid(torch.from_numpy(theta).float(), [size, 3, side, side], align_corners=False)
    cropped = F.grid_sample(pairs.flatten(1, 2), grid, padding_mode="reflection", align_corners=False)
    return cropped.unflatten(1, (2, 3)), F.grid_sample(defects, grid, padding_mode="zeros", align_corners=False)


def _expose(rng, pairs, camera):
    """Colours, exposure and sharpness of any camera, the same for both of a pair."""
    size = len(pairs)

    def uniform(low, high):
        return torch.from_numpy(rng.uniform(low, high, (size, 1, 1, 1, 1)).astype(np.float32))

    for i in np.flatnonzero(rng.random(size) < 0.3):
        pairs[i] = pairs[i][:, torch.from_numpy(rng.permutation(3))]
    grey = pairs.mean(2, keepdim=True)
    pairs = (grey + (pairs - grey) * uniform(*camera.saturation)).clamp(1e-4, 1)
    pairs = pairs ** uniform(*map(math.log, camera.gamma)).exp()
    if camera.contrast[0] < camera.contrast[1]:
        middle = pairs.mean((1, 2, 3, 4), keepdim=True)
        pairs = middle + (pairs - middle) * uniform(*camera.contrast)
    tint = torch.from_numpy(np.exp(rng.normal(0, 0.08, (size, 1, 3, 1, 1))).astype(np.float32))
    pairs = (pairs * tint * uniform(*camera.exposure) + uniform(-0.08, 0.08)).clamp(0, 1)
    for i in np.flatnonzero(rng.random(size) < 0.3):
        pairs[i] = gaussian_blur(pairs[i], [5, 5], [float(rng.uniform(0.3, 1.1))])
    return pairs


def _record(rng, pairs):
    """Sensor noise and JPEG, each picture its own."""
    size = len(pairs)
    level = torch.from_numpy((0.06 * rng.random((size, 1, 1, 1, 1)) ** 3).astype(np.float32))
    pairs = (pairs + level * torch.from_numpy(rng.standard_normal(tuple(pairs.shape), dtype=np.float32))).clamp(0, 1)
    for i in np.flatnonzero(rng.random(size) < 0.25):
        quality = int(rng.integers(35, 95))
        for twin in (0, 1):
            file = encode_jpeg((pairs[i, twin] * 255).round().byte(), quality)
            pairs[i, twin] = cast(Tensor, decode_jpeg(file)).float() / 255  # a list only for a list
    return pairs
