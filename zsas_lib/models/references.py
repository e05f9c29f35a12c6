"""What few-shot WinCLIP remembers of normal pictures, and how far something lies from it."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from zlib import crc32

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..data.dataset import AnomalyDataset, stacked
from .kinds import require_kinds
from .prediction import AnomalyModel

Memory = Mapping[int | str, Float[Tensor, "reference channel"]]
"""Unit vectors of the normal images of one class, by the side of the windows or the name of another part."""


class References(nn.Module):
    """Memories by class name. They move with the model that holds them, and are no part of its ``state_dict``: they
    are embeddings, which the backbone makes again from the same images.
    """

    def __init__(self):
        super().__init__()
        self._memories: dict[str, Memory] = {}
        self._digests: dict[str, str] = {}

    def add(self, class_name: str, memory: Memory, digest: str) -> None:
        """Hold the memory of a class in the place of an earlier one; ``digest`` tells the images it was made of."""
        self._memories[class_name] = memory
        self._digests[class_name] = digest

    def of(self, class_name: str) -> Memory:
        """The memory of a class. Raises ValueError, saying how to give one, where there is none."""
        if class_name not in self._memories:
            raise ValueError(
                f"This few-shot model remembers no normal images of {class_name!r}; expected "
                f"model.remember({class_name!r}, images), or zsas.remember_normal(model, training_pictures) for all "
                f"classes, before the first prediction. Remembered: {', '.join(sorted(self._memories)) or 'none'}."
            )
        return self._memories[class_name]

    def digests(self, class_names: Sequence[str]) -> dict[str, str | None]:
        """What tells the remembered images of these classes from others, for `AnomalyModel.identity`."""
        return {name: self._digests.get(name) for name in sorted(set(class_names))}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "References":
        self._memories = {
            name: {part: fn(rows) for part, rows in memory.items()} for name, memory in self._memories.items()
        }
        return super()._apply(fn, recurse)


def nearest_distance(
    embeddings: Float[Tensor, "batch position channel"], memories: Sequence[Float[Tensor, "_ channel"]]
) -> Float[Tensor, "batch position"]:
    """d(e, R) = min over r in R of (1 - <e, r>) / 2 for unit vectors e, with the memory R of each image: in [0, 1],
    0 for what has been seen before. Rounding below 0 counts as 0, without a gradient."""
    cosines = [(own @ memory.mT).amax(-1) for own, memory in zip(embeddings, memories, strict=True)]
    return ((1 - torch.stack(cosines)) / 2).clamp_min(0)


def image_digest(images: Float[Tensor, "reference 3 height width"]) -> str:
    """SHA-256 of images as numbers, whatever the device they lie on."""
    pixels = images.detach().float().cpu().contiguous().numpy()
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def draw_normal(dataset: AnomalyDataset, category: str, count: int, seed: int = 0) -> AnomalyDataset:
    """``count`` normal pictures of a category, without repetition. The same seed draws the same ones whatever other
    categories there are, and a smaller count draws the first of a larger one.

    Raises UnknownNameError for another category, ValueError for fewer normal pictures than ``count``.
    """
    records = [record for record in dataset.select([category]).records if not record.is_anomalous]
    if len(records) < count:
        raise ValueError(
            f"Expected at least {count} normal pictures of {category!r} in data set {dataset.name!r}, found "
            f"{len(records)}: few-shot with fewer normal images than shots. Lower shots to {len(records)}, or pass the "
            "training split, load_dataset(..., split='train')."
        )
    order = np.random.default_rng([seed, crc32(category.encode())]).permutation(len(records))
    chosen = [records[place] for place in order[:count]]
    return dataset.part(chosen)


def remember_normal(model: AnomalyModel, dataset: AnomalyDataset, seed: int = 0) -> AnomalyDataset:
    """Draw the ``shots`` normal pictures of each category that a few-shot model needs, and have it remember them.

    ``dataset`` is the training split, ``load_dataset(..., split="train")``; of another split only the normal pictures
    are drawn, which then must not be judged. Returns the pictures drawn, see `draw_normal`. Raises TypeError for what
    is no model or no data set; ValueError for a model without the option ``shots`` or with 0 of them, a category with
    fewer normal pictures than that, and pictures of different sizes in one draw.

    >>> backbone = zsas.load_backbone("embedded")
    >>> model = zsas.load_model("winclip", backbone, shots=2)
    >>> pictures = zsas.load_dataset("embedded-b", split="train", image_size=144)
    >>> len(zsas.remember_normal(model, pictures.select(["ceramic_ring"])))
    2
    """
    require_kinds((model, AnomalyModel), (dataset, AnomalyDataset))
    shots = model.options.get("shots", 0)
    if not shots:
        raise ValueError(
            f"Model {model.name!r} with options {model.options} remembers no pictures; load it with shots=1 or more, "
            'such as load_model("winclip", backbone, shots=4).'
        )
    drawn = [draw_normal(dataset, category, shots, seed) for category in dataset.categories]
    for category, part in zip(dataset.categories, drawn):
        samples = [part[place] for place in range(len(part))]
        sizes = sorted({tuple(sample.image.shape[1:]) for sample in samples})
        if len(sizes) > 1:
            raise ValueError(
                f"The reference pictures of {category!r} have {len(sizes)} sizes (height, width), {sizes[0]} and "
                f"{sizes[-1]} among them; expected one. Load the data set with image_size=..."
            )
        model.remember(category, stacked(samples).images)
    records = [record for part in drawn for record in part.records]
    return dataset.part(records)
