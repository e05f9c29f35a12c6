"""The pictures that a training reads, with what the frozen towers say of them where that stays the same.

What the towers say is read in one fixed order, so that it is the same in every training, resumed or not, and is kept
for the next training on the same pictures: variants of one model differ in what is learned, not in what is read.
"""

import json
from collections.abc import Iterator
from typing import cast
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Bool
from torch import Tensor

from ..base.devices import to_device
from ..data.dataset import AnomalyDataset, Sample, stacked
from ..models.learned import Features, LearnedModel
from .augmentation import augmented, zoomed

CACHED_BYTES = 4 * 2**30
"""Features of all pictures are kept up to this size; larger ones are computed anew in every epoch."""
READ_TOGETHER = 16

Batch = tuple[Features, Bool[Tensor, "batch side side"], Bool[Tensor, " batch"]]
_kept: WeakKeyDictionary[torch.nn.Module, tuple[str, Batch]] = WeakKeyDictionary()


class Examples:
    """The pictures to train ``model`` on, in batches of what it reads: features, masks and which are anomalous; with
    ``augment`` changed at random each time, with ``zoom`` cut to a part of themselves with that probability."""

    def __init__(self, model: LearnedModel, dataset: AnomalyDataset, augment: bool, zoom: float = 0.0):
        self.model, self.dataset, self.augment, self.zoom = model, dataset, augment, zoom
        self.samples: dict[int, Sample] = {}
        self.room = CACHED_BYTES
        self.whole = None if augment or zoom else self._read()

    def shuffled(self, training_batch_size: int) -> Iterator[Batch]:
        """One epoch, in an order drawn from torch's global random numbers, on the backbone's device."""
        for indices in torch.randperm(len(self.dataset)).split(training_batch_size):
            yield self._picked(indices) if self.whole else self._batch(indices.tolist())

    def _picked(self, indices: Tensor) -> Batch:
        """These pictures of the whole, which there must be."""
        features, masks, is_anomalous = cast(Batch, self.whole)
        indices = to_device(indices, masks.device)
        return {name: values[indices] for name, values in features.items()}, masks[indices], is_anomalous[indices]

    def _read(self) -> Batch | None:
        """All pictures as one batch, or None where that is too large to keep."""
        backbone = self.model.backbone
        what = [
            self.model.reads,
            self.model.read_options(),
            self.dataset.digest,
            self.dataset.image_size,
            str(backbone.device),
        ]
        key = json.dumps(what)
        if backbone in _kept and _kept[backbone][0] == key:
            return _kept[backbone][1]
        parts: list[Batch] = []
        for start in range(0, len(self.dataset), READ_TOGETHER):
            parts.append(self._batch(list(range(start, min(start + READ_TOGETHER, len(self.dataset))))))
            if not start and _bytes(parts[0]) * len(self.dataset) / len(parts[0][1]) > CACHED_BYTES:
                return None
        rows, masks, is_anomalous = zip(*parts)
        whole = (
            {name: torch.cat([row[name] for row in rows]) for name in rows[0]},
            torch.cat(masks),
            torch.cat(is_anomalous),
        )
        _kept[backbone] = key, whole
        return whole

    def _batch(self, indices: list[int]) -> Batch:
        device = self.model.backbone.device
        batch = stacked([self._sample(index) for index in indices])
        images, masks = batch.images, batch.masks
        if self.zoom:
            images, masks = zoomed(images, masks, self.zoom)
        if self.augment:
            images, masks = augmented(images, masks)
        with torch.no_grad():
            features = self.model.features(to_device(images, device), batch.categories)
        return features, to_device(masks, device), to_device(batch.is_anomalous, device)

    def _sample(self, index: int) -> Sample:
        """A picture, kept where it is read again and there is room."""
        if index in self.samples:
            return self.samples[index]
        sample = self.dataset[index]
        size = sample.image.numel() * sample.image.element_size()
        if (self.augment or self.zoom) and size <= self.room:
            self.room -= size
            self.samples[index] = sample
        return sample


def _bytes(batch: Batch) -> int:
    features, *others = batch
    return sum(values.numel() * values.element_size() for values in [*features.values(), *others])
