"""Maps without a model: what can be drawn without a backbone, without training and without words.

They are what every other map is to be measured against: a number that one of these reaches says nothing about a model.
They are called like any model, take images of any size on any device, and cost milliseconds. The image score is the
map's highest value.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..base.devices import to_device
from ..base.errors import UnknownNameError
from ..data.dataset import AnomalyDataset
from ..data.mean_masks import mean_mask
from .prediction import AnomalyModel, Prediction, names_of_images

COLOURS = ("colour", "brightness")
LEAST_VARIANCE = 1e-8  # of brightness; below it a deviation counts as 1e-4, without a gradient
GRID = 64  # sides in which masks are averaged


class TrivialMap(AnomalyModel):
    """What the trivial maps share: a subclass says in `maps` what it draws on images of these classes."""

    def __init__(self, options: Mapping[str, Any]):
        super().__init__(None, options)
        self.register_buffer("_place", torch.empty(0), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where it was moved to; images may lie elsewhere, as maps are drawn where they are."""
        return self.get_buffer("_place").device

    def maps(
        self, images: Float[Tensor, "batch 3 height width"], names: list[str]
    ) -> Float[Tensor, "batch height width"]:
        """The maps of images whose classes are called so."""
        raise NotImplementedError

    def forward(self, images: Float[Tensor, "batch 3 height width"], class_names: str | Sequence[str]) -> Prediction:
        """Maps at the images' size, where the images are, and their highest values.

        Raises ValueError if the number of names is not that of the images.
        """
        maps = self.maps(images, names_of_images(class_names, len(images)))
        return Prediction(maps, maps.amax((1, 2)))


class CentreDistance(TrivialMap):
    """Damage is where the picture's centre is: 1 in the centre, falling evenly to 0 in the corners.

    Height and width count alike, whatever the picture's shape. The map does not look at the picture, so its gradient is
    0 and every picture of a size has the same image score.
    """

    name = "centre-distance"

    def __init__(self):
        super().__init__({})

    def maps(
        self, images: Float[Tensor, "batch 3 height width"], names: list[str]
    ) -> Float[Tensor, "batch height width"]:
        height, width = images.shape[-2:]
        down, across = (_middles(side, images).square() for side in (height, width))
        return _on(images, 1 - ((down[:, None] + across) / 2).sqrt())


class LocalContrast(TrivialMap):
    """Damage is where brightness varies: its standard deviation over a square window around each pixel, in [1e-4, 0.5].

    Brightness is the mean of the channels; edges are mirrored. Option:
        reach: how far the window goes from its pixel in each direction, in parts of the picture's shorter side.
    """

    name = "local-contrast"

    def __init__(self, *, reach: float = 0.08):
        if not 0 < reach <= 0.5:
            raise ValueError(f"LocalContrast got reach={reach}; expected a part of the shorter side in (0, 0.5].")
        super().__init__({"reach": reach})

    def maps(
        self, images: Float[Tensor, "batch 3 height width"], names: list[str]
    ) -> Float[Tensor, "batch height width"]:
        brightness = images.mean(1)
        brightness = brightness - brightness.mean((1, 2), keepdim=True)  # so that squares lose no digits
        reach = max(1, round(self.options["reach"] * min(images.shape[-2:])))
        variance = _box_mean(brightness.square(), reach) - _box_mean(brightness, reach).square()
        return variance.clamp_min(LEAST_VARIANCE).sqrt()


class MedianColour(TrivialMap):
    """Damage is what has another colour than most of the picture: ``|x - median|``, the channels' mean, in [0, 1].

    The median is taken over the picture's own pixels, channel by channel; of an even number it is the lower of the two
    in the middle. Option:
        of: "colour", or "brightness", the mean of the channels, as a grey picture has it.
    """

    name = "median-colour"

    def __init__(self, *, of: str = "colour"):
        if of not in COLOURS:
            raise UnknownNameError("value of the option of", of, COLOURS)
        super().__init__({"of": of})

    def maps(
        self, images: Float[Tensor, "batch 3 height width"], names: list[str]
    ) -> Float[Tensor, "batch height width"]:
        seen = images.mean(1, keepdim=True) if self.options["of"] == "brightness" else images
        median = seen.flatten(2).median(-1).values[..., None, None]
        return (seen - median).abs().mean(1)


