"""Training under perturbations: copies of pictures at random amounts, and of several the one whose map is worst.

Paper S finds the worst turn and colour of every picture and leaves it there; training against it is what it proposes
next. The worst case that a training meets is that of a few random points, judged on the patches' own grid by the loss
that paper S's search climbs: by a cheap look (`training.glanced`) where a model has one, else by kept copies.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from ..base.errors import OptionError, UnknownNameError
from ..base.options import whole_number
from ..models.learned import Features, LearnedModel
from ..perturbations import PERTURBATIONS, perturb

COPIES = 8
"""Copies of each picture where what the towers say of them is kept, the picture as it is among them; drawn anew in
every step, as large a share of them is as it is."""


def require_perturbed(perturbed: Sequence[str], looks: object) -> None:
    """Raises UnknownNameError for what is no perturbation, OptionError for one named twice and for a number of looks
    that cannot be."""
    for name in perturbed:
        if name not in PERTURBATIONS:
            raise UnknownNameError("perturbation", name, PERTURBATIONS)
    if len({*perturbed}) < len(perturbed):
        raise OptionError(f"fit got perturbed={list(perturbed)}; expected each perturbation once.")
    whole_number("fit", "looks", looks, 1, COPIES)
    if looks != 1 and not perturbed:
        raise OptionError(f"fit got looks={looks} and nothing to look at; name what pictures are perturbed by.")


def drawn_amounts(
    perturbed: Sequence[str], count: int, kept: float = 0.0, generator: torch.Generator | None = None
) -> Float[Tensor, "count over"]:
    """Amounts of ``count`` copies, uniform over each perturbation's range, or with the probability ``kept`` those that
    change nothing; from the generator, or torch's global random numbers."""
    low, high, neutral = (
        torch.tensor([float(getattr(PERTURBATIONS[name], end)) for name in perturbed])
        for end in ("low", "high", "neutral")
    )
    amounts = low + (high - low) * torch.rand(count, len(perturbed), generator=generator)
    return torch.where(torch.rand(count, 1, generator=generator) < kept, neutral, amounts)


def changed(
    images: Float[Tensor, "batch 3 side side"],
    masks: Bool[Tensor, "batch side side"],
    perturbed: Sequence[str],
    amounts: Float[Tensor, "batch over"],
) -> tuple[Float[Tensor, "batch 3 side side"], Bool[Tensor, "batch side side"]]:
    """Pictures under amounts, in the order of ``perturbed``, and their masks moved along."""
    known = [PERTURBATIONS[name] for name in perturbed]
    given = dict(zip([own.column for own in known], amounts.unbind(1)))
    for own in known:
        if own.motion is not None:
            masks = own.motion.masks_along(masks, given[own.column])
    return perturb(images, **given), masks


def looked_at(
    model: LearnedModel, features: Features, masks: Bool[Tensor, "batch height width"]
) -> Float[Tensor, " batch"]:
    """How badly the model as it is now segments pictures: `separation` of its map on the patches' grid."""
    training = model.training
    model.eval()
    with torch.no_grad():
        maps = model.maps(features, model.backbone.patches).flatten(1)
    model.train(training)
    damaged = F.adaptive_avg_pool2d(model.covered(masks).float()[:, None], model.backbone.patches).flatten(1)
    return separation(maps, damaged)


def separation(
    maps: Float[Tensor, "batch patch"],
    damaged: Float[Tensor, "batch patch"],
    normal: Float[Tensor, "batch patch"] | None = None,
) -> Float[Tensor, " batch"]:
    """The mean of a map where patches are normal minus that where they are damaged (S eq. (4)), a patch counting by
    how much of it is ``damaged`` and how much ``normal``, without a value the rest; of a normal picture the mean of its
    map."""
    normal = 1 - damaged if normal is None else normal
    usual, found = ((maps * share).sum(1) / share.sum(1).clamp_min(1e-8) for share in (normal, damaged))
    return usual - found
