"""What zero filling makes of pixel AUROC: the formula against sweeps and scikit-learn, with defects anywhere."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score
from toy import Glow, toy_dataset

from zsas_lib.perturbations.rotation import valid_region
from zsas_lib.robustness.corners import corner_shares, zero_filled
from zsas_lib.robustness.sweeps import uniform_sweep


@pytest.mark.parametrize("defects_in_corners", [0.0, 0.3, 1.0])
def test_the_formula_is_exact_for_scores_above_zero(defects_in_corners):
    random = np.random.default_rng(0)
    hidden = ~valid_region(-30.0, 64, 64).numpy()
    masks = random.random((3, 64, 64)) < np.where(hidden, defects_in_corners, 0.2)
    scores = random.random((3, 64, 64)) + 0.3 * masks + 0.01
    shown = np.broadcast_to(~hidden, masks.shape)
    valid = roc_auc_score(masks[shown], scores[shown])
    shares = {kind: hidden[None].repeat(3, 0)[of].mean() for kind, of in {"anomalous": masks, "normal": ~masks}.items()}
    filled = zero_filled(pd.Series([valid]), pd.DataFrame([shares]).fillna(0.0))
    if defects_in_corners < 1:
        assert filled[0] == pytest.approx(roc_auc_score(masks.flatten(), np.where(hidden, 0, scores).flatten()))
    else:  # no normal pixel is hidden, so only the hidden defects count
        assert filled[0] == pytest.approx((1 - shares["anomalous"]) * valid)


@pytest.mark.slow
def test_a_sweep_is_predicted_though_defects_lie_in_the_corners(tmp_path):
    dataset = toy_dataset(tmp_path, {"lamp": 6, "star": 4}, normal=6)
    values = [0.0, 30.0, 45.0, -60.0]
    table = uniform_sweep(Glow(), dataset, "rotation", values, derotation=["zero", "valid"], resamples=4)
    single = table[table.category != "mean"].pivot(
        index=["category", "value"], columns="derotation", values="pixel_auroc"
    )
    shares = corner_shares(dataset, values)
    assert shares.anomalous.max() > 0.01 and (shares.xs(0.0, level="value") == 0).all(axis=None)
    predicted = zero_filled(single.valid, shares)
    assert np.allclose(predicted[single.index], single.zero, atol=3e-3)  # a map fades at the edge: 1 pixel of 32
    without = (1 - shares.normal) * single.valid + shares.normal
    assert (without - single.zero).abs().max() > 5 * (predicted - single.zero).abs().max()


def test_shares_are_of_all_pixels_of_a_category(tmp_path):
    dataset = toy_dataset(tmp_path, {"lamp": 2})
    masks = torch.stack([sample.mask for sample in dataset])
    hidden = ~valid_region(-45.0, *masks.shape[1:])
    row = corner_shares(dataset, [45.0]).loc[("lamp", 45.0)]
    assert row.anomalous == pytest.approx(float((masks & hidden).sum() / masks.sum()))
    assert row.normal == pytest.approx(float((~masks & hidden).sum() / (~masks).sum()))


def test_only_what_moves_pixels_has_corners(tmp_path):
    dataset = toy_dataset(tmp_path, {"lamp": 1})
    with pytest.raises(ValueError, match="moves pixels, such as rotation; got 'hue'"):
        corner_shares(dataset, [0.5], perturbation="hue")
    with pytest.raises(ValueError, match="91"):
        corner_shares(dataset, [91.0])
