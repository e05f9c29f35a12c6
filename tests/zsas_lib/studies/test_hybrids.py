"""Reading windows once for several models, and differences of pairs, against single evaluations."""

import pytest
import torch
from tiny_clip import tiny_backbone
from toy import toy_dataset
from trained import trained

import zsas_lib as zsas
from zsas_lib.evaluation.paired import paired
from zsas_lib.models.in_windows import with_sentences_of
from zsas_lib.studies.hybrids import METRICS, differences_between, windows_read_once


@pytest.fixture
def pictures(tmp_path):
    return toy_dataset(tmp_path / "toy", {"nut": 2, "ring": 3}, normal=3)


def test_windows_are_read_once_and_said_to_be_what_they_are(pictures, monkeypatch):
    backbone, read = tiny_backbone(), []
    networks = [with_sentences_of(trained(name, backbone)) for name in ("anomalyclip", "vcpclip+")]
    other = with_sentences_of(trained("anomalyclip", backbone), scales=[2])
    expected = [zsas.evaluate(model, pictures, resamples=10) for model in networks]
    encode = type(backbone.image).encoded_with_windows
    monkeypatch.setattr(
        type(backbone.image), "encoded_with_windows", lambda *asked: read.append(len(asked[1])) or encode(*asked)
    )
    with windows_read_once([*networks, other, trained("april-gan", backbone)]):
        found = [zsas.evaluate(model, pictures, resamples=10) for model in networks]
        assert sum(read) == len(pictures)
        zsas.evaluate(other, pictures, resamples=10)
        assert sum(read) == 2 * len(pictures)  # other windows are read for themselves
    for one, same in zip(found, expected):
        torch.testing.assert_close(torch.tensor(one.to_numpy()), torch.tensor(same.to_numpy()), equal_nan=True)
    assert not any("features" in vars(model) for model in networks)
    zsas.evaluate(networks[0], pictures, resamples=10)
    assert sum(read) == 3 * len(pictures)


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
