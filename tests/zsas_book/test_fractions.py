"""Metrics are published as fractions, whatever a page prints."""

import pandas as pd
import pytest

from zsas_book.figures import as_fractions, publish_table
from zsas_book.fractions import metric_of


def test_metrics_and_what_stands_beside_them_become_fractions_and_all_else_stays():
    percent = pd.DataFrame(
        {"aupro": [83.5], "aupro_se": [1.5], "pixel_ap_reported": [-2.0], "alarms": [30.0], "n": [7]}
    )
    told = as_fractions(percent, "alarms")
    assert told.iloc[0].to_dict() == pytest.approx(
        {"aupro": 0.835, "aupro_se": 0.015, "pixel_ap_reported": -0.02, "alarms": 0.3, "n": 7}
    )


@pytest.mark.parametrize(
    ("column", "metric"),
    [
        ("aupro", "aupro"),
        ("aupro_200", "aupro_200"),
        ("image_auroc_std", "image_auroc"),
        ("aupro_kept", None),
        ("loss", None),  # of a training, too, which has no bound
        ("ms per picture", None),
    ],
)
def test_a_column_is_of_the_metric_in_its_name(column, metric):
    assert metric_of(column) == metric


@pytest.mark.parametrize("values", [[0.5, 83.5], [-1.5, 0.0], [0.5, float("nan"), 1.1]])
def test_percent_are_not_published(values):
    with pytest.raises(ValueError, match=r"column 'aupro_reported' of 'all' as it is computed, of at most 1, got"):
        publish_table(pd.DataFrame({"aupro_reported": values, "ms": 40.0}), "all")


def test_fractions_and_their_differences_are_published():
    publish_table(pd.DataFrame({"aupro": [-1.0, 1.0, float("nan")], "legacy_reach": 0.3, "loss": 7.5}), "all")
    publish_table(pd.DataFrame({"aupro": ["none"], "image_auroc": [True]}), "all")
