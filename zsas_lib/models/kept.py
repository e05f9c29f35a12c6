"""What a model makes of weights and keeps, such as embeddings of sentences."""

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

import torch
from torch import Tensor

from ..backbones.backbone import Backbone
from ..base.versions import version_of

Made = TypeVar("Made")


class Kept(Generic[Made]):
    """What was made of a backbone's weights and of others, by name, for as long as all of these stay as they are."""

    def __init__(self):
        self._version: object = None
        self._made: dict[Hashable, Made] = {}

    def of(self, key: Hashable, make: Callable[[], Made], backbone: Backbone, learned: Iterable[Tensor] = ()) -> Made:
        """What is kept by this name, or is made now, without gradients."""
        version = backbone.version, version_of(learned)
        if version != self._version:
            self._version, self._made = version, {}
        if key not in self._made:
            with torch.inference_mode(False), torch.no_grad():
                self._made[key] = make()
        return self._made[key]
