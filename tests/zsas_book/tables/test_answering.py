import numpy as np
import pandas as pd
import pytest

from zsas_book.tables import answering as tables
from zsas_lib.evaluation.sampled import ITSELF
from zsas_lib.robustness import answering as science


@pytest.fixture(scope="module")
def answered():
    wrong = np.array([True] * 6 + [False] * 4)
    names = np.arange(10) // 2
    right = {science.TOWER: ~wrong, science.HEAD: np.arange(10) % 2 == 0, science.SECOND: wrong}
    neutral = {science.TOWER: np.ones(10, bool), science.HEAD: np.arange(10) < 5}
    kinds = {science.FAILURES: wrong, science.MASTERED: ~wrong}
    parts = [science.shares(right, own, names, {"member": "m", "questions": kind}, 20) for kind, own in kinds.items()]
    everything = np.ones(10, bool)
    parts.append(science.shares(neutral, everything, names, {"member": "m", "questions": science.NEUTRAL}, 20))
    return pd.concat(parts, ignore_index=True).assign(run=0)


def test_the_table_is_in_percent_with_what_the_answerer_has_more(answered):
    table = tables.answers_table(answered).set_index("questions")
    row = table.loc[science.FAILURES]
    assert (row["share"], row["tower"], row["answerer"], row["tower's second guess"]) == (60, 0, 50, 100)
    assert row["more than tower"] == 50 and np.isnan(row["another seed"])
    assert table.loc[science.NEUTRAL, "more than tower"] == -50
    assert len(table) == (answered["replicate"] == ITSELF).sum()


def test_words_say_what_is_no_measurement_and_what_the_controls_have(answered):
    said = " ".join(tables.answers_in_words(answered, "m"))
    assert "the answerer has 50.0 % right, which is +50.0 points" in said
    assert (
        "whose 0.0 % is no measurement" in said and "Told that its first answer is wrong, the tower alone has" in said
    )
    assert "another seed" not in said and "the tower has 100.0 % and the answerer 50.0 %: -50.0 points" in said


def test_a_tower_without_failures_or_without_successes_is_told(answered):
    own = answered.assign(share=answered["share"].mask(answered["questions"] == science.FAILURES, 0.0))
    said = tables.answers_in_words(own, "m")
    assert said[0] == "The m's own naming gets nothing wrong, so that there is no failure to ask about."
    assert "masters" in said[1] and len(said) == 3
    own = answered.assign(share=answered["share"].mask(answered["questions"] == science.MASTERED, 0.0))
    assert not any("masters" in sentence for sentence in tables.answers_in_words(own, "m"))
