"""Groups of defects in tables and sentences."""

import numpy as np
import pandas as pd
import pytest
from toy import toy_dataset

from zsas_book.tables.defects import (
    apart_in_words,
    beside_k_groups,
    contrast_in_words,
    groups_in_words,
    orders_in_words,
    reasons_in_words,
    shown_apart,
    shown_groups,
)
from zsas_lib.data.dataset import AnomalyDataset

NAMES = ["image_auroc", "pixel_auroc"]


def summary(groups: dict[str, float], categories: int = 2) -> pd.DataFrame:
    table = pd.DataFrame({name: pd.Series(groups) for name in NAMES}).rename_axis("group")
    for name in NAMES:
        table[f"{name}_std"], table[f"{name}_se"], table[f"{name}_beside"] = 0.02, 0.01, table[name] - 0.7
    return table.assign(categories=categories, defects=3, pictures=4).sort_values("image_auroc")


SUMMARIES = {
    ("winclip", "contrast"): summary({"low": 0.6, "medium": 0.7, "high": 0.9}),
    ("winclip", "type"): summary({"surface_damage": 0.8, "missing_material": 0.5}),
    ("anomalyclip", "contrast"): summary({"low": 0.7, "medium": 0.8, "high": 0.6}),
    ("anomalyclip", "type"): summary({"missing_material": 0.9}),
}


def test_groups_have_a_row_for_each_model_with_the_deviation_in_the_cell():
    page = shown_groups(SUMMARIES, "type").to_html().replace("\N{NO-BREAK SPACE}", " ")
    assert page.index("missing material") < page.index("surface damage")  # worst first for the first model
    assert "50.0 ± 2.0" in page and "90.0 ± 2.0" in page and "-20.0" in page and "+20.0" in page
    levels = shown_groups(SUMMARIES, "contrast").to_html()
    assert levels.index("low") < levels.index("medium") < levels.index("high")


def test_differences_stand_in_the_order_of_the_groups():
    groups = [("all", "all"), ("contrast", "high"), ("contrast", "low")]
    groups += [("type", "surface_damage"), ("type", "missing_material")]
    rows = [
        {"grouping": by, "group": group, "model": "winclip", "over": over, "metric": name}
        | {"gap": 0.1, "low": 0.05, "high": 0.2}
        for over in ("clip", "best_trivial_map")
        for by, group in groups
        for name in NAMES
    ]
    page = shown_apart(pd.DataFrame(rows), SUMMARIES).to_html()
    assert [page.count(f">{number}<") for number in ("+10.0", "+5.0", "+20.0")] == [2 * len(groups) * len(NAMES)] * 3
    places = [page.rindex(f">{group}<") for group in ("all", "low", "high", "missing material", "surface damage")]
    assert places == sorted(places)


def test_groups_beyond_chance_are_named_for_each_pair_and_metric():
    rows = [
        {"group": group, "model": "winclip", "over": "clip", "metric": name, "gap": gap, "low": gap - 0.1, "high": 0.4}
        for name in reversed(NAMES)
        for group, gap in (("low", 0.012), ("surface_damage", 0.123), ("high", 0.2))
    ]
    assert apart_in_words(pd.DataFrame(rows)) == [
        f"WinCLIP less CLIP in {name}, group by group, beyond chance: surface damage +12.3 and high +20.0."
        for name in ("pixel AUROC", "image AUROC")
    ]


def test_what_is_found_worst_and_best_and_what_contrast_is_worth():
    rows = [(name, "contrast", level, value) for name in "ab" for level, value in (("low", 0.5), ("high", 0.7))]
    metrics = pd.DataFrame(rows, columns=["category", "grouping", "group", "image_auroc"])
    said = groups_in_words([metrics.assign(pixel_auroc=0.5)], SUMMARIES["winclip", "type"])
    assert said[0].startswith("From low to high contrast, image AUROC changes by +20.0 points (95 % interval +20.0")
    assert "missing material has the lowest image AUROC beside its categories (-20.0 points)" in said[2]
    assert "surface damage the highest (+10.0)" in said[2] and len(said) == 4
    other = metrics.assign(image_auroc=metrics.image_auroc + 0.1 * (metrics.group == "high"))
    trained = groups_in_words([own.assign(pixel_auroc=0.5) for own in (metrics, other)], SUMMARIES["winclip", "type"])
    assert "changes by +25.0 points (95 % interval -38.5 to +88.5" in trained[0]  # of two trainings ten points apart
    alike = groups_in_words([metrics.head(1).assign(pixel_auroc=0.5)], summary({"multiple": 0.5, "other": 0.5}))
    assert alike == [
        f"The types that several categories have are alike in {name} AUROC." for name in ("image", "pixel")
    ]
    alone = groups_in_words([metrics.head(1).assign(pixel_auroc=0.5)], summary({"multiple": 0.5}))
    assert alone == ["Too few categories and groups to compare."]
    apart = summary({"multiple": 0.5, "other": 0.6}, categories=1)
    assert groups_in_words([metrics.head(1).assign(pixel_auroc=0.5)], apart) == alone, "no category has both"


def test_paper_k_s_groups_stand_beside_every_model():
    table = beside_k_groups(SUMMARIES, {"winclip": "winclip", "anomalyclip": "toy"})
    assert len(table) == 2 * (3 + 10)
    rows = table.set_index(["claim", "model"])
    low = rows.loc[("K Table 5, low", "AnomalyCLIP")]
    assert low[["reported", "± K", "reproduced", "±"]].tolist() == pytest.approx([76.8, 9.0, 70.0, 2.0])
    assert low.verdict == "not comparable: toy"
    assert rows.loc[("K Table 6, multiple", "WinCLIP"), "verdict"] == "not measured"


