"""zsas_lib.studies.variants, protocol and papers.printed: V's factorial, its effects, what is measured, and printed beside."""

import numpy as np
import pandas as pd
import pytest
import torch
from toy import Glow, toy_dataset

import zsas_lib as zsas
from zsas_lib.metrics.aupro import legacy_reach
from zsas_lib.metrics.image import image_auroc, image_rates
from zsas_lib.papers.printed import printed_metrics
from zsas_lib.studies.variants import (
    BASELINE,
    FACTORS,
    Variant,
    factorial_effects,
    factorial_variants,
    over_seeds,
    pooled_deviation,
    study,
    trained_variant,
)
from zsas_lib.studies.vcp_protocol import SCORES, protocol_table


@pytest.fixture
def pictures(tmp_path):
    return toy_dataset(tmp_path / "toy", {"nut": 3, "ring": 3})


def test_the_factorial_has_the_rows_and_switches_of_the_printed_table():
    variants = factorial_variants()
    rows = zsas.reported("V", 1).drop_duplicates("method").set_index("method").setting
    assert list(variants) == list(printed_metrics("V", 1).index) and len(variants) == 9
    for name, variant in variants.items():
        switches = dict(pair.split("=") for pair in rows[name].split(";"))
        assert switches["fixed_tau"] == str(int(name != BASELINE))
        assert [switches[label] for label in ("UniOp", "LoReb", "IDP")] == [
            str(int(variant.options.get(f, False))) for f in FACTORS
        ]


def test_effects_of_the_printed_factorial():
    variants, printed = factorial_variants(), printed_metrics("V", 1).drop(index=BASELINE)
    runs = printed.assign(**{factor: [variants[name].options[factor] for name in printed.index] for factor in FACTORS})
    effects = factorial_effects(runs, FACTORS, ["pixel_auroc", "pixel_ap"])
    assert effects.loc[["UniOp", "LoReb", "IDP"], "pixel_ap"].tolist() == pytest.approx([2.60, 3.35, 0.30])
    assert effects.loc["UniOp x LoReb", "pixel_ap"] == pytest.approx(-2.35)
    assert effects.loc["UniOp", "pixel_auroc"] == pytest.approx(1.575)


def test_effects_are_the_coefficients_that_made_the_numbers_and_need_balance():
    levels = pd.DataFrame([(a, b) for a in (False, True) for b in (False, True)] * 2, columns=["a", "b"])
    signs = 2 * levels.astype(int) - 1
    levels["y"] = 5 + 0.5 * (3 * signs.a - 1 * signs.b + 2 * signs.a * signs.b)
    assert factorial_effects(levels, ["a", "b"], ["y"]).y.to_dict() == pytest.approx({"a": 3, "b": -1, "a x b": 2})
    with pytest.raises(ValueError, match="equally often"):
        factorial_effects(levels.iloc[1:], ["a", "b"], ["y"])


def test_spreads_over_seeds():
    table = pd.DataFrame({"variant": ["u", "u", "v", "v"], "y": [1.0, 3.0, 10.0, 10.0]})
    middle, deviation = over_seeds(table, ["y"])
    assert middle.y.tolist() == [2, 10] and deviation.y.tolist() == pytest.approx([2**0.5, 0])
    assert pooled_deviation(table, ["y"]).y == pytest.approx(1.0)
    assert np.isnan(pooled_deviation(table.iloc[[0, 2]], ["y"]).y)


def test_a_study_names_variant_and_seed_and_keeps_rates_in_proportion(backbone, pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("ZSAS_RESULTS", str(tmp_path / "store"))
    variants = {"one": Variant("vcpclip"), "none": Variant("winclip", {"scales": [2]})}
    fit = {"epochs": 1, "training_batch_size": 6, "rate": 8e-5, "augment": False}
    table, histories = study(variants, backbone, pictures, pictures, seeds=[0, 1], fit=fit)
    assert set(zip(table.variant, table.seed)) == {("one", 0), ("one", 1), ("none", 0)}
    assert set(table.score) == set(SCORES) and set(table.category) == {"nut", "ring", "mean"}
    assert set(zip(histories.variant, histories.seed)) == {("one", 0), ("one", 1)}
    assert trained_variant(variants["one"], backbone, pictures, seed=0, fit=fit).trained["rates"][
        "log_scales"
    ] == pytest.approx(0.02)
    own = Variant("vcpclip", fit={"rates": {"log_scales": 1e-3}})
    assert trained_variant(own, backbone, pictures, seed=0, fit=fit).trained["rates"] == pytest.approx(
        {"log_scales": 1e-3, "alpha": 8e-3, "beta": 8e-3}
    )


def test_the_protocol_agrees_with_evaluate_and_reads_the_other_scores_off_the_map(pictures):
    model = Glow()
    table, usual = (
        protocol_table(model, pictures).set_index(["category", "score"]),
        zsas.evaluate(model, pictures, resamples=2),
    )
    for category in ("nut", "ring", "mean"):
        row = table.loc[(category, "own")]
        assert row[list(usual.columns)].to_dict() == pytest.approx(usual.loc[category].to_dict(), nan_ok=True)
    part = pictures.select(["nut"])
    maps = model(torch.stack([part[i].image for i in range(len(part))]), "nut").anomaly_map.detach()
    labels = torch.tensor([record.is_anomalous for record in part.records])
    kept = round(2000 * maps[0].numel() / 518**2)
    assert table.loc[("nut", "top 2000"), "image_auroc"] == image_auroc(
        maps.flatten(1).topk(kept).values.mean(1), labels
    )
    assert table.loc[("nut", "top 1"), "image_auroc"] == image_auroc(maps.amax((1, 2)), labels)


def test_rates_stand_at_the_threshold_of_the_largest_f1():
    scores, labels = np.array([0.1, 0.4, 0.35, 0.8, 0.7]), np.array([False, False, True, True, True])
    assert image_rates(scores, labels) == pytest.approx({"tpr": 1.0, "tnr": 0.5})
    assert image_rates(np.array([0.1, 0.2, 0.9]), np.array([False, False, True])) == {"tpr": 1.0, "tnr": 1.0}
    assert np.isnan(image_rates(scores, np.ones(5, bool))["tpr"])


def test_nearly_binary_maps_end_the_legacy_curve_early():
    rng = np.random.default_rng(0)
    maps, masks = rng.random((2, 64, 64)), np.zeros((2, 64, 64), bool)
    masks[:, 10:20, 10:20] = True
    assert 0.29 < legacy_reach(maps, masks) < 0.3
    binary = np.where(rng.random(maps.shape) < 0.02, 1.0, 1e-6 * maps)
    assert 0.01 < legacy_reach(binary, masks) < 0.03
    assert np.isnan(legacy_reach(maps, np.zeros_like(masks)))


def test_printed_tables_have_the_columns_of_computed_ones():
    rates = printed_metrics("V", 8)
    assert list(rates) == ["tpr", "tnr"] and rates.loc["WinCLIP"].tolist() == [98.1, 29.8]
    assert printed_metrics("V", 4, "setting").loc["tau=0.07", "aupro_200"] == 86.5
