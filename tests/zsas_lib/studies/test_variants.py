"""zsas_lib.studies.variants, protocol and papers.printed: V's factorial, its effects, what is measured, and printed
beside."""

import numpy as np
import pandas as pd
import pytest
import torch
from flats import flat_of
from toy import Glow, toy_dataset

import zsas_lib as zsas
from zsas_lib.evaluation.paired import differences
from zsas_lib.evaluation.sampled import Sampled
from zsas_lib.metrics.aupro import legacy_reach
from zsas_lib.metrics.image import image_auroc, image_rates
from zsas_lib.papers.printed import printed_metrics
from zsas_lib.studies.variants import (
    BASELINE,
    FACTORS,
    FULL,
    Variant,
    by_score,
    effect_replicates,
    effects_and_errors,
    factorial_effects,
    factorial_variants,
    letters,
    mean_replicates,
    mean_rows,
    over_seeds,
    pooled_deviation,
    setting_variants,
    study,
    trained_variant,
)
from zsas_lib.studies.vcp_protocol import SCORES, protocol_of, protocol_table


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


@pytest.mark.slow
def test_a_study_names_variant_and_seed_and_keeps_rates_in_proportion(backbone, pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("ZSAS_RESULTS", str(tmp_path / "store"))
    variants = {"one": Variant("vcpclip"), "none": Variant("winclip", {"scales": [2]})}
    fit = {"epochs": 1, "training_batch_size": 6, "rate": 8e-5, "augment": False}
    table, histories = study(variants, backbone, pictures, pictures, seeds=[0, 1], fit=fit)
    assert set(zip(table.variant, table.seed)) == {("one", 0), ("one", 1), ("none", 0)}
    assert set(table.score) == set(SCORES) and set(table.category) == {"nut", "ring", "mean"}
    assert set(zip(histories.variant, histories.seed)) == {("one", 0), ("one", 1)}
    found = mean_replicates(table)
    one, none = (Sampled.of(found[found.variant == name], "aupro") for name in ("one", "none"))
    means = mean_rows(table).groupby("variant").aupro.mean()
    assert (one - none).difference().gap == pytest.approx(means["one"] - means["none"], abs=1e-12)
    assert set(one.runs) == {2} and not none.runs and one.units == 2
    assert trained_variant(variants["one"], backbone, pictures, seed=0, fit=fit).trained["rates"][
        "log_scales"
    ] == pytest.approx(0.02)
    own = Variant("vcpclip", fit={"rates": {"log_scales": 1e-3}})
    assert trained_variant(own, backbone, pictures, seed=0, fit=fit).trained["rates"] == pytest.approx(
        {"log_scales": 1e-3, "alpha": 8e-3, "beta": 8e-3}
    )


@pytest.mark.slow
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


def test_variants_have_short_names_by_their_switches():
    assert [letters(name) for name in factorial_variants()] == (
        ["learned", "fixed", "U", "L", "I", "U+L", "U+I", "L+I", "U+L+I"]
    )


def test_settings_are_varied_from_the_full_model_and_named_as_printed():
    tokens, temperatures = setting_variants("tokens", [10, 3, 3]), setting_variants("temperature", [0.07, 0.1])
    assert list(tokens) == ["N=3", "N=10"] and list(temperatures) == ["tau=0.07", "tau=0.1"]
    full = factorial_variants()[FULL]
    assert temperatures["tau=0.07"] == full
    assert tokens["N=10"].options == {**full.options, "tokens": 10}
    assert {*tokens} < {*printed_metrics("V", 3, "setting").index}


def test_rows_of_means_and_metrics_by_score():
    rows = [
        (name, seed, category, score, value + seed)
        for name, first in (("b", 1.0), ("a", 5.0))
        for seed in (0, 2)
        for category in ("nut", "mean")
        for score, value in (
            (SCORES[0], first),
            (SCORES[1], 2 * first),
            (SCORES[2], 0.0 if category == "mean" else 9.0),
        )
    ]
    table = pd.DataFrame(rows, columns=["variant", "seed", "category", "score", "y"])
    assert mean_rows(table).y.tolist() == [1, 3, 5, 7] and mean_rows(table, SCORES[1]).y.tolist() == [2, 4, 10, 12]
    middle, deviation = by_score(table, "y")
    assert list(middle.index) == ["b", "a"] and list(middle) == list(SCORES)
    assert middle.loc["a"].tolist() == [6, 11, 1] and deviation.loc["b"].tolist() == pytest.approx([2**0.5] * 3)


@pytest.mark.slow
def test_effects_have_the_error_of_a_difference_of_two_halves():
    names = [name for name in factorial_variants() if name != BASELINE]
    runs = pd.DataFrame({"variant": [BASELINE, *names, *names], "y": [99.0, *range(8), *range(2, 10)]})
    effects, errors = effects_and_errors(runs, ["y"])
    # each variant's two runs lie 1 on either side of their mean: s^2 = 16 / (16 - 8)
    assert errors.y.tolist() == pytest.approx([2 * 2**0.5 / 4] * 7) and list(errors.index) == list(effects.index)
    on = [factorial_variants()[name].options["idp"] for name in names]
    assert effects.y["IDP"] == pytest.approx(np.mean(np.flatnonzero(on)) - np.mean(np.flatnonzero(~np.array(on))))
    given = effects_and_errors(runs, ["y"], pd.Series({"y": 1.0, "other": 7.0}))[1]
    assert given.y.tolist() == pytest.approx([0.5] * 7)


@pytest.mark.slow
def test_effects_are_taken_within_every_resample_and_seed():
    """A table in which UniOp adds 2 points, and LoReb 1 and what its seed adds; all else is common noise."""
    variants = factorial_variants()
    numbers = {}
    for name in variants:
        options = variants[name].options
        numbers[name,] = 0.5 + 0.02 * options.get("uniop", 0) + 0.01 * options.get("loreb", 0)
    whole = flat_of(numbers, ["variant"], ["pixel_ap"], runs=2, apart=0.1)
    seeded = [variants[name].options.get("loreb", False) for name in whole["variant"]]
    whole["pixel_ap"] += 0.004 * whole["run"] * np.array(seeded)
    found = effect_replicates(whole, ["pixel_ap"])
    assert list(found)[:2] == ["effect", "replicate"] and found["effect"].nunique() == 7
    gaps = differences(found, "effect", ["pixel_ap"]).set_index("effect")
    assert gaps.gap[["UniOp", "LoReb", "IDP"]].tolist() == pytest.approx([0.02, 0.012, 0.0], abs=1e-9)
    assert gaps.se["UniOp"] == pytest.approx(0, abs=1e-9) and gaps.se["LoReb"] == pytest.approx(0.002, rel=0.01)


@pytest.mark.slow
def test_the_protocol_of_an_evaluation_is_that_of_a_pass_of_its_own(pictures):
    whole = protocol_table(Glow(), pictures, resamples=6)
    found = protocol_of(zsas.evaluate(Glow(), pictures, resamples=6))
    pd.testing.assert_frame_equal(pd.DataFrame(found), pd.DataFrame(whole.drop(columns="legacy_reach")), atol=1e-6)
    by = ["category", "score", "replicate"]
    own, of_pass = (table.replicates.sort_values(by, ignore_index=True) for table in (found, whole))
    pd.testing.assert_frame_equal(own[list(of_pass)], of_pass, atol=1e-6)
    with pytest.raises(ValueError, match="drawn from seed 0, got others"):
        protocol_of(zsas.evaluate(Glow(), pictures, resamples=6, seed=1))
