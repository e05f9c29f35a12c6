"""What may be turned, and paper S's tables of corner errors beside a page's."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zsas_book.tables.turning import beside_corner_errors, cut_choices, may_turn
from zsas_lib.data import official
from zsas_lib.data.dataset import AnomalyDataset, Record
from zsas_lib.data.load import load_dataset
from zsas_lib.papers.printed import corner_errors
from zsas_lib.robustness.suitability import Cut


def listed(name: str, categories=None) -> AnomalyDataset:
    """Every official test picture of these categories, as a loader would list it."""
    records = [
        Record(Path(f"/data/{part.category}/{part.kind}/{number}.png"), None, part.category, part.kind)
        for part, count in official.counts(name).items()
        if part.split == "test" and (categories is None or part.category in categories)
        for number in range(count)
    ]
    return AnomalyDataset(name, Path("/data"), records, 240)


@pytest.mark.slow
def test_products_declare_it_and_paper_s_says_what_it_used():
    declared = may_turn(load_dataset("embedded-b", categories=["ceramic_ring", "woven_sheet"]))
    assert declared.name == "declared" and declared.to_dict() == {"ceramic_ring": True, "woven_sheet": False}
    used = may_turn(listed("mvtec", ["leather", "bottle"]))
    assert used.name == "used by paper S" and used.to_dict() == {"bottle": True, "leather": False}


def test_of_other_data_sets_nobody_says_it():
    known = may_turn(listed("mpdd"))
    assert known.name == "may be turned" and known.isna().all()


def test_nobody_misses_what_nobody_knows():
    errors = pd.Series({"hazelnut": 0.01, "nut": 0.1})
    unknown = pd.Series({"hazelnut": None, "nut": None}, dtype=object)
    table = cut_choices(errors, unknown, {"VisA": Cut(0.02, 5.0)}, 0.02)
    assert table.kept.tolist() == [1, 1]
    assert table[["missed", "let in"]].to_numpy().tolist() == [["not known"] * 2] * 2
    partly = cut_choices(errors, unknown.fillna({"nut": True}), {"VisA": Cut(0.02, 5.0)}, 0.02)
    assert partly.missed.tolist() == ["nut", "nut"] and partly["let in"].tolist() == ["none", "none"]


def test_a_threshold_of_the_page_s_own_is_one_more_rule():
    errors, fit = pd.Series({"ceramic_ring": 0.01, "bar": 0.1}), pd.Series({"ceramic_ring": False, "bar": True})
    cuts = {"VisA": Cut(0.02, 5.0)}
    table = cut_choices(errors, fit, cuts, 0.02)
    assert table.rule.tolist() == ["paper S's cut for VisA", "widest gap"]
    assert table["let in"].tolist() == ["ceramic ring"] * 2 and table["neighbours' ratio"][0] == 5.0
    assert cut_choices(errors, fit, cuts, 0.5).missed.tolist() == ["bar", "bar", "none"]
    assert cut_choices(errors[:1], fit[:1], cuts, 0.02).rule.tolist() == ["paper S's cut for VisA"]


def test_the_order_of_all_pictures_may_stand_beside_the_printed_one():
    mvtec, visa = beside_corner_errors(corner_errors("MVTec-AD").corner_mse, listed("mvtec")).to_dict("records")
    assert mvtec["verdict"] == "order agrees to 1.00 over 15 categories" and mvtec["largest"] == "zipper 0.93"
    assert visa["verdict"] == "not comparable: mvtec" and np.isnan(visa["rank correlation"])


def test_some_pictures_may_not_though_their_rank_is_told():
    errors = -corner_errors("MVTec-AD").corner_mse
    row = beside_corner_errors(errors, listed("mvtec").select(per_category=4)).iloc[0]
    assert row["rank correlation"] == -1.0 and row.verdict == "not comparable: 60 of 1,725 pictures"
