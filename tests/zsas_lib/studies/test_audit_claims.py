"""The audit's table of claims: its texts, and what is measured of each claim."""

import pandas as pd
import pytest
from toy import Glow, toy_dataset

import zsas_lib as zsas
from zsas_lib.models.learned import UntrainedModelError
from zsas_lib.models.load import load_model
from zsas_lib.papers import claims
from zsas_lib.studies import audit_claims
from zsas_lib.studies.audit import Change
from zsas_lib.studies.audit_claims import CLAIMS, COLUMNS, Measured, audited, effect_in_words

EFFECTS = [
    ("activation swapped, WinCLIP", "pixel AUROC", 0.0001, 0.0002, "within chance"),
    ("activation swapped, AnomalyCLIP", "pixel AUROC", 0.0, 0.0, "within chance"),
    ("four layers for one", "pixel AUROC", -0.0894, 0.031, "lower"),
    ("four layers for one", "AUPRO", -0.21, 0.07, "lower"),
    ("diagonal for value-value", "pixel AUROC", 0.013, 0.009, "within chance"),
    ("query-query for value-value", "pixel AUROC", 0.03, 0.004, "higher"),
    ("class token with last norm", "image AUROC", 0.0, 0.0, "within chance"),
    ("logits enlarged before softmax", "pixel AUROC", 0.002, 0.003, "within chance"),
    ("image score: top of the map", "image AUROC", -0.06, 0.05, "within chance"),
    ("VCP-CLIP+ score: fused map", "image AUROC", -0.009, 0.017, "within chance"),
]
MEASURED = {
    "activation": Measured({"activation": "gelu"}),
    "blocks": Measured({"last": 3, "depth": 3}, 1),
    "class token": Measured({"shift": 0.05}),
    "order": Measured({"apart": 0.2}),
    "image score": Measured({"scores": "text 75.0; map 68.5", "best": "text is best"}),
    "precision": Measured({"small": 60.0, "others": 0.0, "median": 5e-5}, 2),
    "balance": Measured({"first": 0.67, "last": 0.99, "rises": 100.0}, 2),
    "temperature": Measured({"rate": 0.01, "times": 250.0, "steps": 9, "times_here": 5.0, "clip": 0.01, "vcp": 0.1}, 1),
    "IoU": Measured({"iou": 0.25, "of_f1": 0.25}, 1),
    "AUPRO": Measured({"legacy": "10.0 (WinCLIP)", "exact": 0.0}, 1),
    "means": Measured({"wrong": 5, "printed": 16}),
    "log": Measured({"same": 30, "printed": 30}, 1),
}


@pytest.fixture
def effects():
    return pd.DataFrame(EFFECTS, columns=["change", "metric", "gain", "error", "verdict"])


@pytest.fixture
def data(tmp_path):
    return toy_dataset(tmp_path / "data", {"bolt": 3}, normal=2)


def test_the_table_is_filled_with_numbers_effects_and_verdicts(effects):
    table = audited(effects, MEASURED)
    assert table.columns.tolist() == list(COLUMNS) and len(table) == 15
    rows = table.set_index("claim")
    measured, verdict = rows["measured here"], rows.verdict
    assert measured["multi-level features"] == "four layers: -8.9 ± 3.1 pixel AUROC, -21.0 ± 7.0 AUPRO"
    assert verdict["multi-level features"] == "matters here: pixel AUROC lower, AUPRO lower"
    assert measured["backbone is CLIP as published"] == (
        "gelu swapped: WinCLIP +0.010 ± 0.020 pixel AUROC, AnomalyCLIP no change of pixel AUROC"
    )
    assert verdict["backbone is CLIP as published"] == "within chance here"
    assert verdict["attention A + gamma diag(A), gamma learned"] == "matters here: pixel AUROC higher"
    assert verdict["image score"] == "text is best here; map against text: within chance here"
    assert verdict["training"] == "fp16 would lose most of them"
    assert verdict["temperature is learned"] == "one of them falls"
    assert verdict["means over categories"] == "recomputed in this book"
    assert measured["means over categories"] == "5 of 16 do not follow from the printed rows"


def test_a_measurement_of_no_claim_is_refused(effects):
    with pytest.raises(KeyError, match="got activations"):
        audited(effects, {"activations": Measured()})


def test_the_page_of_claims_quotes_claims_of_this_table():
    ours = set(pd.read_csv(CLAIMS).claim)
    tests = claims().test.str.extract(r"^audit:claims\[claim=(.*?)\]\[verdict\](?: by .*)?$")[0].dropna()
    assert len(tests) == 11 and set(tests) <= ours


@pytest.mark.parametrize(
    "gain, error, words",
    [
        (-0.0891, 0.0312, "-8.9 ± 3.1 AUPRO"),
        (0.0004, 0.0019, "+0.040 ± 0.190 AUPRO"),
        (0.0, 0.002, "+0.0 ± 0.2 AUPRO"),
        (-4e-6, 4e-6, "no change of AUPRO"),
    ],
)
def test_an_effect_in_points_has_more_decimals_where_it_is_tiny(gain, error, words):
    assert effect_in_words("AUPRO", gain, error) == words