class MeanGroundTruth(TrivialMap):
    """Damage is where it is in other categories: the mean of their masks, in [0, 1].

    `remember_masks` is told them. An image's own category takes no part; the others count alike, however many pictures
    they have. Masks are averaged on a grid of 64 x 64 and enlarged bilinearly to the image. The map does not look at
    the picture, so its gradient is 0 and all pictures of a category and size have the same image score.
    """

    name = "mean-ground-truth"

    def __init__(self):
        super().__init__({})
        self._masks: dict[str, AnomalyDataset] = {}
        self._means: dict[str, Float[Tensor, "64 64"]] = {}

    def remember_masks(self, dataset: AnomalyDataset) -> None:
        """Take the masks of all damaged pictures of ``dataset``, in the place of earlier ones. They are read when they
        are first needed.

        Raises ValueError for fewer than two categories with masks.
        """
        damaged = [record for record in dataset.records if record.is_anomalous and record.mask_path is not None]
        if len(found := dict.fromkeys(record.category for record in damaged)) < 2:
            raise ValueError(
                f"Expected masks of at least two categories, so that each has others, got those of "
                f"{', '.join(found) or 'none'} in data set {dataset.name!r}; load more of its categories."
            )
        whole = AnomalyDataset(dataset.name, dataset.root, damaged, mask_rule=dataset.mask_rule)
        self._masks = {name: whole.select([name]) for name in found}
        self._means = {}

    def identity(self, class_names: Sequence[str]) -> Mapping[str, object]:
        """For each class, what masks of other categories it is given."""
        return {
            name: {other: self._masks[other].masks_digest for other in self._others(name)} for name in {*class_names}
        }

    def maps(
        self, images: Float[Tensor, "batch 3 height width"], names: list[str]
    ) -> Float[Tensor, "batch height width"]:
        rows = torch.stack([torch.stack([self._mean(other) for other in self._others(name)]).mean(0) for name in names])
        size = tuple(images.shape[-2:])
        rows = to_device(rows[:, None].to(images.dtype), images.device)
        return _on(images, F.interpolate(rows, size, mode="bilinear", align_corners=False)[:, 0])

    def _others(self, name: str) -> list[str]:
        """The categories beside this one, which may be written with spaces. Raises ValueError where none is known."""
        if not self._masks:
            raise ValueError(
                f"{self.name} remembers no masks; expected model.remember_masks(dataset), with all categories of the "
                "data set, before the first prediction."
            )
        return [other for other in sorted(self._masks) if _plain(other) != _plain(name)]

    def _mean(self, category: str) -> Float[Tensor, "64 64"]:
        if category not in self._means:
            self._means[category] = mean_mask(self._masks[category], GRID)
        return self._means[category]


def _plain(name: str) -> str:
    return name.replace("_", " ").strip().lower()


def _middles(side: int, like: Tensor) -> Float[Tensor, " {side}"]:
    """Where the pixels of a side have their middles, from -1 to 1."""
    return (torch.arange(side, dtype=like.dtype, device=like.device) + 0.5) * (2 / side) - 1


def _on(images: Tensor, maps: Tensor) -> Float[Tensor, "batch height width"]:
    """Maps that do not look at the images, one for each, with a gradient of 0; nan where these are not finite."""
    return maps + 0 * images.mean(1)


def _box_mean(planes: Float[Tensor, "plane height width"], reach: int) -> Float[Tensor, "plane height width"]:
    """The mean over windows of 2 ``reach`` + 1 pixels a side; edges are mirrored, the edge pixel repeated."""
    for dim in (1, 2):
        size = planes.shape[dim]
        places = torch.arange(-reach, size + reach, device=planes.device) % (2 * size)
        wide = planes.index_select(dim, torch.minimum(places, 2 * size - 1 - places)).cumsum(dim)
        ends = wide.narrow(dim, 2 * reach, size)
        starts = F.pad(wide, (1, 0) if dim == 2 else (0, 0, 1, 0)).narrow(dim, 0, size)
        planes = (ends - starts) / (2 * reach + 1)
    return planes
