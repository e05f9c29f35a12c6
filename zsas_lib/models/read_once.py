"""What frozen towers say of pictures, kept for the next model that would ask the same.

Trainings and variants of a model differ in what is learned, not in what is read.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor

from ..backbones.backbone import Backbone
from ..data.dataset import read_once
from .references import image_digest

KEPT_BYTES = 2**30
Said = Mapping[str, Tensor]


class _Kept:
    """By backbone and what is read of it, and by pictures and their names."""

    def __init__(self):
        self.parts: dict[tuple[Backbone, str], dict[tuple[str, ...], Said]] = {}
        self.bytes = 0

    def add(self, kind: tuple[Backbone, str], pictures: tuple[str, ...], said: Said) -> None:
        """Keep it if there is room, which what other kinds of model have read, the oldest first, makes for it."""
        size = sum(part.nbytes for part in said.values())
        if size > KEPT_BYTES:
            return
        while self.bytes + size > KEPT_BYTES and (other := next((own for own in self.parts if own != kind), None)):
            self.bytes -= sum(part.nbytes for old in self.parts.pop(other).values() for part in old.values())
        if self.bytes + size <= KEPT_BYTES:
            self.parts.setdefault(kind, {})[pictures] = said
            self.bytes += size


_kept: _Kept | None = None


@contextmanager
def towers_read_once() -> Iterator[None]:
    """What models that learn read of the frozen towers inside is kept for whoever reads the same next, up to
    `KEPT_BYTES`, and let go at the end; so are pictures, by `data.dataset.read_once`. For several trainings or variants
    that are asked about the same pictures in the same batches. Where a gradient is wanted, nothing is kept or taken."""
    global _kept
    outer, _kept = _kept, _kept or _Kept()
    try:
        with read_once():
            yield
    finally:
        _kept = outer


def said_once(
    backbone: Backbone,
    what: Sequence[object],
    images: Float[Tensor, "batch 3 height width"],
    class_names: Sequence[str],
    read: Callable[[], Said],
) -> Said:
    """What ``read`` gives, from what is kept where this was read of these images with these names before, on the device
    where the backbone is; ``what`` tells it from other things that can be read of the backbone, as JSON can hold it."""
    if _kept is None or torch.is_grad_enabled():
        return read()
    kind = backbone, json.dumps([*what, str(images.dtype), str(backbone.device)])
    pictures = image_digest(images), *class_names
    if pictures not in _kept.parts.get(kind, {}):
        said = read()
        _kept.add(kind, pictures, said)
        return said
    return _kept.parts[kind][pictures]
