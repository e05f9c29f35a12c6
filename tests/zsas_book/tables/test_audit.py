"""The audit in words, and two image scores beside printed ones."""

import pandas as pd
import pytest
from tiny_clip import tiny_backbone
from toy import toy_dataset

import zsas_lib as zsas
from zsas_book.tables.audit import _direction, audit_in_words, beside_image_scores, released_in_words
from zsas_lib.evaluation.paired import paired


def table_of(value: float) -> pd.DataFrame:
    return pd.DataFrame({"pixel_auroc": [value], "aupro": [value / 2], "image_auroc": [value]}, index=["mean"])


def test_the_released_model_and_the_spread_of_its_trainings():
    said = released_in_words([table_of(0.8), table_of(0.82)])
    assert said == (
        "AnomalyCLIP as released: pixel AUROC 80.0 %, AUPRO 40.0 %, image AUROC 80.0 %; from training to training "
        "1.41, 0.71, 1.41 points (standard deviation)."
    )
    assert released_in_words([table_of(0.8)]).endswith(
        "image AUROC 80.0 %; one training does not say how far trainings differ."
    )


def test_what_matters_and_what_is_clearest():
    claims = pd.DataFrame(
        {"claim": ["one", "two", "three"], "verdict": ["matters here: AUPRO lower", "within chance here", "agrees"]}
    )
    effects = pd.DataFrame({"change": ["x", "y"], "metric": "AUPRO", "gain": [0.1, -0.2], "error": [0.0, 0.05]})
    effects = effects.assign(low=effects.gain - 0.1, high=effects.gain + 0.1, agree=0.99, power=0.14)
    switched, others, clearest = audit_in_words(effects, claims)
    assert switched == "Of the 2 choices that this page switches, those that matter beyond chance here: one."
    assert others == "Those that do not: two."
    assert clearest == (
        "The clearest is y: -20.0 points of AUPRO (95 % interval -30.0 to -10.0, 99 % of resamples agree in sign, "
        "power 14.0)."
    )


def test_one_category_does_not_tell_what_matters():
    claims = pd.DataFrame({"claim": ["one", "two"], "verdict": ["no interval here", "agrees"]})
    nan = float("nan")
    effects = pd.DataFrame({"change": ["x", "y"], "metric": "AUPRO", "gain": [0.1, -0.2], "error": nan})
    said = audit_in_words(effects.assign(low=nan, high=nan, agree=nan, power=nan), claims)
    assert said == [
        "Of the 1 choices that this page switches, those that matter beyond chance here: none.",
        "Those that do not: none.",
        "Those of which one category does not tell: one.",
        "The clearest is y: -20.0 points of AUPRO (no interval).",
    ]


@pytest.mark.parametrize(
    ("of_map", "verdict"), [(0.7, "same direction"), (0.9, "other direction"), (0.8002, "no difference")]
)
def test_the_difference_of_two_image_scores_is_compared_by_direction(tmp_path, of_map, verdict):
    pictures = toy_dataset(tmp_path, {"ring": 1})
    table = beside_image_scores(
        {"text": table_of(0.8), "map": table_of(of_map)}, pictures, tiny_backbone(), pictures, {"epochs": 1}
    )
    assert table.reported.tolist() == pytest.approx([91.6, 76.8, -14.8])
    assert table.reproduced.tolist() == pytest.approx([80.0, 100 * of_map, 100 * of_map - 80])
    assert table.verdict.tolist() == ["not comparable: toy, tiny"] * 2 + [verdict]


@pytest.mark.slow
def test_a_difference_of_image_scores_is_judged_by_its_paired_interval():
    names = ["ceramic_ring", "leather_sheet", "rubber_gear"]
    pictures = zsas.load_dataset("embedded-b", categories=names, image_size=36).select(per_category=4)
    one, other = (
        zsas.evaluate(zsas.load_model(n), pictures, resamples=6) for n in ("centre-distance", "local-contrast")
    )
    gap = paired([one], [other]).set_index(["category", "metric"]).loc[("mean", "image_auroc")]
    assert gap.low < 0 < gap.high and round(100 * gap.gap, 1)
    assert _direction(one, other, -14.8, 100 * gap.gap) == "within chance"
