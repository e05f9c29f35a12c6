"""3D awareness: does a patch of one view find the same point of the bench in another view?

The embedded renderer knows which point every pixel shows, so correspondences are exact, and a camera that tilts changes
what is seen of it: foreshortening, parallax, what hides behind what. Paper T matches patches of photographs whose
geometry was measured (ScanNet, NAVI); the recall of nearest neighbours is its measure.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..backbones.backbone import Backbone
from ..backbones.image_tower import patches_of, residual_stream
from ..base.sources import source_digest
from ..data.embedded.camera import Camera, Plane
from ..data.embedded.naming import draw_named
from ..data.embedded.products import Product
from ..data.embedded.shoot import View, draw_setting
from ..store.results import load_or_compute_all
from .naming import by_seed

FINEST = 16
"""Patches along a side below which a match within one patch says little: points are matched on a grid of so many."""
LIFT = 8.0
"""How high parts lie over their ground, in 1/100 of the picture's width."""
MATCHED = ["recall", "in_place", "chance", "over_place", "over_chance"]
EVERY = "all tilts"


@dataclass(frozen=True)
class Seen:
    """What is known of a view: RGB in [0, 1]; where on the bench each pixel looks (half widths of the upright picture);
    which share of it shows what is to be found again; and how far away it is."""

    image: Float[np.ndarray, "height width 3"]
    x: Plane
    y: Plane
    cover: Plane
    depth: Plane

    @classmethod
    def of(cls, view: View) -> "Seen":
        """A view of a product: what is to be found again is the part."""
        return cls(view.image, view.x, view.y, view.layers.cover, view.depth)


@dataclass(frozen=True)
class Pair:
    """Two views of one thing: from above, and from aside with the camera tilted by ``tilt`` degrees."""

    category: str
    tilt: int | float
    above: Seen
    aside: Seen


def named_products(names: Sequence[str], seed: int = 0) -> list[Product]:
    """Of each name ("MATERIAL SHAPE") the product that is drawn from the seed first."""
    return [draw_named(name, seed, crc32(name.encode()), 0).product for name in names]


