"""Groups of categories and their means."""

import pandas as pd
import pytest

from zsas_lib.base.errors import DataError
from zsas_lib.studies.groups import category_groups, group_means


def test_mvtec_has_the_papers_groups():
    groups = category_groups("mvtec", ["tile", "bottle", "cable", "my_own"])
    assert groups == {"tile": "texture", "bottle": "rigid", "cable": "flexible", "my_own": "other"}


def test_embedded_products_are_textures_or_objects():
    assert category_groups("embedded-b", ["woven_sheet", "ceramic_ring"]) == {
        "woven_sheet": "texture",
        "ceramic_ring": "object",
    }


def test_a_grouping_of_ones_own(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("category,group\nlamp,lit\n")
    assert category_groups("folder", ["lamp"], path) == {"lamp": "lit"}
    with pytest.raises(DataError, match="has no group for torch, fire; add a row"):
        category_groups("folder", ["lamp", "torch", "fire"], path)
    path.write_text("category\nlamp\n")
    with pytest.raises(DataError, match="lacks the columns group"):
        category_groups("folder", ["lamp"], path)


def test_means_leave_the_mean_row_out():
    table = pd.DataFrame({"pixel_auroc": [0.6, 0.8, 0.5, 9.0]}, index=["a", "b", "c", "mean"])
    means = group_means(table, {"a": "x", "b": "x", "c": "y"})
    assert means.pixel_auroc.to_dict() == pytest.approx({"x": 0.7, "y": 0.5})
