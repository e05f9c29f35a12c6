"""3D awareness: does a patch of one view find the same point of the bench in another view?

The embedded renderer knows which point every pixel shows, so correspondences are exact, and a camera that tilts changes
what is seen of it: foreshortening, parallax, what hides behind what. Paper T matches patches of photographs whose
geometry was measured (ScanNet, NAVI); the recall of nearest neighbours is its measure.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..backbones.backbone import Backbone
from ..backbones.image_tower import patches_of, residual_stream
from ..data.embedded.camera import Camera
from ..data.embedded.products import Product
from ..data.embedded.shoot import View, draw_setting

FINEST = 16
"""Patches along a side below which a match within one patch says little."""
LIFT = 8.0
"""How high parts lie over their ground, in 1/100 of the picture's width."""


@torch.no_grad()
def view_correspondence(
    backbone: Backbone,
    products: Sequence[Product],
    tilts: Sequence[int | float] = (15, 30, 45),
    *,
    views: int = 2,
    rolls: bool = True,
    seed: int = 0,
) -> pd.DataFrame:
    """Recall of nearest-neighbour matches between a view from above and tilted ones, for each layer of a tower.

    Of every product ``views`` settings are drawn; the camera tilts (degrees) to a random side, in perspective, and with
    ``rolls`` turns by any angle around its own axis: without, most points stay where they are in the picture up to some
    30 degrees, and a tower that only knows places finds them. A patch of the view from above that shows the part is
    matched with the patch of the tilted view whose features have the highest cosine, and is right if that shows a point
    of the bench at most one patch (of the upright view) away; those whose point is hidden there are left out.

    Returns one row per product, tilt and layer (from 1): category, tilt, layer, recall, and for the same patches what
    needs no features: in_place, the patch at the same place of the picture, and chance, any patch. All in [0, 1]; nan
    for a layer with another grid than the last (of a tower of stages).

    Raises ValueError for a tower with fewer than `FINEST` patches along a side.
    """
    down, across = backbone.patches
    if min(down, across) < FINEST or down != across:
        raise ValueError(
            f"Expected a tower with a square of at least {FINEST} x {FINEST} patches, got {down} x {across}; load it "
            "with another image_size."
        )
    rows = []
    for number, product in enumerate(products):
        for tilt in tilts:
            found = []
            for view in range(views):
                own = np.random.default_rng([seed, number, view])
                setting = replace(draw_setting(product, int(own.integers(2**31))), lift=LIFT)
                side, roll = own.uniform(0, 2 * np.pi, 2)
                angle = float(np.deg2rad(tilt))
                camera = Camera(angle, float(side), float(roll) if rolls else 0.0, perspective=True)
                pair = [replace(setting, camera=one).shoot(backbone.size[0]) for one in (Camera(), camera)]
                found.append(_recalls(backbone, *pair))
            mean = torch.stack(found).nanmean(0)
            names = [*range(1, len(mean) - 1), "in_place", "chance"]
            values = dict(zip(names, mean.tolist()))
            for layer in names[:-2]:
                rows.append(
                    {"category": product.name, "tilt": tilt, "layer": layer, "recall": values[layer]}
                    | {name: values[name] for name in ("in_place", "chance")}
                )
    return pd.DataFrame(rows)


def _recalls(backbone: Backbone, above: View, aside: View) -> Float[Tensor, " layer_and_two"]:
    images = torch.from_numpy(np.stack([above.image, aside.image])).permute(0, 3, 1, 2).to(backbone.device)
    stream = residual_stream(backbone, backbone.embed_patches(images))[1:]
    points, targets = (_per_patch(np.stack([view.x, view.y]), backbone.patches) for view in (above, aside))
    right = (points[:, None] - targets).norm(dim=-1) <= 2 / min(backbone.patches)
    asked = (_per_patch(above.layers.cover[None], backbone.patches)[:, 0] > 0.5) & right.any(1)
    place = torch.arange(len(points))
    matches = []
    for state in stream:
        features = F.normalize(patches_of(backbone, state).float(), dim=-1).cpu()
        matches.append((features[0] @ features[1].T).argmax(1) if features.shape[1] == len(points) else None)
    recalls = [
        torch.tensor(torch.nan) if match is None else right[place, match][asked].float().mean()
        for match in (*matches, place)
    ]
    return torch.stack([*recalls, right[asked].float().mean()])


def _per_patch(planes: Float[np.ndarray, "plane height width"], grid: tuple[int, int]) -> Float[Tensor, "patch plane"]:
    """The mean of every patch, row by row."""
    means = F.adaptive_avg_pool2d(torch.from_numpy(np.asarray(planes, np.float32))[None], grid)[0]
    return means.flatten(1).T
