"""Differences of pairs, against single evaluations."""

import pytest
from tiny_clip import tiny_backbone
from toy import toy_dataset
from trained import trained

import zsas_lib as zsas
from zsas_lib.evaluation.paired import paired
from zsas_lib.studies.hybrids import METRICS, differences_between


@pytest.fixture
def pictures(tmp_path):
    return toy_dataset(tmp_path / "toy", {"nut": 2, "ring": 3}, normal=3)


def test_gaps_are_those_of_paired_in_points(pictures):
    backbone = tiny_backbone()
    runs = {
        "winclip": [zsas.evaluate(zsas.load_model("winclip", backbone), pictures, resamples=10)],
        "hybrid": [
            zsas.evaluate(trained("anomalyclip", backbone, compared="windows", scales=scales), pictures, resamples=10)
            for scales in ([2], [3])
        ],
    }
    table = differences_between(runs, [("hybrid", "winclip"), ("winclip", "hybrid")])
    assert table.metric.tolist() == [*METRICS] * 2 and set(table.of) == {2}
    expected = paired(runs["hybrid"], runs["winclip"]).set_index(["category", "metric"])
    for row in table[table.one == "hybrid"].itertuples():
        mean = expected.loc["mean", row.metric]
        assert (row.gap, row.low, row.high) == pytest.approx((100 * mean.gap, 100 * mean.low, 100 * mean.high))
        assert row.agree == mean.agree
        assert row.ups == sum(expected.loc[name, row.metric].gap > 0 for name in ("nut", "ring"))
    swapped = table[table.one == "winclip"]
    assert swapped.gap.tolist() == pytest.approx((-table[table.one == "hybrid"].gap).tolist())
