"""Tables and sentences about wrong products and wrong names."""

import pandas as pd
import pytest

import zsas_lib as zsas
from zsas_book.tables import wrong_product as tables
from zsas_lib.evaluation.evaluate import evaluate


@pytest.fixture(scope="module")
def results():
    names = ["ceramic_ring", "woven_sheet"]
    pictures = zsas.load_dataset("embedded-b", categories=names, image_size=36).select(per_category=4)
    return [evaluate(zsas.load_model(name), pictures, resamples=6) for name in ("centre-distance", "local-contrast")]


@pytest.mark.slow
def test_what_a_wrong_name_changes_is_paired(results):
    right, wrong = ({"winclip": table} for table in results)
    rows = tables.called_wrong(right, wrong, ["aupro", "pixel_ap"]).set_index("metric")
    expected = 100 * (results[1].loc["mean", "aupro"] - results[0].loc["mean", "aupro"])
    assert rows.loc["aupro", "gap"] == pytest.approx(expected) and rows.loc["aupro", "low"] < expected
    assert rows.loc["aupro", "wrong name"] - rows.loc["aupro", "right name"] == pytest.approx(expected)
    said, deaf = tables.wrong_in_words(rows.reset_index(), ["anomalyclip"])
    assert said.startswith("WinCLIP called by another product's name: ") and "AUPRO" in said
    assert deaf == "Not a pixel changes with the name for 1 model that read none: AnomalyCLIP."
    two = [dict.fromkeys(("winclip", "anomalyclip"), table) for table in results]
    both = tables.called_wrong(*two, ["aupro"])
    assert [own.split(" ")[0] for own in tables.wrong_in_words(both, [])] == ["WinCLIP", "AnomalyCLIP"], "as they came"
    assert tables.wrong_in_words(tables.called_wrong({}, {}, ["aupro"]), []) == []


def test_strangers_are_told_in_percent_with_their_words():
    ends = {"AUROC_se": 0.02, "AUROC_low": 0.7, "AUROC_high": 0.9, "FPR95_se": 0.1, "FPR95_low": 0.2, "FPR95_high": 0.6}
    rejected = pd.DataFrame([{"product": "far", "categories": 3, "AUROC": 0.8, "FPR95": 0.4} | ends])
    expected, strangers = pd.Series({"a": 0.9, "b": 1.0}), pd.Series({"a": 0.4, "b": 0.6})
    rows = tables.told_apart(rejected, expected, strangers)
    assert rows["AUROC"].tolist() == pytest.approx([80, 95, 50]) and rows["FPR95"].tolist()[0] == 40
    assert rows["FPR95"].isna().tolist() == [False, True, True]
    far, known, own = tables.rejected_in_words(rows)
    assert (
        "an unknown product with no word in common: AUROC 80 %, above chance" in far
        and "so are 40 % of the others" in far
    )
    assert "AUROC 95 %" in known and "damage does not make a picture a stranger beyond chance" in own
    own = rows.index[-1]
    for low, high, word in (
        (51.0, 90.0, "looks less like"),
        (10.0, 49.0, "looks more like"),
        (49.0, 51.0, "beyond chance"),
    ):
        rows.loc[own, ["AUROC, low", "AUROC, high"]] = low, high
        assert word in tables.rejected_in_words(rows)[-1]
    alone = tables.told_apart(rejected, expected[:1], strangers[:1])
    assert "one category does not tell" in tables.rejected_in_words(alone)[-1]
    assert alone["AUROC, low"].isna().tolist() == [False, True, True]