def test_orders_are_compared_where_three_groups_are_common():
    said = orders_in_words(SUMMARIES, ["winclip", "anomalyclip"])
    assert said[0] == "By contrast, paper K's order from worst to best found is low, medium and high."
    assert said[1] == "WinCLIP's here is low, medium and high (rank correlation 1.00)."
    assert said[2] == "AnomalyCLIP's here is high, low and medium (rank correlation -0.50)." and len(said) == 3
    alike = {key: table.assign(image_auroc=1.0) for key, table in SUMMARIES.items()}
    assert orders_in_words(alike, ["winclip"])[1] == "WinCLIP has no order here: to it all of them are alike."
    types = ["multiple", "foreign_material", "surface_damage", "missing_material"]
    some = {
        ("winclip", "type"): summary(dict(zip(types, (0.5, 0.6, 0.7, 0.8)))),
        ("anomalyclip", "type"): summary(dict(zip(types[1:], (0.6, 0.7, 0.8)))),
    }
    some |= {(name, "contrast"): summary({"low": 0.5}) for name, _ in some}
    both, *each = orders_in_words(some, ["winclip", "anomalyclip"])
    assert "multiple" not in both and len(each) == 2 and all("multiple" not in said for said in each)
    few = {key: table.head(1) for key, table in SUMMARIES.items()}
    assert orders_in_words(few, ["winclip"]) == ["Too few groups to compare orders."]


def test_contrast_is_told_with_its_thresholds_and_what_was_drawn(tmp_path):
    pictures = toy_dataset(tmp_path, {"ring": 3})
    defects = pd.DataFrame({"path": ["a", "b", "c"], "category": "ring", "contrast": [0.1, 0.2, 0.3]})
    plain = contrast_in_words(pictures, defects, [0.15, 0.25])
    assert plain[0] == "Here *low* lies below 0.150, *high* from 0.250." and "does not say" in plain[1]
    assert contrast_in_words(pictures, defects, None)[0] == "Here *low* lies below 0.167, *high* from 0.233."
    drawn = pd.DataFrame({"image": ["a", "b", "c"], "category": "ring", "contrast": [0.2, 0.3, 0.5]})
    drawn.assign(contrast_level=["low", "medium", "high"]).to_csv(pictures.root / "defects.csv", index=False)
    told = contrast_in_words(AnomalyDataset("embedded-b", pictures.root, pictures.records), defects, None)
    assert "the mean of the measure is 0.100, 0.200, 0.300." in told[1] and "is 1.00:" in told[2]
    of_embedded = AnomalyDataset("embedded-b", pictures.root, pictures.records)
    single = contrast_in_words(of_embedded, defects.head(1), [0.15, 0.25])
    assert single[1].endswith("the mean of the measure is 0.100, none, none.")
    assert single[2] == "How far it agrees with what was drawn cannot be told from these defects."
    drawn.assign(contrast_level=["low", "high", "low"]).to_csv(pictures.root / "defects.csv", index=False)
    told = contrast_in_words(AnomalyDataset("embedded-b", pictures.root, pictures.records), defects, None)
    assert "the mean of the measure is 0.200, none, 0.200." in told[1]


@pytest.mark.slow
def test_being_found_goes_along_with_contrast_or_with_area():
    order = np.arange(100.0)
    mixed = np.random.default_rng(0).permutation(order)
    found = pd.DataFrame({"contrast": order, "area": mixed, "exceeds": order})
    ranks, so = reasons_in_words(found)
    assert "with contrast is 1.00" in ranks and "(± 0.10 by chance)" in ranks
    assert so == "So contrast goes along with being found more than the other does."
    assert reasons_in_words(found.assign(area=order))[1] == "The difference of the two is within chance."
    assert (
        reasons_in_words(found.head(1))
        == reasons_in_words(found.assign(area=0.5))
        == ["Whether being found goes along with contrast or with area cannot be told from these damaged pictures."]
    )
    other = reasons_in_words(found.assign(contrast=mixed, area=-order))
    assert "with area -1.00" in other[0] and other[1].startswith("So area goes along with being found more")
    half = found.assign(exceeds=found.exceeds.where(found.exceeds < 50))  # the rest have no good picture beside them
    assert "with contrast is 1.00" in reasons_in_words(half)[0] and "(± 0.14 by chance)" in reasons_in_words(half)[0]


def test_where_all_is_found_alike_nothing_goes_along_with_it():
    found = pd.DataFrame({"contrast": [0.1, 0.2, 0.4], "area": [0.3, 0.1, 0.2], "exceeds": 1.0})
    (unknown,) = reasons_in_words(found)
    assert unknown.endswith("cannot be told from these damaged pictures.")
    groups = {("winclip", "contrast"): summary(dict.fromkeys(["low", "medium", "high"], 1.0))}
    groups["winclip", "type"] = groups["winclip", "contrast"].head(0)
    assert orders_in_words(groups, ["winclip"])[1] == "WinCLIP has no order here: to it all of them are alike."
    groups["winclip", "contrast"] = summary({"low": 0.5, "medium": np.nan, "high": 0.7})  # without a good picture
    assert orders_in_words(groups, ["winclip"])[1] == "WinCLIP has no order here: not all of them have a number."
    nothing = summary({"multiple": np.nan, "other": np.nan}).assign(pixel_auroc_beside=[0.1, 0.2])
    metrics = pd.DataFrame(columns=["category", "grouping", "group", *NAMES])
    assert groups_in_words([metrics], nothing)[0] == "The types that several categories have are without image AUROC."
