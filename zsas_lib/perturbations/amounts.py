"""How far a perturbation goes: one number for all images or one per image, clipped with a straight-through gradient."""

from typing import TypeAlias, cast

import torch
from jaxtyping import Float
from torch import Tensor

from ..base.devices import to_device

Amount: TypeAlias = int | float | Float[Tensor, ""] | Float[Tensor, " batch"]


def straight_through_clip(
    values: Float[Tensor, "*shape"], low: float | Float[Tensor, "..."], high: float | Float[Tensor, "..."]
) -> Float[Tensor, "*shape"]:
    """``values`` clipped to [low, high] going forward and passed on as they are going backward (S A.1's STE)."""
    clipped = values.clamp(cast(Tensor, low), cast(Tensor, high))  # torch takes two numbers or two tensors
    return values + (clipped - values).detach()


def per_image(amount: Amount, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, " #batch"]:
    """Amounts beside the images that they are for, one for all or one each."""
    if isinstance(amount, int | float):
        return images.new_full((1,), amount)
    return to_device(torch.as_tensor(amount), images.device).to(images.dtype).reshape(-1)


def is_number(amount: Amount, number: int | float) -> bool:
    """Whether an amount is just this Python number; a tensor never is, as gradients may be wanted of it."""
    return not isinstance(amount, Tensor) and bool(amount == number)