def view_pairs(
    products: Sequence[Product],
    tilts: Sequence[int | float],
    size: int,
    *,
    views: int = 2,
    rolls: bool = True,
    seed: int = 0,
) -> list[Pair]:
    """Of every product and tilt ``views`` pairs, ``size`` pixels wide; see `view_correspondence`."""
    pairs = []
    for number, product in enumerate(products):
        settings = []
        for view in range(views):
            own = np.random.default_rng([seed, number, view])
            setting = replace(draw_setting(product, int(own.integers(2**31))), lift=LIFT)
            side, roll = own.uniform(0, 2 * np.pi, 2)
            above = Seen.of(replace(setting, camera=Camera()).shoot(size))
            settings.append((setting, float(side), float(roll) if rolls else 0.0, above))
        for tilt in tilts:
            for setting, side, roll, above in settings:
                camera = Camera(float(np.deg2rad(tilt)), side, roll, perspective=True)
                pairs.append(Pair(product.name, tilt, above, Seen.of(replace(setting, camera=camera).shoot(size))))
    return pairs


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
    of the bench at most one patch (of the upright view) away; those whose point is hidden there are left out. Patches
    are those of a grid of `FINEST` x `FINEST`; a layer with more has the mean of those in each.

    Returns one row per product, tilt and layer (from 1): category, tilt, layer, recall, and for the same patches what
    needs no features: in_place, the patch at the same place of the picture, and chance, any patch. All in [0, 1]; nan
    for a layer with a coarser grid, such as the last ones of a tower of stages: what is filled in between its patches
    knows little but where it is.

    Raises ValueError for a tower without a layer of at least `FINEST` patches along a side.
    """
    _refuse_coarse(backbone)
    return recalled(backbone, view_pairs(products, tilts, backbone.size[0], views=views, rolls=rolls, seed=seed))


def correspondences(
    towers: Mapping[str, Backbone],
    products: Sequence[Product],
    tilts: Sequence[int | float] = (15, 30, 45),
    *,
    views: int = 2,
    rolls: bool = True,
    seed: int = 0,
    store: Path | None = None,
) -> dict[str, pd.DataFrame]:
    """`view_correspondence` of several towers on the same pairs, from the store where it has been made before. The
    pictures are drawn once, as large as the largest tower takes them, and made smaller for the others. Raises as
    `view_correspondence`."""
    backbones = list(towers.values())
    for backbone in backbones:
        _refuse_coarse(backbone)
    size = max(backbone.size[0] for backbone in backbones)
    drawn = {"products": [vars(product) for product in products], "tilts": list(tilts), "size": size}
    drawn |= {"views": views, "rolls": rolls, "seed": seed}

    def compute(missing: list[int]) -> list[pd.DataFrame]:
        pairs = view_pairs(products, tilts, size, views=views, rolls=rolls, seed=seed)
        return [recalled(backbones[place], pairs) for place in missing]

    tables = load_or_compute_all(
        "correspondence",
        [{"backbone": backbone.digest, "input": list(backbone.size), **drawn} for backbone in backbones],
        compute,
        sources=source_digest(view_pairs, recalled),
        store=store,
    )
    return dict(zip(towers, tables))


def by_layer(found: pd.DataFrame, by: Sequence[str] = ("kind", "tower")) -> pd.DataFrame:
    """The mean over products of `view_correspondence` for each tower, tilt and layer, seed by seed: a flat table with
    ``run``. ``found`` has the columns ``by`` and seed too. Columns: recall, in_place, chance, and how much more recall
    is than either: over_place, over_chance. Layers without a number are left out."""
    rows = found.dropna(subset="recall")
    rows = rows.assign(over_place=rows["recall"] - rows["in_place"], over_chance=rows["recall"] - rows["chance"])
    keys = [*by, "tilt", "layer"]
    return by_seed(pd.DataFrame(rows[[*keys, "seed", "category", *MATCHED]]), keys)


def at_chosen_layer(found: pd.DataFrame, by: Sequence[str] = ("kind", "tower")) -> pd.DataFrame:
    """`by_layer` without the layer: of each tower the layer that is best on the other half of the products, over all
    seeds and tilts, so that no tower gains by having more layers to choose from; and, as the tilt `EVERY`, the mean
    over tilts."""
    rows = found.dropna(subset="recall")
    names = list(dict.fromkeys(rows["category"]))
    second = rows["category"].isin(names[1::2])
    parts = []
    for _, own in rows.groupby(list(by), sort=False):
        for half in (False, True):
            others, mine = (own[second.reindex(own.index) == side] for side in (not half, half))
            best = pd.Series((others if len(others) else mine).groupby("layer")["recall"].mean()).idxmax()
            parts.append(mine[mine["layer"] == best])
    chosen = pd.concat(parts)
    keys = [*by, "seed", "category"]
    mean = pd.DataFrame(chosen.groupby(keys, sort=False)[["recall", "in_place", "chance"]].mean())
    mean = mean.reset_index().assign(tilt=EVERY)
    whole = pd.concat([chosen.assign(tilt=chosen["tilt"].map(str)), mean], ignore_index=True)
    place = {name: number for number, name in enumerate(names)}
    whole = whole.sort_values("category", key=lambda column: column.map(place), kind="stable")
    return by_layer(whole.assign(layer=0), by).drop(columns="layer")


def finest_grid(backbone: Backbone) -> tuple[int, int]:
    """Rows and columns of the patches of the layer that has most."""
    return max([*backbone.image.grids[1:], backbone.patches])


def _refuse_coarse(backbone: Backbone) -> None:
    down, across = finest_grid(backbone)
    if min(down, across) < FINEST or down != across:
        raise ValueError(
            f"Expected a tower with a square of at least {FINEST} x {FINEST} patches, got {down} x {across}; load it "
            "with another image_size."
        )


@torch.no_grad()
def recalled(backbone: Backbone, pairs: Sequence[Pair]) -> pd.DataFrame:
    """Of pairs that are as large as the tower takes them, or made so: what `view_correspondence` returns."""
    found: dict[tuple[str, int | float], list[Tensor]] = {}
    for pair in pairs:
        found.setdefault((pair.category, pair.tilt), []).append(_recalls(backbone, pair.above, pair.aside))
    rows = []
    for (category, tilt), own in found.items():
        *layers, in_place, chance = torch.stack(own).nanmean(0).tolist()
        trivial = {"in_place": in_place, "chance": chance}
        rows += [
            {"category": category, "tilt": tilt, "layer": layer, "recall": recall} | trivial
            for layer, recall in enumerate(layers, 1)
        ]
    return pd.DataFrame(rows)


def _recalls(backbone: Backbone, above: Seen, aside: Seen) -> Float[Tensor, " layer_and_two"]:
    images = torch.from_numpy(np.stack([above.image, aside.image])).permute(0, 3, 1, 2)
    if images.shape[-2:] != backbone.size:
        images = F.interpolate(images, backbone.size, mode="bilinear", antialias=True)
    stream = residual_stream(backbone, backbone.embed_patches(images.to(backbone.device)))[1:]
    points, targets = (_per_patch(np.stack([view.x, view.y])) for view in (above, aside))
    right = (points[:, None] - targets).norm(dim=-1) <= 2 / FINEST
    asked = (_per_patch(above.cover[None])[:, 0] > 0.5) & right.any(1)
    place = torch.arange(len(points))
    matches = []
    for state in stream:
        features = _on_grid(patches_of(backbone, state).float().cpu())
        matches.append(None if features is None else (features[0] @ features[1].T).argmax(1))
    recalls = [
        torch.tensor(torch.nan) if match is None else right[place, match][asked].float().mean()
        for match in (*matches, place)
    ]
    return torch.stack([*recalls, right[asked].float().mean()])


def _on_grid(patches: Float[Tensor, "view patch channel"]) -> Float[Tensor, "view point channel"] | None:
    """Unit vectors on the grid of points, each the mean of the patches in it; None for a coarser grid."""
    side = math.isqrt(patches.shape[1])
    if side < FINEST:
        return None
    if side > FINEST:
        square = patches.mT.reshape(len(patches), -1, side, side)
        patches = F.adaptive_avg_pool2d(square, FINEST).flatten(2).mT
    return F.normalize(patches, dim=-1)


def _per_patch(planes: Float[np.ndarray, "plane height width"]) -> Float[Tensor, "patch plane"]:
    """The mean of every patch of the grid, row by row."""
    means = F.adaptive_avg_pool2d(torch.from_numpy(np.asarray(planes, np.float32))[None], FINEST)[0]
    return means.flatten(1).T
