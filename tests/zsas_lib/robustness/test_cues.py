"""Cues that are taken away, against scipy and by hand, and the profile of what is lost."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import median_filter

import zsas_lib as zsas
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.robustness import cues as module

IMAGES = torch.rand(2, 3, 26, 30, generator=torch.Generator().manual_seed(0))


def test_grey_has_no_colour_and_smooth_is_scipys_median():
    assert (module.grey(IMAGES).amax(1) == module.grey(IMAGES).amin(1)).all()
    expected = median_filter(IMAGES[1, 2].numpy(), 3, mode="constant")
    np.testing.assert_allclose(module.smooth(IMAGES)[1, 2, 1:-1, 1:-1], expected[1:-1, 1:-1], atol=1e-6)


def test_squares_change_places_and_nothing_is_lost():
    moved = module.shuffled(IMAGES, 4)
    assert moved.shape == IMAGES.shape and torch.equal(moved.flatten().sort().values, IMAGES.flatten().sort().values)
    for row in range(4):
        for column in range(4):
            part = np.s_[..., 6 * row : 6 * row + 6, 7 * column : 7 * column + 7]
            assert not torch.equal(moved[part], IMAGES[part])
    assert torch.equal(moved[..., 24:, :], IMAGES[..., 24:, :])  # what is over
    assert torch.equal(module.shuffled(IMAGES > 0.5, 4), moved > 0.5) and torch.equal(module.shuffled(IMAGES, 4), moved)
    assert not torch.equal(module.shuffled(IMAGES, 4, seed=1), moved)
    with pytest.raises(ValueError, match="2 to 26 squares a side, got 1"):
        module.shuffled(IMAGES, 1)


@pytest.mark.slow
def test_a_map_of_grey_levels_loses_nothing_without_colour_or_whole(monkeypatch):
    pictures = zsas.load_dataset("embedded-b", categories=["ceramic_ring", "woven_sheet"], image_size=40).select(
        per_category=4
    )
    model = zsas.load_model("median-colour", of="brightness")
    found = module.cue_losses(model, pictures, ["grey", "shuffled", "smooth"]).set_index(["category", "removal"])
    table = evaluate(model, pictures, resamples=2)
    for category in pictures.categories:
        for name in module.MEASURED:
            assert found.loc[(category, "grey"), f"{name}_before"] == pytest.approx(table.loc[category, name], abs=1e-6)
        for removal in ("grey", "shuffled"):  # pixels are compared with the median, wherever they are
            row = found.loc[(category, removal)]
            assert row.pixel_ap == pytest.approx(row.pixel_ap_before, abs=1e-4)
        assert found.loc[(category, "smooth"), "pixel_ap"] != found.loc[(category, "smooth"), "pixel_ap_before"]
    with pytest.raises(UnknownNameError, match="removal of a cue 'blur'"):
        module.cue_losses(model, pictures, ["blur"])


def test_shares_add_up_and_a_gain_is_no_loss():
    losses = {"grey": 0.1, "hue": 0.3, "smooth": -0.05, "shuffled": 0.6}
    cells = [(c, r) for c in range(6) for r in losses]
    table = pd.DataFrame(
        {
            "category": [f"c{c}" for c, _ in cells],
            "removal": [r for _, r in cells],
            "cue": [module.REMOVALS[r].cue for _, r in cells],
            "pixel_ap": [0.8 - losses[r] - 0.01 * c for c, r in cells],
            "pixel_ap_before": [0.8 - 0.01 * (c % 2) for c, _ in cells],
        }
    )
    found = module.profile(table).set_index("cue")
    extra = 0.025 - 0.005
    assert found.lost.tolist() == pytest.approx([0.2 + extra, -0.05 + extra, 0.6 + extra])
    assert found.share.sum() == pytest.approx(1) and found.share["fine texture"] == 0
    assert (found.lost_low < found.lost).all() and found.share["colour"] == pytest.approx(0.22 / 0.84)
    alone = module.profile(table[table.category == "c0"])
    assert alone.lost_low.isna().all() and not alone.lost.isna().any()
