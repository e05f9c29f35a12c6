"""Matches between views whose right answers are known: features that are the points themselves, and none at all."""

import numpy as np
import pytest
import torch
from tiny_clip import tiny, tiny_backbone

from zsas_lib.data.embedded.products import EVALUATION
from zsas_lib.robustness import correspondence
from zsas_lib.robustness.correspondence import view_correspondence

PRODUCTS = [product for product in EVALUATION if product.name in ("ceramic ring", "leather sheet")]
TILTS = [10, 40]


@pytest.fixture(scope="module")
def tower():
    return tiny_backbone(tiny(image_size=128, patch_size=8))


def shown_points(views):
    """Features that say which point of the bench a patch shows, by waves of it."""
    points = torch.stack([correspondence._per_patch(np.stack([view.x, view.y]), (16, 16)) for view in views])
    waves = torch.cat([points * 2.0**octave for octave in range(4)], -1)
    return torch.cat([waves.sin(), waves.cos()], -1)


def test_features_that_are_the_points_find_them_all(tower, monkeypatch):
    seen = []
    shoot = correspondence._recalls
    monkeypatch.setattr(
        correspondence, "_recalls", lambda backbone, *views: (seen.append(views), shoot(backbone, *views))[1]
    )
    nothing = torch.ones(2, 256, 3)
    monkeypatch.setattr(
        correspondence, "residual_stream", lambda *_: [None, shown_points(seen[-1]), nothing, torch.zeros(2, 64, 3)]
    )
    monkeypatch.setattr(correspondence, "patches_of", lambda _, state: state)
    table = view_correspondence(tower, PRODUCTS, TILTS, views=1, rolls=False)
    assert list(zip(table.category, table.tilt, table.layer)) == [
        (product.name, tilt, layer) for product in PRODUCTS for tilt in TILTS for layer in (1, 2, 3)
    ]
    layers = table.set_index(["layer", "tilt"])
    assert (layers.loc[1, "recall"] > 0.98).all()
    assert (layers.loc[2, "recall"] < 0.05).all(), "features that are all alike match one corner"
    assert layers.loc[3, "recall"].isna().all(), "a layer with another grid"
    chance, in_place = layers["chance"], layers["in_place"]
    assert ((chance > 0.005) & (chance < 0.04)).all(), "about pi of 256 patches lie within one"
    assert in_place.xs(10, level="tilt").min() > 0.9 > in_place.xs(40, level="tilt").max()
    turned = view_correspondence(tower, PRODUCTS, [10], views=1)
    assert turned.in_place.max() < 0.5, "the same place shows another point"
    assert (turned[turned.layer == 1].recall > 0.95).all()


def test_a_tower_is_measured_at_every_layer_and_alike_each_time(tower):
    table = view_correspondence(tower, PRODUCTS[:1], [20], views=1)
    assert list(table.layer) == [1, 2] and table[["recall", "in_place", "chance"]].stack().between(0, 1).all()
    assert table.equals(view_correspondence(tower, PRODUCTS[:1], [20], views=1))
    assert not table.equals(view_correspondence(tower, PRODUCTS[:1], [20], views=1, seed=1))


def test_a_grid_that_is_too_coarse_is_refused():
    with pytest.raises(ValueError, match="at least 16 x 16 patches, got 4 x 4; load it with another image_size"):
        view_correspondence(tiny_backbone(), PRODUCTS)
