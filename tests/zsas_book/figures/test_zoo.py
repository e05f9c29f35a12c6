import numpy as np
import pandas as pd
import pytest

from zsas_book import figures
from zsas_lib.robustness.effective import effective_robustness


def robustness(factors=("pose", "lighting", "colour")):
    rng, parts = np.random.default_rng(0), []
    rows = [(f"m{i}", f"c{j}", 0.1 + 0.1 * i, 0.05 + 0.08 * i) for i in range(4) for j in range(3)]
    table = pd.DataFrame(rows, columns=["model", "category", "plain", "accuracy"])
    for factor in factors:
        noisy = table.assign(accuracy=table["accuracy"] + 0.02 * rng.random(len(table)))
        own = effective_robustness(
            noisy, plain="plain", shifted="accuracy", reference=["m0", "m1", "m2"], resamples=2
        ).rename(columns={"model": "member"})
        own.insert(1, "factor", factor)
        parts.append(own.assign(run=0))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.slow
def test_factors_have_a_panel_each_with_every_network_and_a_line():
    figure = figures.factor_lines(robustness(), ["m0", "m1", "m2"], {"m3": "#045fff"}, columns=2)
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title() for axis in shown] == ["pose", "lighting", "colour"]
    assert all(len(axis.lines) == 5 for axis in shown)  # the line and four networks
    *grey, coloured = sorted(shown[0].lines[1:], key=lambda line: line.get_zorder())
    assert coloured.get_color() == "#045fff" and all(one.get_zorder() < coloured.get_zorder() for one in grey)
    across, up = shown[0].lines[0].get_data()
    assert (np.diff(up) > 0).all() and across[0] == pytest.approx(8.0)


def test_networks_are_named_beside_chance():
    table = pd.DataFrame({"member": ["a", "b"], "accuracy": [0.2, 0.3], "mAP": [0.1, 0.4]})
    figure = figures.foretelling(table, "accuracy", {"mAP": "mAP (%)"}, {"mAP": 0.05})
    (axis,) = figure.axes
    points = axis.lines[:2]
    assert [line.get_label() for line in points] == ["a", "b"] and not axis.texts
    assert len({(line.get_color(), line.get_marker()) for line in points}) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    assert axis.lines[-1].get_ydata()[0] == pytest.approx(5)
