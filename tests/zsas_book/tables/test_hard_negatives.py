"""Tables and sentences about second trainings on hard pictures."""

import pandas as pd
import pytest

import zsas_lib as zsas
from zsas_book.tables import hard_negatives as tables
from zsas_lib.evaluation.evaluate import evaluate


def test_every_arm_is_paired_with_the_plain_training():
    names = ["ceramic_ring", "woven_sheet"]
    pictures = zsas.load_dataset("embedded-b", categories=names, image_size=36).select(per_category=4)
    one, other = (evaluate(zsas.load_model(n), pictures, resamples=6) for n in ("local-contrast", "median-colour"))
    runs = {"anomalyclip": {"plain": [one], "hard pictures": [other]}}
    shares = pd.DataFrame({"category": names, "false alarms": [0.02, 0.04], "found": [0.5, 0.7]})
    rates = {"plain": [shares], "hard pictures": [shares.assign(found=[0.6, 0.7])]}
    rows = tables.changes(runs, {"anomalyclip": rates}, ["aupro"])
    hard = rows[rows.arm == "hard pictures"].set_index("measured")
    assert list(hard.index) == ["aupro", "false alarms", "found"]
    assert hard.gap["aupro"] == pytest.approx(100 * (other.aupro["mean"] - one.aupro["mean"]))
    assert hard["mean"].to_dict() == pytest.approx({"aupro": 100 * other.aupro["mean"], "false alarms": 3, "found": 65})
    assert hard.gap["false alarms"] == 0 and hard.gap["found"] == pytest.approx(5)
    assert (rows[rows.arm == "plain"].gap == 0).all()
    values, _ = tables.panels_of(rows)
    assert list(values["anomalyclip"]) == list(hard.index) and list(values["anomalyclip"].index) == ["hard pictures"]
    rows.loc[rows.measured == "false alarms", ["gap", "low", "high"]] = [-2.0, -3.0, -1.0]
    (said,) = tables.in_words(rows)
    assert said.startswith("AnomalyCLIP, hard pictures: AUPRO ")
    assert ", false alarms -2.0 (better) and found +5.0 (" in said
