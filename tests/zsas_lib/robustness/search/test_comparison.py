"""Curves of bounds against forward passes."""

import numpy as np
import pandas as pd
import pytest
from toy import Glow, toy_dataset

import zsas_lib as zsas
from zsas_lib.robustness.search.comparison import bound_curves, tightness


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("data"), {"bolt": 1, "nut": 2}, normal=1)


@pytest.mark.slow
@pytest.mark.parametrize("search", ["adam", "grid", "random"])
def test_a_curve_per_anomalous_picture_falls_to_the_worst_case(data, search):
    table = bound_curves(Glow(), data, search=search, passes=12, restarts=2, seed=1)
    curves = table[table.category != "mean"].pivot(
        index="passes", columns=["category", "picture"], values="pixel_auroc"
    )
    assert curves.shape[1] == 3 and curves.index[0] == 2 and curves.index[-1] == 12
    assert (curves.diff().dropna() <= 0).all().all()
    nut = data.select(["nut"], anomalous=True)[1]
    steps = 6 if search == "adam" else 12
    alone = zsas.worst_case(
        Glow(), nut.image[None], nut.mask[None], "nut", search=search, steps=steps, restarts=2, seed=1
    )
    assert curves["nut", 1].iloc[-1] == pytest.approx(float(alone.pixel_auroc[0]), abs=1e-3)


@pytest.mark.slow
def test_stored_category_by_category_gives_the_same_curves(data, tmp_path):
    options = {"search": "grid", "passes": 6}
    whole = bound_curves(Glow(), data, **options)
    stored = zsas.stored(bound_curves, Glow(), data, **options, store=tmp_path)
    assert (whole.pixel_auroc - stored.pixel_auroc).abs().max() < 1e-6 and list(whole.category) == list(stored.category)


def test_less_than_a_step_of_adam_is_refused(data):
    with pytest.raises(ValueError, match="at least 2 passes.*got 1"):
        bound_curves(Glow(), data, search="grid", passes=1)


def test_tightness_is_measured_against_the_yardstick_s_end():
    passes = [2, 4, 20, 40]
    curves = {
        "Adam": pd.DataFrame([[90.0, 90, 80, 70], [80, 80, 70, 70]], columns=passes),
        "grid": pd.DataFrame([[90.0, 70, 60, 60], [80, 60, 60, 60]], columns=passes),
        "random": pd.DataFrame([[90.0, 90, 90, 90], [80, 80, 80, 70]], columns=passes),
    }
    table = tightness(curves, "Adam")
    gaps = curves["random"].iloc[:, -1] - curves["Adam"].iloc[:, -1]
    assert table["minus Adam_se"]["random"] == pytest.approx(gaps.std() / len(gaps) ** 0.5, rel=0.1)
    assert table["a tenth of the passes"].tolist() == [85, 65, 85] and table["all passes"].tolist() == [70, 60, 80]
    assert table["minus Adam"].tolist() == [0, -10, 10]
    assert table.loc["grid", ["low", "high", "agree"]].tolist() == [-10, -10, 1], "the same in both pictures"
    wide = table.loc["random"]
    assert wide.high - 10 == pytest.approx(10 - wide.low) and wide.low < 0 and np.isnan(table.low["Adam"])
    assert table["at least as tight as Adam in"].tolist() == [2, 2, 1]
    assert table["passes to Adam's bound"].tolist()[:2] == [40, 4] and np.isnan(table["passes to Adam's bound"].iloc[2])
    assert tightness({"Adam": curves["Adam"].iloc[:1]}, "Adam")["low"].isna().all(), "one picture has no interval"
