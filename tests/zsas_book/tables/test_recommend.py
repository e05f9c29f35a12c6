"""What the chapter on which method to take says, against sentences written by hand."""

import numpy as np
import pandas as pd
import pytest

from zsas_book.tables import recommend

COLUMNS = ["need", "of", "method", "measured", "value", "before", "gap", "se", "low", "high", "agree", "power"]
UNKNOWN = [np.nan] * 5
TABLE = pd.DataFrame(
    [
        ["the best map", 3, "vcpclip+", "aupro", 0.81, "winclip", 0.02, 0.005, 0.01, 0.03, 1.0, 0.014],
        ["no bad category", 3, "clip", "worst category", 0.4, "winclip", 0.1, *UNKNOWN],
        ["few false alarms", 3, "winclip", "false alarms", 0.2, "clip", 0.05, 0.04, -0.03, 0.13, 0.9, 0.1],
        ["little memory", 1, "clip", "aupro", 0.5, "", np.nan, *UNKNOWN],
    ],
    columns=COLUMNS,
)


def test_a_sentence_for_each_need():
    assert recommend.in_words(TABLE) == [
        "For the best map: VCP-CLIP+, 81.0 % AUPRO, by +2.0 points before WinCLIP (95 % interval +1.0 to +3.0, 100 % "
        "of resamples agree in sign, power 1.4).",
        "For no bad category: CLIP, 40.0 % AUPRO in its worst category, by +10.0 points before WinCLIP (no interval).",
        "For few false alarms: WinCLIP, 20.0 % false alarms where 95 % of the damaged pictures are found, by +5.0 "
        "points before CLIP (95 % interval -3.0 to +13.0, 90 % of resamples agree in sign, power 10.0), which is "
        "within chance.",
        "For little memory: CLIP, 50.0 % AUPRO.",
    ]


def test_the_table_has_labels_and_percents():
    shown = recommend.shown_needs(TABLE)
    assert shown.loc[0, ["method", "before", "measured"]].tolist() == ["VCP-CLIP+", "WinCLIP", "AUPRO"]
    assert shown.loc[0, ["value", "gap", "power"]].tolist() == pytest.approx([81.0, 2.0, 1.4])
    assert shown.loc[[0, 2], "agree"].tolist() == [100, 90]
