"""The losses that learned models are trained with. They take probabilities, not logits."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .base.booleans import require_bool

FOCUS = 2
"""The exponent gamma of the focal loss."""
LABEL_SMOOTHING = 1e-5
DICE_SMOOTHING = 1


def focal_loss(abnormal: Float[Tensor, "*shape"], masks: Bool[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """Mean over all pixels of -(1 - p)^2 ln p, p being the probability of the pixel's true class.

    ``abnormal`` is the probability of the class "abnormal", that of "normal" is one minus it. As in AnomalyCLIP,
    VCP-CLIP and APRIL-GAN the classes weigh the same and labels are smoothed: p = (1 - s) p_true + s p_other + s with
    s = 1e-5. At least 0 up to rounding; 0.25 ln 2 where every probability is a half. Raises TypeError for masks that
    are not bool.

    >>> from zsas_lib.losses import focal_loss
    >>> masks = torch.zeros(1, 4, 4, dtype=torch.bool)
    >>> round(focal_loss(torch.full((1, 4, 4), 0.5), masks).item(), 4)
    0.1733
    """
    require_bool(masks)
    true = torch.where(masks, abnormal, 1 - abnormal)
    true = (1 - LABEL_SMOOTHING) * true + LABEL_SMOOTHING * (1 - true) + LABEL_SMOOTHING
    return (-((1 - true) ** FOCUS) * true.log()).mean()


def dice_loss(
    probability: Float[Tensor, "batch height width"], masks: Bool[Tensor, "batch height width"]
) -> Float[Tensor, ""]:
    """Mean over images of 1 - (2 sum(p y) + 1) / (sum(p) + sum(y) + 1), in [0, 1).

    For an image with an empty mask it is near 1 unless the probabilities sum to a few pixels, so that a data set with
    many normal pictures has a floor. Raises TypeError for masks that are not bool.

    >>> from zsas_lib.losses import dice_loss
    >>> mask = torch.ones(1, 4, 4, dtype=torch.bool)
    >>> dice_loss(mask.float(), mask).item()
    0.0
    """
    require_bool(masks)
    masks = masks.to(probability.dtype)
    shared = (probability * masks).sum((1, 2))
    total = probability.sum((1, 2)) + masks.sum((1, 2))
    return (1 - (2 * shared + DICE_SMOOTHING) / (total + DICE_SMOOTHING)).mean()
