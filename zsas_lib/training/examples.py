"""The pictures that a training reads, with what the frozen towers say of them where that stays the same.

What the towers say is read in one fixed order, so that it is the same in every training, resumed or not, and is kept
for the next training on the same pictures: variants of one model differ in what is learned, not in what is read.
"""

import json
import math
from collections.abc import Iterator, Sequence
from typing import cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from ..base.devices import to_device
from ..data.dataset import AnomalyDataset, Sample, stacked
from ..models.learned import LearnedModel
from .augmentation import augmented, zoomed
from .glanced import READ_TOGETHER, Batch, KeptPoints, Pictures, worst_of
from .hard_patches import HARD, as_planes
from .perturbed import COPIES, changed, drawn_amounts, looked_at
from .shared_batches import batch_once

CACHED_BYTES = 4 * 2**30
"""Features of all pictures are kept up to this size; larger ones are computed anew in every epoch."""

_kept: WeakKeyDictionary[torch.nn.Module, tuple[str, Batch]] = WeakKeyDictionary()
_points: WeakKeyDictionary[torch.nn.Module, tuple[str, KeptPoints]] = WeakKeyDictionary()


class Examples:
    """The pictures to train ``model`` on, in batches of what it reads: features, masks and which are anomalous; with
    ``augment`` changed at random each time, with ``zoom`` cut to a part of themselves with that probability.

    With ``perturbed`` a picture is one of its copies under these (`training.perturbed`); of ``looks`` of them the
    worst, by a cheap look where the model has one (`training.glanced`).
    With ``weights``, one for each picture, it is met that often in proportion, in as many steps. Which of their patches
    are ``hard``, by number, is told among the features (`training.hard_patches`).
    """

    def __init__(
        self,
        model: LearnedModel,
        dataset: AnomalyDataset,
        augment: bool,
        zoom: float = 0.0,
        perturbed: Sequence[str] = (),
        looks: int = 1,
        weights: Sequence[float] | None = None,
        hard: Sequence[Sequence[int]] | None = None,
    ):
        self.model, self.dataset, self.augment, self.zoom = model, dataset, augment, zoom
        self.perturbed, self.looks = tuple(perturbed), looks
        self.weights = None if weights is None else torch.tensor(weights, dtype=torch.float64)
        self.hard = None if hard is None else as_planes(hard, math.prod(model.backbone.patches))
        self.samples: dict[int, Sample] = {}
        self.room = CACHED_BYTES
        self.key = self._key()
        self.glances = looks > 1 and model.glances
        self.points = self._read_points() if self.glances and not (augment or zoom) else None
        self.whole = None if augment or zoom or self.glances else self._read()

    def shuffled(self, training_batch_size: int) -> Iterator[Batch]:
        """One epoch, in an order drawn from torch's global random numbers, on the backbone's device.

        What is drawn between batches moves neither the order nor the changes of pictures, so that models that draw
        differently, for dropout, say, meet the same ones.
        """
        batches = self._shuffled(training_batch_size)
        own = torch.Generator().manual_seed(int(torch.randint(2**62, ()))).get_state()
        while True:
            others = torch.get_rng_state()
            torch.set_rng_state(own)
            batch = next(batches, None)
            own = torch.get_rng_state()
            torch.set_rng_state(others)
            if batch is None:
                return
            yield batch

    def _shuffled(self, training_batch_size: int) -> Iterator[Batch]:
        for indices in self._order().split(training_batch_size):
            if not self.perturbed:
                features, masks, is_anomalous = self._picked(indices) if self.whole else self._batch(indices.tolist())
                if self.hard is not None:
                    features = {**features, HARD: to_device(self.hard[indices], masks.device)}
                yield features, masks, is_anomalous
                continue
            if self.glances:
                yield self._worst(indices)
                continue
            features, masks, is_anomalous = self._copies(indices)
            if self.looks > 1:
                found = looked_at(self.model, features, masks).view(self.looks, len(indices)).argmax(0)
                rows = found * len(indices) + torch.arange(len(indices), device=found.device)
                features = {name: values[rows] for name, values in features.items()}
                masks, is_anomalous = masks[rows], is_anomalous[rows]
            yield features, masks, is_anomalous

    def _order(self) -> Tensor:
        """Which pictures an epoch meets: each once; with weights the whole numbers next to what these ask for."""
        count = len(self.dataset)
        if self.weights is None:
            return torch.randperm(count)
        ends = self.weights.cumsum(0) / self.weights.sum() * count
        drawn = torch.searchsorted(ends, torch.arange(count) + torch.rand(()).double(), right=True)
        return drawn.clamp(max=count - 1)[torch.randperm(count)]

    def _copies(self, indices: Tensor) -> Batch:
        """Copies of these pictures, as many of each as it is looked at, all first copies first."""
        if not self.whole:
            amounts = drawn_amounts(self.perturbed, len(indices) * self.looks, kept=1 / COPIES)
            return self._batch(indices.tolist() * self.looks, amounts)
        copies = torch.rand(len(indices), COPIES).argsort(1)[:, : self.looks]
        return self._picked((copies * len(self.dataset) + indices[:, None]).T.flatten())

    def _worst(self, indices: Tensor) -> Batch:
        """These pictures, each at the point that looks worst."""
        if self.points:
            return self.points.worst(self.model, self._pictures, indices, self.looks)
        amounts = drawn_amounts(self.perturbed, len(indices) * self.looks, kept=1 / COPIES)
        return worst_of(self.model, self._pictures(indices.tolist() * self.looks, amounts), self.looks)

    def _read_points(self) -> KeptPoints | None:
        """What a cheap look has of all points, or None where that is too large to keep."""
        backbone, key = self.model.backbone, self.key
        if backbone not in _points or _points[backbone][0] != key:
            _points[backbone] = (
                key,
                KeptPoints(self.model, len(self.dataset), self.perturbed, self._pictures, CACHED_BYTES),
            )
        points = _points[backbone][1]
        return points if points.fits else None

    def _picked(self, indices: Tensor) -> Batch:
        """These pictures of the whole, which there must be."""
        features, masks, is_anomalous = cast(Batch, self.whole)
        indices = to_device(indices, masks.device)
        return {name: values[indices] for name, values in features.items()}, masks[indices], is_anomalous[indices]

    def _key(self) -> str:
        """What decides what the towers say."""
        what = [
            self.model.reads,
            self.model.read_options(),
            self.dataset.digest,
            self.dataset.image_size,
            str(self.model.backbone.device),
            *self.perturbed,
        ]
        return json.dumps(what)

    def _read(self) -> Batch | None:
        """All pictures as one batch, or None where that is too large to keep."""
        backbone, key = self.model.backbone, self.key
        if backbone in _kept and _kept[backbone][0] == key:
            return _kept[backbone][1]
        parts: list[Batch] = []
        count = len(self.dataset)
        for copy in range(COPIES if self.perturbed else 1):
            drawn = torch.Generator().manual_seed(copy)
            amounts = drawn_amounts(self.perturbed, count, generator=drawn) if copy else None
            for start in range(0, count, READ_TOGETHER):
                indices = list(range(start, min(start + READ_TOGETHER, count)))
                parts.append(self._batch(indices, None if amounts is None else amounts[indices]))
                if len(parts) == 1 and _bytes(parts[0]) / len(indices) * self._rows > CACHED_BYTES:
                    return None
        rows, masks, is_anomalous = zip(*parts)
        whole = (
            {name: torch.cat([row[name] for row in rows]) for name in rows[0]},
            torch.cat(masks),
            torch.cat(is_anomalous),
        )
        _kept[backbone] = key, whole
        return whole

    @property
    def _rows(self) -> int:
        """How many pictures or copies of pictures there are to keep."""
        return len(self.dataset) * (COPIES if self.perturbed else 1)

    def _batch(self, indices: list[int], amounts: Tensor | None = None) -> Batch:
        if not (self.augment or self.zoom) or amounts is not None:
            return self._read_batch(indices, amounts)
        what = json.dumps([self.key, self.augment, self.zoom, indices])
        return batch_once(self.model.backbone, what, lambda: self._read_batch(indices))

    def _read_batch(self, indices: list[int], amounts: Tensor | None = None) -> Batch:
        images, masks, names, is_anomalous = self._pictures(indices, amounts)
        with torch.no_grad():
            return self.model.features(images, names), masks, is_anomalous

    def _pictures(self, indices: list[int], amounts: Tensor | None = None) -> Pictures:
        device = self.model.backbone.device
        batch = stacked([self._sample(index) for index in indices])
        images, masks = batch.images, batch.masks
        if self.zoom:
            images, masks = zoomed(images, masks, self.zoom)
        if self.augment:
            images, masks = augmented(images, masks)
        if amounts is not None:
            images, masks = changed(images, masks, self.perturbed, amounts)
        images, masks, is_anomalous = (to_device(own, device) for own in (images, masks, batch.is_anomalous))
        return images, masks, list(batch.categories), is_anomalous

    def _sample(self, index: int) -> Sample:
        """A picture, kept where it is read again and there is room."""
        if index in self.samples:
            return self.samples[index]
        sample = self.dataset[index]
        size = sample.image.numel() * sample.image.element_size()
        if (self.augment or self.zoom or self.perturbed) and size <= self.room:
            self.room -= size
            self.samples[index] = sample
        return sample


def _bytes(batch: Batch) -> int:
    features, *others = batch
    return sum(values.numel() * values.element_size() for values in [*features.values(), *others])
