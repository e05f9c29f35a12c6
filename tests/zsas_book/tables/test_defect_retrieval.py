"""What words find above chance, in percent and in words."""

import pandas as pd
import pytest

from zsas_book.tables import defect_retrieval as tables


def table(found: float) -> pd.DataFrame:
    rows = []
    for place, category in enumerate(["a", "b", "c"]):
        for direction in ("text to defect", "defect to text"):
            row = {"category": category, "direction": direction, "queries": 3, "items": 9}
            for name in tables.MEASURES:
                row |= {name: found + 0.01 * place * (direction == "text to defect"), f"{name}_chance": 0.3}
            rows.append(row)
    return pd.DataFrame(rows)


def test_what_is_above_chance_is_paired_by_category():
    rows = tables.against_chance(table(0.5)).set_index(["direction", "measure"])
    row = rows.loc[("text to defect", "AP")]
    assert (row.found, row.chance, row.above) == pytest.approx((51, 30, 21)) and 0 < row.low < 21 < row.high
    first, second = tables.found_in_words(rows.reset_index())
    assert first.startswith("A sentence about a kind of defect ranks the pictures that have it above chance: AP 51 %")
    assert "A damaged picture ranks the sentence about its defect above chance: AP 50 %" in second
    below = tables.found_in_words(tables.against_chance(table(0.1)))
    assert "below chance" in below[0]
    alone = tables.against_chance(table(0.5).query("category == 'a'"))
    assert alone.low.isna().all()
    assert tables.found_in_words(alone)[0] == (
        "A sentence about a kind of defect ranks the pictures that have it within or beyond chance: AP 50 % where a "
        "random order has 30 % (+20.0 points, no interval)."
    )
