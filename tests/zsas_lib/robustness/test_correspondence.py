"""Matches between views whose right answers are known: features that are the points themselves, and none at all."""

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_clip import tiny, tiny_backbone

from zsas_lib.data.embedded.products import EVALUATION
from zsas_lib.evaluation.sampled import ITSELF, Sampled
from zsas_lib.robustness import correspondence
from zsas_lib.robustness.correspondence import correspondences, view_correspondence

PRODUCTS = [product for product in EVALUATION if product.name in ("ceramic ring", "leather sheet")]
TILTS = [10, 40]


@pytest.fixture(scope="module")
def tower():
    return tiny_backbone(tiny(image_size=128, patch_size=8))


def shown_points(views):
    """Features that say which point of the bench a patch shows, by waves of it."""
    points = torch.stack([correspondence._per_patch(np.stack([view.x, view.y])) for view in views])
    waves = torch.cat([points * 2.0**octave for octave in range(4)], -1)
    return torch.cat([waves.sin(), waves.cos()], -1)


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_tower_is_measured_at_every_layer_and_alike_each_time(tower):
    table = view_correspondence(tower, PRODUCTS[:1], [20], views=1)
    assert list(table.layer) == [1, 2] and table[["recall", "in_place", "chance"]].stack().between(0, 1).all()
    assert table.equals(view_correspondence(tower, PRODUCTS[:1], [20], views=1))
    assert not table.equals(view_correspondence(tower, PRODUCTS[:1], [20], views=1, seed=1))


def test_a_grid_that_is_too_coarse_is_refused():
    with pytest.raises(ValueError, match="at least 16 x 16 patches, got 4 x 4; load it with another image_size"):
        view_correspondence(tiny_backbone(), PRODUCTS)


def test_a_finer_layer_is_the_mean_of_its_patches():
    fine = torch.arange(2 * 32 * 32, dtype=torch.float32).reshape(2, 32 * 32, 1).repeat(1, 1, 2)
    fine[..., 1] = 1.0
    points = correspondence._on_grid(fine)
    mean = fine[0, :, 0].reshape(32, 32)[:2, 2:4].mean()
    assert points.shape == (2, 256, 2)
    assert points[0, 1].tolist() == pytest.approx(
        (torch.tensor([mean, 1.0]) / torch.hypot(mean, torch.ones(()))).tolist()
    )
    assert correspondence._on_grid(fine[:, :64]) is None


@pytest.mark.slow
def test_several_towers_see_the_same_pairs_and_are_asked_once(tower, tmp_path, monkeypatch):
    small = tiny_backbone(tiny(image_size=64, patch_size=4))
    products = correspondence.named_products(["ceramic ring", "rubber gear"])
    assert [product.name for product in products] == ["ceramic ring", "rubber gear"]
    both = correspondences({"large": tower, "small": small}, products, [20], views=1, store=tmp_path)
    alone = view_correspondence(tower, products, [20], views=1)
    pd.testing.assert_frame_equal(both["large"], alone, check_like=True)
    assert both["small"].in_place.tolist() == both["large"].in_place.tolist()
    monkeypatch.setattr(correspondence, "draw_setting", None)  # what is stored needs no picture
    again = correspondences({"small": small, "large": tower}, products, [20], views=1, store=tmp_path)
    assert again["small"].equals(both["small"])
    with pytest.raises(ValueError, match="got 4 x 4"):
        correspondences({"coarse": tiny_backbone()}, products, [20])


def recalled(tower, recalls, seed=0, kind="CNN"):
    """Recalls of four products by layer, the same at both tilts, nan for a layer beyond."""
    return pd.DataFrame(
        [
            {"kind": kind, "tower": tower, "seed": seed, "category": name, "tilt": tilt, "layer": layer}
            | {"recall": own, "in_place": 0.1, "chance": 0.01}
            for place, name in enumerate("abcd")
            for tilt in (15, 45)
            for layer, own in enumerate([*recalls[place], np.nan], 1)
        ]
    )


@pytest.mark.slow
def test_the_layer_is_chosen_on_the_other_half():
    # layer 1 is best of a and c, layer 2 of b and d: each half is told the other's
    found = recalled("reference", [(0.5, 0.2), (0.3, 0.6), (0.5, 0.2), (0.3, 0.6)])
    whole = correspondence.at_chosen_layer(found)
    itself = whole[whole["replicate"] == ITSELF].set_index("tilt")
    assert list(itself.index) == ["15", "45", correspondence.EVERY] and "layer" not in whole
    assert itself["recall"].tolist() == pytest.approx([(0.2 + 0.3) / 2] * 3)
    assert itself["over_place"].tolist() == pytest.approx([0.15] * 3)
    layers = correspondence.by_layer(found)
    first = layers[(layers["replicate"] == ITSELF) & (layers["tilt"] == 15)]
    assert first["layer"].tolist() == [1, 2] and first["recall"].tolist() == pytest.approx([0.4, 0.4])


@pytest.mark.slow
def test_seeds_and_towers_are_on_the_same_products():
    parts = [recalled("reference", [(0.5,)] * 4, seed) for seed in (0, 1)]
    parts.append(recalled("vit", [(0.2, 0.3)] * 4, kind="transformer"))
    whole = correspondence.at_chosen_layer(pd.concat(parts, ignore_index=True))
    own = whole[whole["tilt"] == correspondence.EVERY]
    one, other = (Sampled.of(rows, "recall") for _, rows in own.groupby("tower", sort=False))
    assert (one - other).difference().gap == pytest.approx(0.2) and {*own.loc[own["tower"] == "reference", "run"]} == {
        0,
        1,
    }
