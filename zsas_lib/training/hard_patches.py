"""Hard patches: places of pictures that are to be called normal with more weight, because a model has called them
damaged before. Which they are is for others to say (`robustness.hard_negatives`)."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..base.errors import OptionError
from ..base.options import number, whole_number
from ..models.learned import Features, LearnedModel

HARD = "hard patches"
"""Among the features of a batch, beside what the towers say: which patches are hard, (batch, patch)."""


HARD_WEIGHT = 1.0
"""Without another one."""


def require_hard(
    hard: Sequence[Sequence[int]] | None, weight: object, pictures: int, patches: int, *, moved: bool
) -> None:
    """Raises OptionError for hard patches that are not numbers of the backbone's ``patches``, for each picture its own,
    for a weight that is none, and where pictures are ``moved`` in the training, so that no patch stays where it is."""
    number("fit", "hard_weight", weight, 0, expected="a weight")
    if hard is None:
        if weight != HARD_WEIGHT:
            raise OptionError(f"fit got hard_weight={weight!r} and nothing hard; expected `hard` with it.")
        return
    if len(hard) != pictures:
        raise OptionError(f"fit got hard patches of {len(hard)} pictures; expected those of {pictures} to train on.")
    for place, own in enumerate(hard):
        for patch in own:
            whole_number("fit", f"hard[{place}]", patch, 0, patches - 1, expected="numbers of patches")
    if moved:
        raise OptionError(
            "fit got hard patches of pictures that are augmented, zoomed or perturbed, in which no patch stays where "
            "it is; expected augment=False, zoom=0 and nothing perturbed."
        )


def as_planes(hard: Sequence[Sequence[int]], patches: int) -> Bool[Tensor, "picture patch"]:
    """Which patches of each picture are hard."""
    planes = torch.zeros(len(hard), patches, dtype=torch.bool)
    for place, own in enumerate(hard):
        planes[place, list(own)] = True
    return planes


def without_hard(features: Features) -> tuple[Features, Bool[Tensor, "batch patch"] | None]:
    """What the towers say of a batch, and which of its patches are hard, None where nothing is."""
    return {name: values for name, values in features.items() if name != HARD}, features.get(HARD)


def hard_loss(model: LearnedModel, features: Features, hard: Bool[Tensor, "batch patch"]) -> Float[Tensor, ""]:
    """The mean over all patches of a batch of the map where they are hard and 0 elsewhere, on the patches' grid: as if
    such a patch weighed so much more than another."""
    rows = hard.any(1)
    if not rows.any():
        return torch.zeros((), device=hard.device)
    own = {name: values[rows] for name, values in features.items()}
    return model.maps(own, model.backbone.patches).flatten(1)[hard[rows]].sum() / hard.numel()
