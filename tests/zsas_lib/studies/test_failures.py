"""Hardest pictures: damaged ones only, one of each category, worst first."""

import pandas as pd
import pytest

from zsas_lib.studies.failures import hardest_pictures

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
