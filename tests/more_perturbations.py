"""Perturbations that the library does not have, for tests that register them for a while."""

import torch

from zsas_lib.perturbations.amounts import per_image, straight_through_clip
from zsas_lib.perturbations.record import Motion, Perturbation


def brighten(images, factor):
    return straight_through_clip(images * per_image(factor, images)[:, None, None, None], 0.0, 1.0)


BRIGHTNESS = Perturbation(
    name="brightness",
    function=brighten,
    low=0.5,
    high=1.75,
    unit="fraction",
    column="factor",
    label="brightness (factor)",
    colour="plum",
    rate=0.05,
    sweep_values=6,
    neutral=1.0,
)


def moved(planes, pixels):
    """Each of a batch moved right by whole pixels, 0 where nothing comes from."""
    by = [round(float(one)) for one in torch.as_tensor(pixels).expand(len(planes))]
    rolled = [plane.roll(shift, -1) * _seen(-shift, *plane.shape[-2:]) for plane, shift in zip(planes, by)]
    return torch.stack(rolled)


def _seen(pixels, height, width):
    """Where a plane moved by so many pixels, and back again, has lost nothing."""
    column = torch.arange(width).expand(height, width) + torch.as_tensor(pixels)[..., None, None].round()
    return (column >= 0) & (column < width)


MOVE = Perturbation(
    name="move",
    function=moved,
    low=-8,
    high=8,
    unit="pixels",
    column="pixels",
    label="moved right (pixels)",
    colour="red",
    rate=0.5,
    sweep_values=5,
    motion=Motion(masks_along=moved, maps_back=lambda maps, pixels, fill: moved(maps, -pixels), shown=_seen),
)
