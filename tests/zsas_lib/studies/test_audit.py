"""The changed models of the audit: what stays the same, what changes, and gradients counted by hand."""

import numpy as np
import pandas as pd
import pytest
import torch
from toy import Glow, toy_dataset

from zsas_lib.base.errors import DataError
from zsas_lib.models.load import load_model
from zsas_lib.studies import audit
from zsas_lib.studies.audit import (
    Change,
    LogitsFirst,
    aupro_of_powers,
    effects_of,
    paired_gap,
    small_gradients,
    variant,
)


@pytest.fixture
def data(tmp_path):
    return toy_dataset(tmp_path / "data", {"bolt": 3, "nut": 2}, normal=2)


def anomalyclip(backbone, **options):
    model = load_model("anomalyclip", backbone, **options)
    with torch.no_grad():
        model.contexts.add_(torch.randn(model.contexts.shape, generator=torch.Generator().manual_seed(1)))
    model.freeze()
    model.trained = {"by": "hand"}
    return model


def test_a_variant_keeps_what_was_learned(backbone):
    model = anomalyclip(backbone)
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    other = variant(model, image_score="map")
    assert other.options == model.options | {"image_score": "map"} and other.trained == {"by": "hand"}
    first, second = model(images, "bolt"), other(images, "bolt")
    torch.testing.assert_close(first.anomaly_map, second.anomaly_map)
    assert not torch.allclose(first.image_score, second.image_score)
    with pytest.raises(DataError, match="does not fit anomalyclip"):
        variant(model, context=6)


def test_the_order_of_enlarging_and_softmax_agrees_in_patch_centres_only(backbone):
    model = anomalyclip(backbone)
    other = variant(model, kind=LogitsFirst)
    features = model.features(torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)), ["bolt"] * 2)
    features = {"class": features["class"], "patches": features["patches"] * 20}
    size = 3 * backbone.grid
    first, second = (one.probabilities(features, size) for one in (model, other))
    torch.testing.assert_close(first[..., 1::3, 1::3], second[..., 1::3, 1::3], atol=1e-5, rtol=0)
    assert (first - second).abs().max() > 1e-3
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = [one(images, ["bolt"] * 2).anomaly_map for one in (model, other)]
    assert (maps[0] - maps[1]).abs().max() > 1e-3


@pytest.mark.slow
def test_small_gradients_are_counted(backbone, data, monkeypatch):
    model = load_model("vcpclip+", backbone)
    table = small_gradients(model, data, count=4)
    sizes = {name: value.numel() for name, value in model.learnable().items()}
    assert table.entries.sum() == sum(sizes.values())
    weights = table[(table.part == "post_vcp") & (table.parameter == "weight")].iloc[0]
    assert weights.entries == sum(
        count for name, count in sizes.items() if name.startswith("post_vcp") and name.endswith("weight")
    )
    assert ((table.zero <= table.small) & (table.small <= 1)).all() and (table[table.part == "beta"].small == 0).all()
    assert not any(value.requires_grad for value in model.learnable().values())
    monkeypatch.setattr(audit, "SMALLEST_HALF", float("inf"))
    assert (small_gradients(model, data, count=4).small == 1).all()


def test_powers_leave_exact_aupro_alone_and_move_the_legacy_one(data):
    table = aupro_of_powers(Glow(), data, powers=(1.0, 8.0)).set_index(["category", "power"])
    exact = table.aupro.unstack()
    np.testing.assert_allclose(exact[1.0], exact[8.0], atol=1e-9)
    assert (table.aupro_200.unstack()[1.0] != table.aupro_200.unstack()[8.0]).any()


def test_a_paired_gap_leaves_the_mean_row_out():
    before = pd.DataFrame({"pixel_auroc": [0.5, 0.7, 0.6]}, index=["a", "b", "mean"])
    after = pd.DataFrame({"pixel_auroc": [0.6, 0.9, 0.0]}, index=["a", "b", "mean"])
    assert paired_gap(before, after, "pixel_auroc") == pytest.approx((0.15, 0.05))


def table_of(*values: float) -> pd.DataFrame:
    return pd.DataFrame({"pixel_auroc": [*values, np.mean(values)], "aupro": 0.5}, index=[*"abcd", "mean"])


def test_effects_whose_interval_holds_0_are_chance_and_trainings_add_their_spread():
    before, after = table_of(0.5, 0.7, 0.5, 0.7), table_of(0.6, 0.85, 0.6, 0.85)
    error = 0.025 / 3**0.5
    moves = ["pixel_auroc", "aupro"]
    changes = {"kept": Change(before, after, moves), "trained": Change(before, after, moves[:1], anew=True)}
    table = effects_of(changes, {"pixel_auroc": 0.05, "aupro": 0.01}, 3).set_index(["change", "metric"])
    kept, trained = table.loc[("kept", "pixel AUROC")], table.loc[("trained", "pixel AUROC")]
    assert (kept.before, kept.gain, kept.error) == pytest.approx((0.6, 0.125, error)) and kept.verdict == "higher"
    assert (kept.low, kept.high) == pytest.approx((0.125 - 3.1824 * error, 0.125 + 3.1824 * error), abs=1e-5)
    assert trained.error == pytest.approx(np.hypot(error, 2**0.5 * 0.05)) and trained.verdict == "within chance"
    assert trained.power > trained.high - trained.gain > kept.power > 0  # two degrees of freedom for the trainings
    same = table.loc[("kept", "AUPRO")]
    assert (same.before, same.gain, same.error, same.verdict) == (0.5, 0.0, 0.0, "within chance") and len(table) == 3
    back = effects_of({"back": Change(after, before, ["pixel_auroc"])}, {"pixel_auroc": 0.0}, 1)
    assert back.verdict.tolist() == ["lower"]


@pytest.mark.parametrize("anew", [False, True])
def test_the_effect_on_one_category_has_no_interval(anew):
    before, after = (pd.DataFrame({"pixel_auroc": [value] * 2}, index=["bolt", "mean"]) for value in (0.6, 0.8))
    one = effects_of({"kept": Change(before, after, ["pixel_auroc"], anew)}, {"pixel_auroc": 0.05}, 3).iloc[0]
    assert one.gain == pytest.approx(0.2) and one.verdict == "no interval"
    assert np.isnan([one.error, one.low, one.high, one["agree"], one.power]).all()
