import numpy as np
import pandas as pd
import pytest

from zsas_book.tables import map_robustness as tables
from zsas_lib.robustness.effective_maps import ALL, PLAIN, SHIFTED, above_trivial


@pytest.fixture(scope="module")
def above():
    rng = np.random.default_rng(0)
    gains = {"m1": 0, "m2": 0, "m3": 0, "winclip on t": 0.2, "clip on t": 0.0}
    rows = [
        {"model": model, "category": f"c{category}", "corruption": corruption}
        | {PLAIN: (clean := 0.3 + 0.05 * place + 0.01 * rng.normal()), SHIFTED: clean - 0.1 + gain}
        for place, (model, gain) in enumerate(gains.items())
        for category in range(8)
        for corruption in ("fog", ALL)
    ]
    return above_trivial(pd.DataFrame(rows), ["m1", "m2", "m3"], resamples=50)


def test_maps_without_a_model_stand_last_and_numbers_are_in_percent(above):
    table = tables.above_table(above, ["m1", "m2", "m3"])
    assert table["model"].tolist()[-3:] == ["m1", "m2", "m3"] or {*table["model"][4:]} == {"m1", "m2", "m3"}
    row = table[(table["model"] == "winclip on t") & (table["corruption"] == "fog")].iloc[0]
    assert row["effective"] == pytest.approx(row[SHIFTED] - row["expected"]) and 15 < row["effective"] < 25
    series, errors = tables.panels_of(table)
    assert list(series["effective"].columns) == ["fog", ALL] and errors["effective"].shape == (5, 2)


def test_words_name_who_is_off_the_line_and_compare_pair_by_pair(above):
    said = " ".join(tables.above_in_words(above, ["winclip on t", "clip on t"], ["m1", "m2", "m3"]))
    assert "above the line of 3 maps: winclip on t under fog (+" in said
    assert "winclip" not in said.partition("below the line of 3 maps: ")[2].partition(".")[0]
    assert "Over all corruptions winclip on t less clip on t is +" in said
    assert tables.absent_in_words({"x": "no weights."}) == ["Left out: x (no weights)."]
