"""Pictures whose depth is known: views of one product, and what corruptions make of them with depth and without."""

from collections.abc import Sequence
from itertools import groupby

import torch
from matplotlib.figure import Figure

from zsas_lib.data.embedded.shoot import View
from zsas_lib.perturbations.corruptions import CORRUPTIONS, corrupt
from zsas_lib.robustness.correspondence import Pair
from zsas_lib.robustness.depth_naming import images_and_depth

from ..labels import label
from .gallery import Tile, gallery


def view_gallery(pairs: Sequence[Pair]) -> Figure:
    """A column for each product: its view from above, and below the others by their tilt."""
    columns = []
    for name, own in groupby(pairs, key=lambda pair: pair.category):
        views = list(own)
        images = [images_and_depth([view])[0][0] for view in (views[0].above, *(pair.aside for pair in views))]
        columns.append([Tile(image, "" if place else name) for place, image in enumerate(images)])
    tilts = list(dict.fromkeys(pair.tilt for pair in pairs))
    return gallery(list(zip(*columns, strict=True)), names=["above", *(f"{tilt:g} degrees" for tilt in tilts)])


def depth_gallery(view: View, corruptions: Sequence[str], severity: int) -> Figure:
    """A view and its depth, dark where near, and beside them each corruption above its twin."""
    image, depth = images_and_depth([view])
    grey = (depth - depth.min()) / (depth.max() - depth.min()).clamp(min=1e-6)
    rows = [[Tile(image[0], "picture")], [Tile(torch.stack([grey[0]] * 3), "depth")]]
    for name in corruptions:
        twin = str(CORRUPTIONS[name].twin)
        rows[0].append(Tile(corrupt(image, f"{name}({severity})", depth=depth)[0], label(name)))
        rows[1].append(Tile(corrupt(image, f"{twin}({severity})")[0], label(twin)))
    return gallery(rows)