def test_prompted_blocks_of_the_text_tower(backbone):
    model = load_model("anomalyclip", backbone)
    found = audit_claims.prompted_blocks(model)
    assert found.numbers == {"last": len(model.compound) + 1, "depth": len(backbone.clip.transformer.resblocks)}
    assert found.outcome == (len(model.compound) < found.numbers["depth"])


@pytest.mark.slow
def test_image_scores_shift_by_the_largest_difference_of_a_picture(data):
    before = zsas.evaluate(Glow(), data, resamples=4)
    after = zsas.evaluate(Glow(gain=1.5), data, resamples=4)
    largest = 0.5 * before.per_image.image_score.max()
    assert audit_claims.score_shift(Change(before, after)).numbers["shift"] == pytest.approx(largest, abs=1e-5)


def test_maps_are_apart_by_their_largest_difference(data):
    sample = data.select(anomalous=True)[0]
    found = audit_claims.map_distance(Glow(), Glow(gain=1.5), sample)
    largest = Glow()(sample.image[None], "bolt").anomaly_map.max().item()
    assert found.numbers["apart"] == pytest.approx(0.5 * largest, abs=1e-5)


def test_the_best_image_score_comes_first():
    tables = {name: pd.DataFrame({"image_auroc": [value]}, index=["mean"]) for name, value in (("a", 0.7), ("b", 0.8))}
    assert audit_claims.best_score(tables).numbers == {"scores": "b 80.0; a 70.0", "best": "b is best"}
    level = audit_claims.best_score(tables | {"c": pd.DataFrame({"image_auroc": [0.7999]}, index=["mean"])})
    assert level.numbers == {"scores": "b 80.0; c 80.0; a 70.0", "best": "b and c are level"}


@pytest.mark.parametrize(("small", "outcome"), [(0.0, 0), (0.2, 1), (0.9, 2)])
def test_what_half_precision_loses_of_post_vcp(backbone, data, monkeypatch, small, outcome):
    rows = [
        ("post_vcp", "weight", 10, small, 1e-5),
        ("post_vcp", "bias", 30, 0.1, 1e-5),
        ("beta", "beta", 10, 0.5, 1.0),
    ]
    table = pd.DataFrame(rows, columns=["part", "parameter", "entries", "small", "median"])
    monkeypatch.setattr(audit_claims, "small_gradients", lambda *_, seed: table)
    found = audit_claims.half_precision(load_model("vcpclip+", backbone), data, 0)
    assert found.outcome == outcome
    assert found.numbers == pytest.approx({"small": 100 * small, "others": 20.0, "median": 1e-5})


@pytest.mark.parametrize(("shares", "outcome"), [([0.6, 0.7, 0.8], 2), ([0.6, 0.7, 0.65, 0.8], 1), ([0.6, 0.5], 0)])
def test_the_share_of_the_focal_loss_rises_or_not(shares, outcome):
    found = audit_claims.focal_share(pd.DataFrame({"focal_share": shares}))
    assert found.outcome == outcome and found.numbers["last"] == shares[-1]


@pytest.mark.parametrize(("last", "outcome"), [((0.01, 0.02), 2), ((0.1, 0.02), 1), ((0.1, 0.2), 0)])
def test_temperatures_that_fall_are_counted(backbone, last, outcome):
    history = pd.DataFrame({"clip_temperature": [0.07, last[0]], "vcp_temperature": [0.07, last[1]]})
    model = load_model("vcpclip", backbone)
    model.history = history
    found = audit_claims.learned_temperatures(model, 0.002)
    assert found.outcome == outcome
    assert found.numbers == pytest.approx(
        {"rate": 0.01, "times": 250.0, "times_here": 5.0, "steps": 2, "clip": last[0], "vcp": last[1]}
    )


def test_temperatures_of_an_untrained_model_are_none(backbone):
    with pytest.raises(UntrainedModelError, match="no training that moved temperatures"):
        audit_claims.learned_temperatures(load_model("vcpclip", backbone), rate=None)


def test_iou_is_f1_in_other_words(data):
    found = audit_claims.iou_of_f1(Glow(), data.select(anomalous=True)[0])
    assert found.outcome == 1 and 0 < found.numbers["iou"] < 1
    assert found.numbers["iou"] == pytest.approx(found.numbers["of_f1"])


def test_legacy_aupro_depends_on_the_scale_of_maps():
    rows = {"category": ["a", "mean", "mean"], "aupro": [0.0, 0.7, 0.7], "aupro_200": [0.0, 0.6, 0.69]}
    steady = {**rows, "aupro_200": [0.0, 0.6, 0.604]}
    found = audit_claims.scale_of_maps({"WinCLIP": pd.DataFrame(steady), "AnomalyCLIP": pd.DataFrame(rows)})
    assert found.numbers == {"legacy": "0.4 (WinCLIP), 9.0 (AnomalyCLIP)", "exact": pytest.approx(0.0)}
    assert found.outcome == 1 and audit_claims.scale_of_maps({"WinCLIP": pd.DataFrame(steady)}).outcome == 0


def test_what_agrees_is_counted():
    assert audit_claims.share_that_agrees(pd.Series([True, False, True])) == Measured(
        {"same": 2, "wrong": 1, "printed": 3}, 0
    )
    assert audit_claims.share_that_agrees(pd.Series([True, True])).outcome == 1
