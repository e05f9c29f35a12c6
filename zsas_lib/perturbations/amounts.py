"""How far a perturbation goes: one number for all images or one per image, clipped with a straight-through gradient."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from ..base.devices import to_device

Amount: TypeAlias = int | float | Float[Tensor, ""] | Float[Tensor, " batch"]

AT_ONCE = 2**19
"""How many numbers of pictures `by_parts` gives to a function at once, in whole pictures."""


def straight_through_clip(
    values: Float[Tensor, "*shape"], low: float | Float[Tensor, "..."], high: float | Float[Tensor, "..."]
) -> Float[Tensor, "*shape"]:
    """``values`` clipped to [low, high] going forward and passed on as they are going backward (S A.1's STE)."""
    return _StraightThrough.apply(values, low, high)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values, low, high):
        return values.clamp(low, high)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None, None


def by_parts(
    function: Callable[..., Tensor], planes: Float[Tensor, "batch *shape"], *amounts: Amount, at_once: int = AT_ONCE
) -> Float[Tensor, "batch *shape"]:
    """``function(planes, *amounts)``, on the CPU of a few pictures after the other, so that what it works on stays near
    the processor: about ``at_once`` numbers of them. An amount is one for all pictures or one each."""
    count = max(1, at_once // max(1, planes[:1].numel()))
    if planes.device.type != "cpu" or len(planes) <= count:
        return function(planes, *amounts)
    parts = []
    for first in range(0, len(planes), count):
        part = slice(first, first + count)
        own = (amount[part] if isinstance(amount, Tensor) and amount.numel() > 1 else amount for amount in amounts)
        parts.append(function(planes[part], *own))
    return torch.cat(parts)


def at_least_single(planes: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Planes in half precision as float32, others as they are: the transforms that perturbations are made of have no
    half precision on every device."""
    return planes if planes.element_size() >= torch.float32.itemsize else planes.float()


def gradient_wanted(planes: Tensor, *amounts: Amount) -> bool:
    """Whether what is made of planes and amounts is to be differentiated."""
    return torch.is_grad_enabled() and any(isinstance(own, Tensor) and own.requires_grad for own in (planes, *amounts))


def as_amount(amount: object, count: int | None = None) -> Amount:
    """An amount, of lists and arrays as a tensor, in one row where it is for ``count`` images. Raises ValueError for
    what is neither one number nor one for each of these (None: of any number of them)."""
    try:
        found = torch.as_tensor(amount)
    except (TypeError, ValueError, RuntimeError):  # what torch makes of words, of nothing and of ragged lists
        raise ValueError(f"Expected a number as an amount, or one for each image, got {amount!r}.") from None
    if count is not None and found.numel() not in (1, count):
        raise ValueError(f"Expected one amount for all of {count} images, or one each, got {found.numel()}.")
    if isinstance(amount, int | float):
        return amount
    return found.flatten() if count is not None and found.ndim > 1 else found


def per_image(amount: Amount, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, " #batch"]:
    """Amounts beside the images that they are for, one for all or one each."""
    if isinstance(amount, int | float):
        return images.new_full((1,), amount)
    return to_device(torch.as_tensor(amount), images.device).to(images.dtype).reshape(-1)


def is_number(amount: Amount, number: int | float) -> bool:
    """Whether an amount is just this Python number; a tensor never is, as gradients may be wanted of it."""
    return not isinstance(amount, Tensor) and bool(amount == number)
