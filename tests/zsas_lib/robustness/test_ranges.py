import pandas as pd
import pytest

from zsas_lib.robustness.ranges import sweep_ranges


def test_ranges_are_those_of_a_sweep_counted_by_hand():
    rows = [
        ("star", -1.0, 0.5),
        ("star", 0.0, 0.9),
        ("star", 1.0, 0.8),
        ("mean", -1.0, 0.6),
        ("mean", 0.0, 0.7),
        ("mean", 1.0, 0.7),
    ]
    sweep = pd.DataFrame(rows, columns=["category", "value", "pixel_auroc"]).assign(pixel_auroc_se=0.01)
    table = sweep_ranges(sweep)
    assert list(table.index) == ["star", "mean"]
    star = {"unperturbed": 90, "lowest": 50, "at": -1, "highest": 90, "range": 40, "largest step": 40, "± at 0": 1}
    assert table.loc["star"].to_dict() == pytest.approx(star)
