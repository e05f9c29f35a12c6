"""Paper K's printed means against its printed rows, and its Table 3 against the released log."""

import pandas as pd
import pytest

from zsas_lib.papers.consistency import beside_released_log, printed_means


@pytest.mark.slow
def test_the_means_that_do_not_follow_are_these():
    means = printed_means()
    assert len(means) == 4 + 12
    wrong = means[~means.follows].set_index(["model", "level", "over"]).recomputed.round(3).to_dict()
    assert wrong == {
        ("WinCLIP", "image", "rigid"): 0.672,
        ("WinCLIP", "pixel", "rigid"): 0.731,
        ("AnomalyCLIP", "image", "rigid"): 0.880,
        ("AnomalyCLIP", "pixel", "rigid"): 0.913,
        ("AnomalyCLIP", "pixel", "all"): 0.911,
    }
    pd.testing.assert_series_equal(means.gap, means.printed - means.recomputed, check_names=False)


@pytest.mark.slow
def test_the_groups_make_up_all_categories():
    means = printed_means().set_index(["model", "level", "over"]).recomputed.sort_index()
    for model in ("WinCLIP", "AnomalyCLIP"):
        for level in ("image", "pixel"):
            own = means[model, level]
            assert (5 * own["texture"] + 7 * own["rigid"] + 3 * own["flexible"]) / 15 == pytest.approx(own["all"])


def test_table_3_is_the_released_log():
    both = beside_released_log()
    assert len(both) == 30 and both.same.all()
