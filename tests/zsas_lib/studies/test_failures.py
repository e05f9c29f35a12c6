"""Hardest pictures: damaged ones only, one of each category, worst first; and which of them models share."""

import pandas as pd
import pytest

from zsas_lib.evaluation.tables import ResultTable
from zsas_lib.studies.failures import (
    expected_overlap,
    failure_summary,
    hardest_pictures,
    hardest_tenth,
    mean_per_image,
    own_auroc,
    rank_agreement,
)

PICTURES = pd.DataFrame(
    {
        "path": list("abcdef"),
        "category": ["nut", "nut", "pill", "pill", "bolt", "bolt"],
        "is_anomalous": [True, True, True, False, True, True],
        "pixel_auroc": [0.3, 0.2, 0.5, float("nan"), 0.5, 0.9],
    }
)


def test_one_of_each_category_worst_first():
    assert hardest_pictures(PICTURES, 2).path.tolist() == ["b", "c"]
    assert hardest_pictures(PICTURES, 9).path.tolist() == ["b", "c", "e"]


def test_at_least_one_is_asked_for():
    with pytest.raises(ValueError, match="at least one picture, got count=0"):
        hardest_pictures(PICTURES, 0)


def test_trainings_are_averaged_picture_by_picture():
    runs = [ResultTable({"pixel_auroc": [0.5]}) for _ in range(2)]
    for run, step in zip(runs, (0.0, 0.1)):
        run.per_image = PICTURES.assign(pixel_auroc=PICTURES.pixel_auroc + step)
    mean = mean_per_image(runs)
    assert mean.pixel_auroc.dropna().tolist() == pytest.approx([0.35, 0.25, 0.55, 0.55, 0.95])
    assert mean.drop(columns="pixel_auroc").equals(PICTURES.drop(columns="pixel_auroc"))


def test_own_auroc_is_of_damaged_pictures_that_all_models_have():
    lacking = PICTURES.assign(pixel_auroc=[0.1, float("nan"), 0.2, float("nan"), 0.3, 0.4])
    own = own_auroc({"one": PICTURES, "other": lacking})
    assert own.index.tolist() == ["a", "c", "e", "f"]
    assert own.one.tolist() == [0.3, 0.5, 0.5, 0.9] and own.other.tolist() == [0.1, 0.2, 0.3, 0.4]


@pytest.fixture
def own():
    """Twenty pictures: the second model shares one of the first one's two hardest, the third is the first, reversed."""
    first = [0.4 + place / 50 for place in range(20)]
    second = [first[19], first[0], *first[1:18], first[18]]
    table = pd.DataFrame({"A": first, "B": second, "C": first[::-1]}, index=[f"p{place:02}" for place in range(20)])
    return table


def test_the_hardest_tenth_and_what_chance_would_share(own):
    assert hardest_tenth(own) == {"A": {"p00", "p01"}, "B": {"p01", "p02"}, "C": {"p18", "p19"}}
    assert hardest_tenth(own.head(5))["A"] == {"p00"}
    assert expected_overlap(20) == pytest.approx(0.2) and expected_overlap(5) == pytest.approx(0.2)


def test_a_summary_counts_by_model(own):
    defects = pd.Series(["crack"] * 10 + ["hole"] * 10, index=own.index)
    table = failure_summary(own, defects, "A")
    assert table.index.tolist() == ["A", "B", "C"] and table.index.name == "model"
    assert table.lowest.tolist() == pytest.approx([0.4] * 3)
    assert table["median"]["A"] == pytest.approx(0.59)
    assert table.below_chance.tolist() == [5, 5, 5]  # 0.40 to 0.48
    assert table.shared.tolist() == [2, 1, 0]
    assert table.hardest_defect.tolist() == ["crack", "crack", "hole"]


def test_rank_agreement_has_every_pair_once(own):
    ranks = rank_agreement(own)
    assert ranks.index.tolist() == [("A", "B"), ("A", "C"), ("B", "C")]
    assert ranks["A", "C"] == pytest.approx(-1.0)
    assert ranks["A", "B"] == pytest.approx(own.A.corr(own.B, method="spearman"))
