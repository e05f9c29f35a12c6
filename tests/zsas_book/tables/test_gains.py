"""Tables and sentences of gains."""

import pandas as pd
from toy import toy_dataset

from zsas_book.tables.gains import gains_beside_paper_s, gains_in_words, mean_gains, shown_gains

COLUMNS = ["original", "±", "gain where chosen", "gain held out", "gain of the oracle", "oracle, per picture"]
GAINS = pd.DataFrame(
    [[80, 2.0, 4, 3, 6, 7], [90, 1.0, 2, -1, 2, 3], [85, 1.1, 3, 1, 4, 5]],
    columns=COLUMNS,
    index=pd.Index(["ceramic_ring", "star", "mean"], name="category"),
).astype(float)


def test_gains_are_shown_with_the_error_of_the_original():
    html = shown_gains(GAINS).to_html()
    assert "80.0\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}2.0" in html and "ceramic ring" in html and "oracle, own" in html


def test_gains_in_words_say_what_is_left_of_the_oracle_s():
    said = gains_in_words(GAINS)
    assert "gain +3.0 points where they are chosen and +1.0 on the held-out half (95 % interval -2" in said[0]
    assert said[0].endswith("); they help there in 1 of 2 categories.")
    assert "and +5.0 on each one's own pixel AUROC, and a choice per category 25 % of the former." in said[1]
    assert "nothing that can be used without the mask" in said[2]
    better = GAINS.assign(**{"gain held out": [2.0, 2.1, 2.05], "gain of the oracle": 0.0})
    assert "of the former" not in gains_in_words(better)[1] and "can be learnt" in gains_in_words(better)[2]
    for held_out, words in ((-0.5, "nothing of"), (0.0, "nothing of"), (4.0, "100 % of"), (4.5, "more than")):
        gains = GAINS.assign(**{"gain held out": [held_out] * 3})
        assert gains_in_words(gains)[1].endswith(f"pixel AUROC, and a choice per category {words} the former.")
    alone = gains_in_words(GAINS.drop(index="star"))
    assert "no interval" in alone[0] and alone[2] == "One category does not tell whether that stands out from chance."


def test_mean_gains_have_the_replicates_of_their_categories():
    found = mean_gains(GAINS)
    assert found["category"].unique().tolist() == ["mean"] and found["units"].unique().tolist() == [2]
    assert found.loc[found.replicate < 0, "gain held out"].tolist() == [1.0]
    assert {*found["gain held out"]} == {3.0, 1.0, -1.0}  # one category twice, each once, the other twice


def test_what_paper_s_expects_stands_beside_the_gains(tmp_path):
    (row,) = gains_beside_paper_s(GAINS, toy_dataset(tmp_path, {"nut": 1}), "tiny").to_dict("records")
    assert row["reproduced"] == "+1.0 points held out, +4.0 by an oracle"
    assert row["verdict"] == "4 held-out pictures of toy, tiny"
