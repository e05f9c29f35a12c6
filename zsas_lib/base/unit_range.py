"""Whether images are floats in [0, 1]: asked of those in memory at once, and of those on a device at a wait.

A device is still computing what it is asked about, so the answer holds the host up. Loops that wait for results anyway
put the question off until then.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import isnan

import torch
from jaxtyping import Float
from torch import Tensor

_put_off: list[list[Tensor]] = []


def require_images(
    images: Float[Tensor, "batch channel height width"], channels: int | None = 3, *, may_wait: bool = True
) -> None:
    """Raises ValueError for what is no batch of images of floats with so many ``channels`` (None: any number), and as
    `require_unit_range`; an empty batch is one. Where it may not wait, the values of images on a device are only asked
    about later, within `asked_later`."""
    if not isinstance(images, Tensor):
        raise ValueError(f"Expected images as a torch.Tensor (batch, 3, height, width), got {type(images)}.")
    if images.ndim != 4 or images.shape[1] != (channels or images.shape[1]) or not images.is_floating_point():
        kind = "RGB images of floats (batch, 3" if channels == 3 else "images of floats (batch, channel"
        raise ValueError(f"Expected {kind}, height, width), got {images.dtype} {tuple(images.shape)}.")
    if images.numel() and not images.is_meta and (may_wait or _put_off or images.device.type == "cpu"):
        require_unit_range(images)


def require_unit_range(images: Float[Tensor, "batch channel height width"]) -> None:
    """Raises ValueError for values far outside [0, 1], or within `asked_later`, for images on a device, says nothing
    yet."""
    extent = torch.stack(images.detach().aminmax())
    if _put_off and images.device.type != "cpu":
        _put_off[-1].append(extent)
    else:
        refuse_outside(extent)


@contextmanager
def asked_later() -> Iterator[list[Float[Tensor, "2"]]]:
    """Until the block ends, images on a device are let through. The list gets the lowest and the highest value of
    each batch, for `refuse_outside` when they can be read without holding the host up."""
    _put_off.append(extents := [])
    try:
        yield extents
    finally:
        _put_off.pop()


def refuse_outside(extents: Float[Tensor, "..."]) -> None:
    """Raises ValueError where the lowest and highest values of images, one pair after the other, lie far outside
    [0, 1] or are no numbers."""
    for low, high in extents.reshape(-1, 2).tolist():
        if isnan(low) or isnan(high):
            raise ValueError("Expected image values in [0, 1], got NaN among them.")
        if low < -0.5 or high > 1.5:
            raise ValueError(
                f"Expected image values in [0, 1], got {low:.3g}..{high:.3g}; divide by 255, and do not normalise: "
                "the backbone does it."
            )
