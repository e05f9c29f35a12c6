"""The losses that learned models are trained with. They take probabilities, not logits.

A loss over all pixels of several maps is a dozen passes over memory, there and back, and takes longer than the small
networks that it trains. Both losses therefore know their own derivative, and go through pictures a few at a time, which
stay in a processor's cache.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from .base.booleans import require_bool

FOCUS = 2
"""The exponent gamma of the focal loss."""
LABEL_SMOOTHING = 1e-5
DICE_SMOOTHING = 1
PIXELS_AT_ONCE = 2**16
"""On a processor; other devices take all at once."""


def focal_loss(abnormal: Float[Tensor, "*shape"], masks: Bool[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """Mean over all pixels of -(1 - p)^2 ln p, p being the probability of the pixel's true class.

    ``abnormal`` is the probability of the class "abnormal", that of "normal" is one minus it. As in AnomalyCLIP,
    VCP-CLIP and APRIL-GAN the classes weigh the same and labels are smoothed: p = (1 - s) p_true + s p_other + s with
    s = 1e-5. At least 0 up to rounding; 0.25 ln 2 where every probability is a half. Differentiable once. Raises
    TypeError for masks that are not bool.

    >>> from zsas_lib.losses import focal_loss
    >>> masks = torch.zeros(1, 4, 4, dtype=torch.bool)
    >>> round(focal_loss(torch.full((1, 4, 4), 0.5), masks).item(), 4)
    0.1733
    """
    require_bool(masks)
    return _Focal.apply(abnormal, masks)


def dice_loss(
    probability: Float[Tensor, "batch height width"], masks: Bool[Tensor, "batch height width"]
) -> Float[Tensor, ""]:
    """Mean over images of 1 - (2 sum(p y) + 1) / (sum(p) + sum(y) + 1), in [0, 1).

    For an image with an empty mask it is near 1 unless the probabilities sum to a few pixels, so that a data set with
    many normal pictures has a floor. Differentiable once. Raises TypeError for masks that are not bool.

    >>> from zsas_lib.losses import dice_loss
    >>> mask = torch.ones(1, 4, 4, dtype=torch.bool)
    >>> dice_loss(mask.float(), mask).item()
    0.0
    """
    require_bool(masks)
    return _Dice.apply(probability, masks)


class _Focal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, abnormal, masks):
        slope = torch.empty_like(abnormal, memory_format=torch.contiguous_format) if ctx.needs_input_grad[0] else None
        slopes, total = [] if slope is None else _parts(slope), abnormal.new_zeros(())
        for number, (own, damaged) in enumerate(zip(_parts(abnormal), _parts(masks))):
            missed = damaged.to(own.dtype).sub_(1)
            true = (missed + own).abs_().mul_(1 - 2 * LABEL_SMOOTHING).add_(2 * LABEL_SMOOTHING)
            missing, logarithm = 1 - true, true.log()
            focus = missing ** (FOCUS - 1)
            total = total - (focus * missing * logarithm).sum()
            if slopes:
                steep = logarithm.mul_(FOCUS).sub_(missing.div_(true)).mul_(focus)
                sign = missed.mul_(2).add_(1).mul_((1 - 2 * LABEL_SMOOTHING) / abnormal.numel())
                torch.mul(steep, sign, out=slopes[number])
        if slopes:
            ctx.save_for_backward(slope)
        return total / abnormal.numel()

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        (slope,) = ctx.saved_tensors
        return slope * gradient, None


class _Dice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, probability, masks):
        shared, total = [], []
        for own, damaged in zip(_parts(probability), _parts(masks)):
            known = damaged.to(own.dtype)
            shared.append((own * known).sum((1, 2)))
            total.append(own.sum((1, 2)) + known.sum((1, 2)))
        numerator = 2 * torch.cat(shared) + DICE_SMOOTHING
        denominator = torch.cat(total) + DICE_SMOOTHING
        ctx.save_for_backward(masks, numerator, denominator)
        return (1 - numerator / denominator).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        masks, numerator, denominator = ctx.saved_tensors
        gradient = gradient / len(masks)
        of_all, of_damaged = gradient * numerator / denominator**2, -2 * gradient / denominator
        return torch.addcmul(of_all[:, None, None], masks.to(of_all.dtype), of_damaged[:, None, None]), None


def _parts(values: Tensor) -> Sequence[Tensor]:
    """As many of the first dimension together as stay in a processor's cache; on other devices all."""
    values = torch.atleast_1d(values)
    most = PIXELS_AT_ONCE if values.device.type == "cpu" else values.numel()
    return values.split(max(1, most * len(values) // max(1, values.numel())))
