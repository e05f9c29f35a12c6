"""A model that asks another one in its own way: about copies of a picture, its parts, or by other names."""

from collections.abc import Mapping
from typing import Any

import torch

from .prediction import AnomalyModel


class AroundModel(AnomalyModel):
    """Has the other model's backbone, name and device; a subclass says in `forward` how it asks, and in `identity` what
    that makes of the other."""

    model: AnomalyModel

    def __init__(self, model: AnomalyModel, options: Mapping[str, Any]):
        super().__init__(model.backbone, dict(options))
        self.__dict__["model"] = model  # no submodule: its backbone would be one twice
        self.name = model.name

    @property
    def device(self) -> torch.device:
        """That of the model."""
        return self.model.device

    @property
    def classes(self) -> list[type]:
        return [type(self), *self.model.classes]
