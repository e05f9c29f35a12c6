"""Means over groups of categories."""

import pandas as pd
import pytest

from zsas_lib.studies.groups import group_means


def test_means_leave_the_mean_row_out():
    table = pd.DataFrame({"pixel_auroc": [0.6, 0.8, 0.5, 9.0]}, index=["a", "b", "c", "mean"])
    means = group_means(table, {"a": "x", "b": "x", "c": "y"})
    assert means.pixel_auroc.to_dict() == pytest.approx({"x": 0.7, "y": 0.5})
