"""Which method for which need: false alarms counted by hand, and what is asked of whom."""

import numpy as np
import pandas as pd
import pytest
from toy import toy_dataset

import zsas_lib as zsas
from zsas_lib.evaluation.paired import paired
from zsas_lib.evaluation.tables import ResultTable
from zsas_lib.studies import recommendation
from zsas_lib.studies.recommendation import ALARMS, NEEDS, WORST, alarms_by_category, entries, recommended


def test_false_alarms_are_counted_where_enough_of_the_damaged_are_found():
    scores = [0.9, 0.8, 0.3, 0.2, 0.85, 0.5, 0.1, 0.3]
    rows = pd.DataFrame({"category": "nut", "image_score": scores, "is_anomalous": [True] * 4 + [False] * 4})
    others = pd.DataFrame({"category": "ring", "image_score": [0.1, 0.4], "is_anomalous": False})
    table = ResultTable({"aupro": [0.0]})
    table.per_image = pd.concat([rows, others])
    assert alarms_by_category(table, found=0.5)["nut"] == 0.25  # at 0.8
    assert alarms_by_category(table, found=0.75)["nut"] == 0.75  # at 0.3, which a normal picture has too
    assert alarms_by_category(table)["nut"] == 0.75 and np.isnan(alarms_by_category(table)["ring"])


def alarming(shares: dict[str, float]) -> ResultTable:
    table = ResultTable({"aupro": [0.0]})
    parts = []
    for name, share in shares.items():
        scores = [0.5] * 10 + [0.6] * round(10 * share) + [0.1] * round(10 * (1 - share))
        parts.append(
            pd.DataFrame({"category": name, "image_score": scores, "is_anomalous": [True] * 10 + [False] * 10})
        )
    table.per_image = pd.concat(parts)
    return table


def test_the_chance_of_trainings_is_in_the_gap_of_false_alarms():
    runs = {"one": [alarming({"nut": own, "ring": own}) for own in (0.2, 0.4)]}
    runs["two"] = [alarming({"nut": 0.5, "ring": 0.5})]
    found = recommendation._gap(ALARMS, "one", "two", {}, pd.DataFrame(), runs)
    assert found.gap == pytest.approx(0.2) and found.se == pytest.approx(0.1) and found.low < 0 < found.high


@pytest.fixture(scope="module")
def measured(backbone, tmp_path_factory):
    pictures = toy_dataset(tmp_path_factory.mktemp("toy"), {"nut": 3, "ring": 3}, normal=3)
    models = {"winclip": zsas.load_model("winclip", backbone), "clip": zsas.load_model("clip", backbone)}
    runs = {name: [zsas.evaluate(model, pictures, resamples=20)] for name, model in models.items()}
    runs["coop"] = [runs["clip"][0], runs["winclip"][0]]  # as if of two trainings
    costs = pd.DataFrame({"model": list(runs), "ms per picture": [30.0, 10.0, 14.0], "peak MB": [5.0, 9.0, 4.0]})
    return runs, entries(runs, costs)


def test_entries_have_means_and_the_worst_category(measured):
    runs, table = measured
    both = [runs["clip"][0], runs["winclip"][0]]
    assert table.loc["coop", "aupro"] == pytest.approx(np.mean([own.loc["mean", "aupro"] for own in both]))
    means = pd.concat([own["aupro"] for own in both], axis=1).mean(axis=1)[["nut", "ring"]]
    assert table.loc["coop", WORST] == pytest.approx(means.min()) and table.loc["coop", "which"] == means.idxmin()
    assert table["learns"].to_dict() == {"winclip": False, "clip": False, "coop": True}


@pytest.mark.slow
def test_each_need_has_its_best_and_a_paired_gap(measured):
    runs, table = measured
    found = recommended(runs, table).set_index("need")
    assert list(found.index) == [need.name for need in NEEDS]
    assert (
        found["of"].to_dict() | {"few milliseconds": 2, "little memory": 2, "no training data": 2}
        == found["of"].to_dict()
    )
    for need in NEEDS:
        left = {"few milliseconds": ["clip", "coop"], "little memory": ["winclip", "coop"]}.get(
            need.name, list(table.index)
        )
        left = ["winclip", "clip"] if need.untrained else left
        values = table.loc[left, need.metric]
        best = values.min() if need.metric == ALARMS else values.max()
        assert found.loc[need.name, "value"] == best and table.loc[found.loc[need.name, "method"], need.metric] == best
    row = found.loc["no training data"]
    gaps = paired(runs[row["method"]], runs[row["before"]]).set_index(["category", "metric"]).loc[("mean", "aupro")]
    assert row[["gap", "low", "high"]].astype(float).tolist() == pytest.approx(gaps[["gap", "low", "high"]].tolist())
    assert np.isnan(found.loc["no bad category", "low"]) and found.loc["no bad category", "gap"] >= 0
