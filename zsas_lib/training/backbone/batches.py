"""Batches that the embedded backbone learns from: training pictures as any camera might have taken them."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from ...perturbations.sensor import QUALITIES, jpeg
from .pictures import TrainingPictures

VISIBLE = 0.05
"""Difference to the sound twin (0 to 1) from which a pixel of the mask counts as damaged."""
AIMED = 0.33
"""Of the pairs, how many are looked at where the damage is."""
BLURRED, PERMUTED, COMPRESSED = 0.3, 0.3, 0.25
"""Of the pairs, how many are blurred, have their colours exchanged, and are saved as JPEG."""


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
ANYWHERE = Camera((0.5, 1.1), 0.5, (0.0, 1.7), (0.5, 1.8), (0.6, 1.4), (0.7, 1.4))


@dataclass(frozen=True)
class TrainingBatch:
    """``pairs`` are the same shots, sound (0) and damaged (1); ``seen`` is the part of ``masks`` that can be seen, and
    ``difference`` is what the damage did to each pixel, before noise and JPEG; ``names`` are places in ``NAMES``."""

    pairs: Float[Tensor, "pair 2 3 height width"]
    masks: Bool[Tensor, "pair height width"]
    seen: Bool[Tensor, "pair height width"]
    difference: Float[Tensor, "pair 3 height width"]
    names: Int[Tensor, " pair"]

    def __add__(self, other: "TrainingBatch") -> "TrainingBatch":
        return TrainingBatch(*(torch.cat([own, more]) for own, more in zip(vars(self).values(), vars(other).values())))


class Dice:
    """Random numbers of one step, one row each for so many pairs, on the device of their generator."""

    def __init__(self, generator: Generator, size: int):
        self.generator, self.size = generator, size

    def uniform(self, low: int | float, high: int | float, shape: tuple[int, ...] = ()) -> Tensor:
        unit = torch.rand((self.size, *shape), generator=self.generator, device=self.generator.device)
        return low + (high - low) * unit

    def normal(self, shape: tuple[int, ...] = ()) -> Tensor:
        return torch.randn((self.size, *shape), generator=self.generator, device=self.generator.device)

    def some(self, share: float) -> Int[Tensor, " chosen"]:
        """Numbers of such a share of the pairs."""
        order = torch.randperm(self.size, generator=self.generator, device=self.generator.device)
        return order[: round(share * self.size)]


def draw_batch(
    pictures: TrainingPictures, kind: int, among: int, generator: Generator, size: int, side: int, camera: Camera
) -> TrainingBatch:
    """``size`` of the first ``among`` pairs of a kind, cropped to ``side`` pixels and seen by such a camera each."""
    pictures.wait_for(kind, among)
    dice, device = Dice(generator, size), generator.device
    picks = torch.randperm(among, generator=generator, device=device)[:size]
    pairs = pictures.pairs[kind, picks].permute(0, 1, 4, 2, 3) / 255
    defects = pictures.masks[kind, picks].float()[:, None]
    pairs, defects = crop(dice, pairs, defects, side, camera)
    pairs = _expose(dice, pairs, camera)
    difference = pairs[:, 1] - pairs[:, 0]
    masks = defects[:, 0] > 0.4
    seen = masks & (difference.abs().mean(1) > VISIBLE)
    return TrainingBatch(_record(dice, pairs), masks, seen, difference, pictures.names[kind, picks])


def crop(
    dice: Dice,
    pairs: Float[Tensor, "pair 2 3 height width"],
    defects: Float[Tensor, "pair 1 height width"],
    side: int,
    camera: Camera,
) -> tuple[Float[Tensor, "pair 2 3 {side} {side}"], Float[Tensor, "pair 1 {side} {side}"]]:
    """Zoom, shift, mirror, quarter-turn and stretch; some of the zooms are centred on the defect."""
    size = len(pairs)
    zoom = dice.uniform(math.log(camera.zoom[0]), math.log(camera.zoom[1])).exp()
    turn = (dice.uniform(0, 4).floor() * math.pi / 2) + 0.05 * dice.normal()
    mirror = torch.where(dice.uniform(0, 1) < 0.5, -1.0, 1.0)
    room = (1 - zoom).clamp_min(0)[:, None]
    weight = defects[:, 0] / defects[:, 0].sum((1, 2), keepdim=True).clamp_min(1e-6)
    axis = torch.linspace(-1, 1, defects.shape[-1], device=pairs.device)
    centre = torch.stack([(weight.sum(1) * axis).sum(1), (weight.sum(2) * axis).sum(1)], 1)
    aim = (centre + 0.25 * dice.normal((2,)) * zoom[:, None]).clamp(-room, room)
    shift = torch.where((dice.uniform(0, 1) < AIMED)[:, None], aim, dice.uniform(-1, 1, (2,)) * room)
    cos, sin = turn.cos() * zoom, turn.sin() * zoom
    theta = torch.stack([cos * mirror, -sin, shift[:, 0], sin * mirror, cos, shift[:, 1]], 1).reshape(size, 2, 3)
    if camera.stretch:  # no wider than the picture
        room = (-zoom.log()).clamp_min(0)
        wide = (dice.uniform(-1, 1) * camera.stretch).clamp(-room, room).exp()
        theta = torch.cat([theta[:, :, :2] * torch.stack([wide, 1 / wide], 1)[:, None], theta[:, :, 2:]], 2)
    grid = F.affine_grid(theta, [size, 3, side, side], align_corners=False)
    cropped = F.grid_sample(pairs.flatten(1, 2), grid, padding_mode="reflection", align_corners=False)
    return cropped.unflatten(1, (2, 3)), F.grid_sample(defects, grid, padding_mode="zeros", align_corners=False)


def _expose(dice: Dice, pairs: Tensor, camera: Camera) -> Tensor:
    """Colours, exposure and sharpness of any camera, the same for both of a pair."""
    one = (1, 1, 1, 1)
    exchanged = dice.uniform(0, 1, (3,)).argsort(1)
    order = torch.where(dice.uniform(0, 1, (1,)) < PERMUTED, exchanged, torch.arange(3, device=pairs.device))
    pairs = pairs.gather(2, order[:, None, :, None, None].expand_as(pairs))
    grey = pairs.mean(2, keepdim=True)
    pairs = (grey + (pairs - grey) * dice.uniform(*camera.saturation, one)).clamp(1e-4, 1)
    low, high = camera.gamma
    pairs = pairs ** dice.uniform(math.log(low), math.log(high), one).exp()
    if camera.contrast[0] < camera.contrast[1]:
        middle = pairs.mean((1, 2, 3, 4), keepdim=True)
        pairs = middle + (pairs - middle) * dice.uniform(*camera.contrast, one)
    tint = (0.08 * dice.normal((1, 3, 1, 1))).exp()
    pairs = (pairs * tint * dice.uniform(*camera.exposure, one) + dice.uniform(-0.08, 0.08, one)).clamp(0, 1)
    some = dice.some(BLURRED)
    return pairs.index_copy(0, some, _blurred(pairs[some], dice.uniform(0.3, 1.1)[some]))


def _blurred(pairs: Tensor, deviation: Float[Tensor, " pair"]) -> Tensor:
    """By a Gaussian of 5 x 5 pixels of each pair's own deviation; edges are mirrored."""
    place = torch.arange(-2, 3, device=pairs.device)
    weights = (-(place**2) / (2 * deviation[:, None] ** 2)).softmax(1)
    height, width = pairs.shape[-2:]
    wide = F.pad(pairs.flatten(1, 2), (2, 2, 2, 2), mode="reflect")
    down = torch.stack([weights[:, i, None, None, None] * wide[:, :, i : i + height] for i in range(5)]).sum(0)
    both = torch.stack([weights[:, i, None, None, None] * down[..., i : i + width] for i in range(5)]).sum(0)
    return both.unflatten(1, (2, 3))


def _record(dice: Dice, pairs: Tensor) -> Tensor:
    """Sensor noise and JPEG, each picture its own."""
    level = 0.06 * dice.uniform(0, 1, (1, 1, 1, 1)) ** 3
    pairs = (pairs + level * dice.normal(pairs.shape[1:])).clamp(0, 1)
    some, quality = dice.some(COMPRESSED), dice.uniform(35, 95).floor()
    severity = (QUALITIES[0] - quality) / (QUALITIES[0] - QUALITIES[1])  # of the first step of severities
    compressed = jpeg(pairs[some].flatten(0, 1), severity[some].repeat_interleave(2))
    return pairs.index_copy(0, some, compressed.unflatten(0, (-1, 2)))
