"""Parameters and floating point operations of any model on its backbone.

Weights are not needed: see `shapes_only`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ..backbones.families.sizes import Size, pair
from ..backbones.registry import shapes_only as shapes_only
from ..models.learned import LearnedModel
from ..models.prediction import AnomalyModel


@dataclass(frozen=True)
class ParameterCounts:
    """Numbers of parameters: the frozen backbone's, and those that training changes."""

    backbone: int
    learned: int

    @property
    def total(self) -> int:
        """Backbone and learned."""
        return self.backbone + self.learned


def parameter_counts(model: AnomalyModel) -> ParameterCounts:
    """How many parameters a model has on its backbone; one that learns nothing has its backbone's alone, and a map
    without a backbone none."""
    backbone = sum(value.numel() for value in model.backbone.clip.parameters()) if model.backbone else 0
    return ParameterCounts(backbone, sum(value.numel() for value in model.learnable().values()))


def operations(
    model: AnomalyModel, class_name: str = "object", image_size: Size | None = None, rough: bool = False
) -> int:
    """Floating point operations of a prediction for one picture, as torch counts them; its side is ``image_size``, or
    the backbone's. Those of a cheap look (`AnomalyModel.rough_map`) where ``rough``.

    Matrix products, convolutions and attention count, a multiplication and an addition each as one; norms, activations,
    softmax and enlarging do not. Sentences that do not depend on the picture are encoded once per class, and are left
    out. A model that has learned nothing yet is counted as it begins; of shapes without numbers, AdaCLIP's clusters
    and AnoVL's adaptation, which depend on the picture, are left out. Raises ValueError for a map without a backbone
    where no ``image_size`` is given.
    """
    size = image_size or (model.backbone and model.backbone.size)
    if not size:
        raise ValueError(f"{model.name} has no backbone, so no image size of its own; give one, image_size=144.")
    image = torch.zeros(1, 3, *pair(size), device=model.device)
    undamaged = torch.zeros(1, *pair(size), dtype=torch.bool, device=model.device)

    def predict():
        return model.rough_map(image, class_name, undamaged) if rough else model(image, class_name)

    with as_it_begins(model):
        return counted(predict)


def counted(run: Callable[[], object]) -> int:
    """Floating point operations of a call, of the kinds that `operations` counts, the second time that it is made."""
    with _written_out(), torch.no_grad():
        run()
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            run()
    return counter.get_total_flops()


@contextmanager
def as_it_begins(model: AnomalyModel) -> Iterator[None]:
    """Until the block ends, a model that learns predicts before it has learned: what a prediction costs is the same."""
    trained = getattr(model, "trained", None)
    if isinstance(model, LearnedModel) and trained is None:
        model.trained = {"settings": "as it begins, for its cost only"}
    try:
        yield
    finally:
        if isinstance(model, LearnedModel):
            model.trained = trained


@contextmanager
def _written_out() -> Iterator[None]:
    """Attention is written out, which the counter needs."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
