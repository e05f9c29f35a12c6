"""Agreement of maps against numpy and by hand, and what maps that follow their pictures lose."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr

import zsas_lib as zsas
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.robustness.equivariance import MEASURED, USUAL, agreement, equivariance, foretold, lost, picture_agreement
from zsas_lib.robustness.sweeps import uniform_sweep

EVERYWHERE = torch.ones(6, 5, dtype=torch.bool)


@pytest.fixture(scope="module")
def pictures():
    names = ["ceramic_ring", "woven_sheet"]
    return zsas.load_dataset("embedded-b", categories=names, image_size=40).select(per_category=4)


def test_the_cosine_is_numpys_correlation_and_the_overlap_is_counted():
    one, other = torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(1)).unbind()
    shown = EVERYWHERE.clone()
    shown[0] = False
    cosine, overlap = agreement(one, other, shown, 0.2)
    for number in range(3):
        pair = [maps[number][shown].numpy() for maps in (one, other)]
        assert cosine[number].item() == pytest.approx(np.corrcoef(*pair)[0, 1], abs=1e-6)
        tops = [set(np.argsort(values)[-5:]) for values in pair]
        assert overlap[number].item() == pytest.approx(len(tops[0] & tops[1]) / len(tops[0] | tops[1]))


def test_an_offset_a_factor_and_constant_maps():
    maps = torch.rand(1, 6, 5)
    constant = torch.full((1, 6, 5), 0.3)
    assert [part.item() for part in agreement(maps, 4 * maps + 100, EVERYWHERE)] == pytest.approx([1, 1], abs=1e-5)
    assert agreement(maps, -maps, EVERYWHERE)[0].item() == pytest.approx(-1)
    assert [part.item() for part in agreement(constant, constant + 1, EVERYWHERE)] == [1, 1]
    assert agreement(maps, constant, EVERYWHERE)[0].item() == 0
    with pytest.raises(ValueError, match=r"in \(0, 1\), got 1"):
        agreement(maps, maps, EVERYWHERE, 1.0)


@pytest.mark.slow
def test_maps_of_pixels_follow_every_exact_placement_and_a_map_of_the_place_does_not(pictures):
    exact = ["rotation(90)", "mirror", "upside_down"]
    found = equivariance(zsas.load_model("median-colour"), pictures, exact)
    assert (found[["cosine", "overlap"]] > 0.999).all(axis=None)
    for name in MEASURED:
        np.testing.assert_allclose(found[name], found[f"{name}_before"], atol=1e-6)
    centre = equivariance(zsas.load_model("centre-distance"), pictures, ["mirror", "shift(0.2)"])
    by = centre.groupby("placement").cosine.mean()
    assert by["mirror"] > 0.999 and by["shift(0.2)"] < 0.8
    assert list(centre.category) == ["ceramic_ring"] * 2 + ["woven_sheet"] * 2 and (centre.pictures == 4).all()


@pytest.mark.slow
def test_the_metrics_before_a_mirror_are_those_of_evaluate_and_behind_a_turn_those_of_a_sweep(pictures):
    model = zsas.load_model("local-contrast")
    found = equivariance(model, pictures, ["mirror", "rotation(15)"]).set_index(["category", "placement"])
    upright, turned = (
        evaluate(model, pictures, resamples=2),
        uniform_sweep(model, pictures, "rotation", [15.0], derotation="mask", resamples=2),
    )
    turned = turned.set_index("category")
    for category in pictures.categories:
        for name in MEASURED:
            assert found.loc[(category, "mirror"), f"{name}_before"] == pytest.approx(
                upright.loc[category, name], abs=1e-6
            )
        # a sweep counts the corners that the turned picture does not show as well
        assert found.loc[(category, "rotation(15)"), "pixel_auroc"] == pytest.approx(
            turned.loc[category, "pixel_auroc"], abs=0.05
        )


@pytest.mark.slow
def test_pictures_without_masks_have_agreement_alone(pictures):
    records = [replace(record, mask_path=None, further_masks=()) for record in pictures.records]
    bare = pictures.part(records)
    model = zsas.load_model("local-contrast")
    table = equivariance(model, bare, ["shift(0.1)"])
    assert table[list(MEASURED)].isna().all(axis=None) and (table.cosine > 0.9).all()
    single = picture_agreement(model, bare, USUAL)
    assert len(single) == len(bare) * len(USUAL) and set(single.path) == {r.name(bare.root) for r in bare.records}
    means = single[single.placement == "shift(0.1)"].groupby("category").cosine.mean()
    np.testing.assert_allclose(table.set_index("category").cosine, means, atol=1e-6)
    with pytest.raises(ValueError, match="at least one placement"):
        equivariance(model, bare, [])


@pytest.mark.slow
def test_what_agreement_foretells_is_spearmans_mean_over_placements():
    rng = np.random.default_rng(0)
    lacking, loss = rng.random((9, 2)), rng.random((9, 2))
    loss[:, 1] = lacking[:, 1] ** 3
    cells = [(c, p) for c in range(9) for p in range(2)]
    table = pd.DataFrame(
        {
            "category": [f"c{c}" for c, _ in cells],
            "placement": [f"p{p}" for _, p in cells],
            "cosine": [1 - lacking[cell] for cell in cells],
            "pixel_ap_before": 0.9,
            "pixel_ap": [0.9 - loss[cell] for cell in cells],
        }
    )
    found = foretold(table)
    assert found.gap == pytest.approx((spearmanr(lacking[:, 0], loss[:, 0]).statistic + 1) / 2)
    assert found.low < found.gap < found.high and found.se > 0
    assert foretold(table[table.placement == "p1"]).low > 0.5
    other = table.assign(pixel_ap=1.8 - table.pixel_ap, pixel_ap_before=0.9)  # what was lost is gained
    both = foretold(table, other)
    assert both.gap == pytest.approx(0) and both.se == pytest.approx(found.gap, abs=0.2) and both.low < -1
    assert lost(table).lost.to_numpy() == pytest.approx([loss[cell] for cell in cells])
    assert np.isnan(foretold(table.assign(pixel_ap=np.nan)).gap)
    with pytest.raises(ValueError, match="three categories to rank, got 2"):
        foretold(table[table.category.isin(["c0", "c1"])])


def test_categories_without_the_metric_take_no_part_in_what_agreement_foretells():
    rng = np.random.default_rng(1)
    lacking, loss = rng.random((8, 2)), rng.random((8, 2))
    loss[5] = np.nan  # no damaged picture
    loss[2, 1] = np.nan  # its damage is out of view
    cells = [(f"c{c}", f"p{p}") for c in range(8) for p in range(2)]
    table = pd.DataFrame(cells, columns=["category", "placement"])
    table = table.assign(cosine=1 - lacking.ravel(), pixel_ap_before=0.9, pixel_ap=0.9 - loss.ravel())
    found = foretold(table)
    ranks = [spearmanr(lacking[own, p], loss[own, p]).statistic for p in (0, 1) for own in [~np.isnan(loss[:, p])]]
    assert found.gap == pytest.approx(np.mean(ranks)) and found.low < found.gap < found.high
    everywhere = table[~table.category.isin(["c2", "c5"])]
    without = foretold(table[table.category != "c5"])
    assert vars(without) == vars(found)
    assert foretold(everywhere).gap != found.gap
    few = foretold(table.assign(pixel_ap=table.pixel_ap.where(table.category.isin(["c0", "c1"]))))
    assert np.isnan([few.gap, few.low, few.se]).all()
