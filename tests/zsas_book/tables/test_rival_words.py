"""Sentences on VCP-CLIP+ and its rivals, against sentences written by hand, and V's own numbers."""

import pandas as pd
from flats import flat_of

from zsas_book.tables import rival_words
from zsas_lib.papers.rivals import printed_rivals

V = printed_rivals("mvtec")


def test_who_leads_here_and_in_v():
    means = flat_of({("WinCLIP",): 0.9, ("VCP-CLIP+",): 0.92}, ["variant"], ("pixel_auroc", "aupro"), own=0.001)
    first, second = rival_words.leads_in_words(means, V.numbers, ["pixel_auroc", "aupro"])
    assert first.startswith("In pixel AUROC VCP-CLIP+ leads over WinCLIP by +2.0 points (95 % interval +1.")
    assert first.endswith("; in V VCP-CLIP+ leads.")
    assert second.startswith("In AUPRO VCP-CLIP+ leads") and second.endswith("; in V VCP-CLIP+ leads.")


def test_what_the_image_score_moves():
    scores = pd.DataFrame(
        {"own": [80.0, 81.0], "top 2000": [79.0, 70.0], "top 1": [79.0, 78.0]}, index=["WinCLIP", "VCP-CLIP"]
    )
    said = rival_words.scores_in_words(scores, V.scores)
    assert said == [
        "Of the three scores the leader is VCP-CLIP by the own, WinCLIP by the 2000 highest pixels, WinCLIP by the "
        "highest.",
        "The choice moves VCP-CLIP most, by 11.0 points of image AUROC.",
        "In V's Tables 6 and 7 the score moves AdaCLIP most, by +14.3, and its leader is AA-CLIP by both.",
    ]
    assert len(rival_words.scores_in_words(scores, printed_rivals("visa").scores)) == 2


def test_one_leader_by_all():
    scores = pd.DataFrame(
        {"own": [80.0, 70.0], "top 2000": [79.0, 70.0], "top 1": [79.0, 78.0]}, index=["WinCLIP", "VCP-CLIP"]
    )
    said = rival_words.scores_in_words(scores, printed_rivals("visa").scores)
    assert said[0] == "Of the three scores the leader is WinCLIP by all."


def test_rates_here_and_in_v():
    rates = pd.DataFrame({"tpr": [90.0, 95.4], "tnr": [50.0, 60.0]}, index=["WinCLIP", "VCP-CLIP"])
    here = (
        "On average over seeds between 90 and 95 % of the damaged pictures are found while 50 to 60 % of the sound "
        "ones pass."
    )
    assert rival_words.rates_in_words(rates, V.rates) == [
        here,
        "V prints 94.1 to 98.1 % found and 29.8 to 72.2 % passed; the highest hit rate there is WinCLIP's, with the "
        "lowest share passed.",
    ]
    assert rival_words.rates_in_words(rates, printed_rivals("visa").rates) == [here]
