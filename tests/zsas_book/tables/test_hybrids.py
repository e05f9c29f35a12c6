"""What the chapter on learned sentences in windows says, against sentences written by hand."""

import pandas as pd
import pytest

from zsas_book.tables import hybrids
from zsas_lib.models import BEST_TRIVIAL
from zsas_lib.studies.hybrids import METRICS

TAKEN, TRAINED = "AnomalyCLIP, in windows", "AnomalyCLIP, trained in windows"


def differences(**higher):
    """All pairs of AnomalyCLIP within chance, but for those of ``higher``: "ONE/OTHER/METRIC" is +3."""
    rows = []
    for one, other in hybrids.pairs_of(["anomalyclip"]):
        for metric in METRICS:
            gap = 3.0 if higher.get(metric) == one else -0.5
            sure = {"gap": gap, "se": 0.5, "low": gap - 1, "high": gap + 1, "agree": 0.9, "power": 1.5}
            rows.append({"one": one, "other": other, "metric": metric, **sure, "ups": 4, "of": 6})
    return pd.DataFrame(rows)


SCORES = pd.DataFrame({"aupro": {"winclip": 70.0, TAKEN: 30.0, TRAINED: 72.0, BEST_TRIVIAL: 55.0}})


def test_each_model_is_compared_with_itself_and_with_winclip():
    pairs = hybrids.pairs_of(["anomalyclip", "vcpclip+"])
    assert pairs[:5] == [
        (TAKEN, "anomalyclip"),
        (TAKEN, "winclip"),
        (TRAINED, TAKEN),
        (TRAINED, "anomalyclip"),
        (TRAINED, "winclip"),
    ]
    assert len(pairs) == 10 and pairs[-1] == ("VCP-CLIP+, trained in windows", "winclip")
    assert hybrids.named_pairs(differences()).pair.iloc[0] == "AnomalyCLIP, in windows − AnomalyCLIP"


@pytest.mark.slow
def test_the_verdict_says_gaps_and_whether_a_hybrid_beats_both_parents():
    worth, own = hybrids.verdict(differences(), SCORES, ["anomalyclip"]).data.split("\n\n")
    gap = "AUPRO -0.5 (within chance) and image AUROC -0.5 (within chance)"
    assert own == (
        f"AnomalyCLIP, in windows, beside WinCLIP: {gap}. Trained there, beside untrained: {gap}. "
        f"Trained there, beside WinCLIP: {gap}. Trained there, beside AnomalyCLIP on patches: {gap}."
    )
    assert worth == (
        "**Verdict.** No hybrid is above both of its parents beyond chance, by any of 4 metrics. Not above the best "
        "trivial map by AUPRO: AnomalyCLIP, in windows."
    )
    higher = differences(aupro=TRAINED, image_auroc=TRAINED)
    worth, own = hybrids.verdict(higher, SCORES, ["anomalyclip"]).data.split("\n\n")
    assert own.startswith(
        f"AnomalyCLIP, in windows, beside WinCLIP: {gap}. Trained there, beside untrained: AUPRO +3.0"
    )
    assert worth.startswith(
        "**Verdict.** Above both of its parents beyond chance: AnomalyCLIP, trained in windows (AUPRO) and "
        "AnomalyCLIP, trained in windows (image AUROC)."
    )


def test_the_table_beside_it_has_what_the_sentences_rest_on():
    found = hybrids.shown_differences(differences(aupro=TRAINED))
    assert len(found) == 10 and set(found.metric) == {"AUPRO", "image AUROC"}
    row = found[(found.pair == f"{TRAINED} − WinCLIP") & (found.metric == "AUPRO")].iloc[0]
    assert row.tolist()[2:] == [3.0, 2.0, 4.0, 90.0, 1.5, "4 of 6"]
