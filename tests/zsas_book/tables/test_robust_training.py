"""Tables and sentences about trainings under perturbations."""

import pandas as pd
import pytest

import zsas_lib as zsas
from zsas_book.tables import averaging, robust_training
from zsas_lib.evaluation.paired import over_categories
from zsas_lib.perturbations import OF_PAPER_S
from zsas_lib.robustness.robust_training import changes
from zsas_lib.robustness.search.whole_sets import bounds


@pytest.fixture(scope="module")
def found():
    names = ["ceramic_ring", "woven_sheet"]
    pictures = zsas.load_dataset("embedded-b", categories=names, image_size=36).select(per_category=4)
    searching = {"combinations": [OF_PAPER_S], "search": "random", "steps": 3, "resamples": 12}
    return [bounds(zsas.load_model(name), pictures, **searching) for name in ("local-contrast", "median-colour")]


@pytest.mark.slow
def test_rows_are_in_percent_with_what_a_training_costs(found):
    one, other = found
    rows = robust_training.over_models(
        {"anomalyclip": {"plain": [one], "worst of looks": [other]}}, "aupro", {"anomalyclip": True}
    )
    expected = changes({"plain": [one], "worst of looks": [other]}, "aupro")
    assert rows.closed_gap.tolist() == pytest.approx((100 * expected.closed_gap).tolist())
    assert rows[["model", "training", "points", "looks"]].to_numpy().tolist() == [
        ["anomalyclip", "plain", 1, 1],
        ["anomalyclip", "worst of looks", 16, 8],
    ]
    values, errors = robust_training.panels_of(rows)
    assert values["anomalyclip"].loc["worst of looks"].tolist() == pytest.approx(
        rows.loc[1, ["clean_gap", "worst_gap", "closed_gap"]].tolist()
    )
    assert list(errors["anomalyclip"]) == list(robust_training.PANELS.values())
    bare = robust_training.shown_rows(rows)
    assert bare.model.tolist() == ["AnomalyCLIP"] * 2 and bare["closed high"].iloc[1] == rows.closed_high[1]
    rows = rows.assign(closed_gap=3.0, closed_low=1.0, closed_high=5.0, share=20.0, clean_gap=-2.0, clean_low=-3.0)
    rows = rows.assign(clean_high=-1.0)
    (said,) = robust_training.in_words(rows, "aupro")
    assert said.startswith("AnomalyCLIP, worst of looks, points of AUPRO: worst cases ")
    assert said.endswith(", pictures as they are -2.0 (a loss) and gap closed +3.0 (20 % of it, a gain).")
    (said,) = robust_training.in_words(rows.assign(share=float("nan")), "aupro")
    assert said.endswith(" and gap closed +3.0 (a gain)."), "of a gap that was not open there is no share"
    told = {"closed_agree": 90.0, "closed_power": 4.0, "way": "turned"}
    for share, of_it in ((20.0, "20 % of it, "), (float("nan"), "")):
        (said,) = averaging.worst_in_words(rows[1:].assign(**told, share=share), "aupro")
        assert f"closes by +3.0 points, {of_it}beyond chance (95 % interval +1.0 to +5.0, 90 %" in said


def test_looks_have_intervals_over_categories():
    rows = [("a", 0.2, 0.4), ("a", 0.4, 0.6), ("b", 0.7, 0.5)]
    own = pd.DataFrame([{"category": c, "patches": 0.3, "cost": 0.25, "rank": r, "gained": g} for c, r, g in rows])
    (row,) = robust_training.shown_looks({"anomalyclip": own}).to_dict("records")
    assert row["model"] == "AnomalyCLIP" and (row["patches"], row["cost"]) == pytest.approx((30, 25))
    assert (row["rank"], row["gained"], row["gained low"]) == pytest.approx((0.5, 50, 50))
    sure = over_categories(pd.Series([0.3, 0.7], index=["a", "b"]))
    assert (row["rank low"], row["rank high"]) == pytest.approx((sure.low, sure.high))
    (single,) = robust_training.shown_looks({"vcpclip+": own[:2]}).to_dict("records")
    assert single["rank"] == pytest.approx(0.3) and pd.isna(single["rank low"])
    none = robust_training.shown_looks({})
    assert none.empty and list(none) == list(row), "the page of a model without a look has the table's head"


@pytest.mark.slow
def test_ways_at_their_own_worst_case(found):
    one, other = found
    rows = averaging.at_worst({"winclip": {"single pass": [one], "turned": [other]}}, "aupro")
    assert rows.way.tolist() == ["single pass", "turned"] and rows.columns[0] == "model"
    (said,) = averaging.worst_in_words(rows.assign(closed_gap=-1.0, closed_low=-3.0, closed_high=1.0), "aupro")
    assert said.startswith("WinCLIP, turned: the gap of AUPRO to its own worst case closes by -1.0 points")
    assert ", within chance (95 % interval -3.0 to +1.0" in said
