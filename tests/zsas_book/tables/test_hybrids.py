"""What the chapter on learned sentences in windows says, against sentences written by hand."""

import pandas as pd

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


def test_the_verdict_says_gaps_with_their_chance_and_whether_a_hybrid_beats_both_parents():
    said = hybrids.verdict(differences(), SCORES, ["anomalyclip"])
    gap = (
        "-0.5 points of {} (95 % interval -1.5 to +0.5, 90 % of resamples agree in sign, power 1.5, within chance; "
        "above in 4 of 6 categories)"
    )
    assert said[0] == (
        "AnomalyCLIP, in windows, against WinCLIP's hand-written sentences: "
        f"{gap.format('AUPRO')} and {gap.format('image AUROC')}."
    )
    assert said[-1] == (
        "No hybrid is above both of its parents beyond chance, by any of 4 metrics. Not above the best trivial map by "
        "AUPRO: AnomalyCLIP, in windows."
    )
    said = hybrids.verdict(differences(aupro=TRAINED, image_auroc=TRAINED), SCORES, ["anomalyclip"])
    assert (
        "+3.0 points of AUPRO (95 % interval +2.0 to +4.0, 90 % of resamples agree in sign, power 1.5; above" in said[1]
    )
    assert said[-1].startswith(
        "Above both of its parents beyond chance: AnomalyCLIP, trained in windows (AUPRO) and AnomalyCLIP, trained in "
        "windows (image AUROC)."
    )
