import numpy as np
import pandas as pd
import pytest

from zsas_book.tables import zoo as tables
from zsas_lib.backbones.zoo import zoo_cards
from zsas_lib.base.errors import OptionError
from zsas_lib.evaluation.paired import flat_gaps


def whole(shift=0.0, **known):
    rng = np.random.default_rng(0)
    gaps = pd.DataFrame({"category": [f"c{i}" for i in range(20)], "ece": rng.normal(0.1, 0.05, 20) + shift})
    return flat_gaps(gaps.assign(**known), list(known))


def test_cards_have_a_row_for_each_member():
    cards = [card for card in zoo_cards() if card.name in ("reference", "short")]
    table = tables.cards_table(cards)
    assert list(table.index) == ["reference", "short"]
    assert table.loc["short", "in place of"] == "1,000 steps" and table.loc["reference", "in place of"] == ""
    assert table.loc["reference", "seeds"] == 3 and table.loc["reference", "seen"] == "128,000"


def test_absent_networks_are_named_with_their_reason():
    assert tables.absent_in_words({}) == ""
    found = tables.absent_in_words({"vit:7": "it is not trained yet", "few:7": "it is not trained yet"})
    assert found == "Left out: vit:7 and few:7 (it is not trained yet)."


def test_a_page_without_any_network_says_why():
    cards = zoo_cards()[:2]
    assert tables.networks_in_words(cards, {"a": "gone"}) == ["2 networks.", "Left out: a (gone)."]
    with pytest.raises(OptionError, match="Expected networks that can be had here, got none. a: gone"):
        tables.networks_in_words([], {"a": "gone"})


def test_intervals_become_wide_tables_in_their_order():
    both = pd.concat([whole(0.0, member="b", factor="pose"), whole(0.2, member="a", factor="pose")])
    sure = tables.intervals(both, "ece")
    table = tables.wide(sure, "member", "factor")
    assert list(table.index) == ["b", "a"] and table.loc["a", "pose"] - table.loc["b", "pose"] == pytest.approx(0.2)
    assert (sure["low"] > 0).all()
    assert tables.clear(sure.assign(low=[-1.0, 0.1]), "member").startswith("a +")
    assert tables.clear(sure.assign(low=-1.0), "member") == "none"


def test_changes_of_ways_are_paired():
    errors = pd.concat(
        [whole(0.0, member="a", set="clean", way="before"), whole(-0.03, member="a", set="clean", way="after")]
    )
    changes = tables.changes_of_ways(errors, "before", "after", ["ece"])
    assert changes.loc[0, "gap"] == pytest.approx(-0.03) and changes.loc[0, "se"] == pytest.approx(0, abs=1e-9)
    said = tables.of_changes(changes, "clean", "ece")
    assert said == "-3.0 points in the mean over 1 member (beyond chance down in 1, up in 0)"


@pytest.mark.slow
def test_ranks_over_networks_have_an_interval():
    table = pd.DataFrame({"accuracy": np.arange(6.0), "mAP": np.arange(6.0) ** 2, "member": list("abcdee")})
    found = tables.ranks(table, ["mAP"], "direction")
    assert found.loc[0, "rank"] == pytest.approx(1) and found.loc[0, "networks"] == 6
    assert tables.foretold_in_words(found) == [
        "Accuracy in plain view and mAP: rank correlation +1.00 (over 6 networks, 95 % interval +1.00 to +1.00 over 5 "
        "resampled members, each with all its seeds)."
    ]


def test_where_one_number_is_the_same_for_all_there_is_no_rank_correlation():
    table = pd.DataFrame({"accuracy": [0.5], "mAP": [0.7], "member": ["one"]})
    said = tables.foretold_in_words(tables.ranks(table, ["mAP"], "direction"))
    assert said == ["Accuracy in plain view and mAP: no rank correlation (over 1 network)."]


def test_all_members_are_told_off_the_line_also_those_that_make_it():
    rows = [
        ("a", "all", 0.05, 0.02),
        ("vit", "all", 0.01, -0.02),
        ("vit", "pose", -0.04, -0.06),
        ("a", "pose", 0.1, 0.1),
    ]
    effective = pd.DataFrame(rows, columns=["member", "factor", "gap", "low"])
    effective["high"] = 2 * effective["gap"] - effective["low"]
    assert tables.off_the_line(effective, "all", ["vit"]) == [
        "Over all factors these lie off the line beyond chance: a +5.0 (+2.0 to +8.0).",
        "Factor by factor, the vit under pose -4.0 (-6.0 to -2.0).",
    ]
    unknown = effective.assign(gap=np.nan, low=np.nan, high=np.nan)
    assert tables.off_the_line(unknown, "all", ["vit"]) == ["Too few networks make a line, so that none can be off it."]
