import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from zsas_book import figures
from zsas_book.tables import shape_bias as tables
from zsas_lib.evaluation.sampled import ITSELF
from zsas_lib.robustness.shape_bias import AS_DRAWN, EQUAL, METRICS, TAUGHT

MEMBERS = {"reference": 0.8, "vit": 0.5, "tuned": 0.8}


def rows(member, way, run, bias, spread=0.01):
    rng = np.random.default_rng(0)
    values = np.array([0.0, *rng.normal(size=20)]) * spread
    known = {"member": member, "head": TAUGHT, "way": way, "replicate": range(ITSELF, 20), "draw": range(21)}
    known |= {"pictures": 1, "units": 10, "freedom": 9} | dict.fromkeys(METRICS, 0.5)
    return pd.DataFrame(known | {"bias": bias + values, "weakened": 0.5, "run": run})


@pytest.fixture(scope="module")
def bias():
    drawn = {"reference": 0.7, "vit": 0.1, "tuned": 0.6}
    parts = [rows(name, EQUAL, run, own) for name, own in MEMBERS.items() for run in (0, 1)]
    parts += [rows(name, AS_DRAWN, run, own) for name, own in drawn.items() for run in (0, 1)]
    whole = pd.concat(parts, ignore_index=True)
    whole.loc[whole["way"] == AS_DRAWN, "shape_alone"] = whole["bias"]
    return whole


def test_the_table_has_both_ways_beside_each_other_with_an_interval(bias):
    table = tables.bias_table(bias).set_index("member")
    assert table.loc["vit", ["by shape", "by shape there"]].tolist() == pytest.approx([10, 50])
    assert table.loc["reference", "low"] < 80 < table.loc["reference", "high"]


@pytest.mark.slow
def test_words_name_who_is_off_one_half_and_who_differs_from_the_reference(bias):
    said = " ".join(tables.bias_in_words(bias, "reference"))
    assert "As drawn members answer from 10.0 (vit) to 70.0 % (reference)" in said
    assert "beyond chance: reference +30.0 points and tuned +30.0 points." in said
    assert "As drawn, shape and what is easier to read: rank correlation +1.00 over 6 networks" in said
    alone = " ".join(tables.bias_in_words(bias[(bias.member == "vit") & (bias.run == bias.run.min())], "reference"))
    assert "no rank correlation over 1 network." in alone and "nan" not in alone
    assert "vit: -30.0 points beside it" in said and "tuned: 0.0 points beside it" in said


@pytest.mark.slow
def test_who_is_never_read_alike_is_left_out(bias):
    whole = bias.copy()
    whole.loc[(whole["member"] == "vit") & (whole["way"] == EQUAL), list(METRICS)] = np.nan
    said = " ".join(tables.bias_in_words(whole, "reference"))
    assert "vit:" not in said and "to 80.0 % (reference)" in said
    assert np.isnan(tables.bias_table(whole).set_index("member").loc["vit", "by shape there"])


@pytest.mark.slow
def test_figures_show_pictures_and_a_line_for_each_member():
    shown = figures.cue_gallery([("cork", "star"), ("rusty", "ring")], 0.3)
    assert sum(len(axes.images) for axes in shown.axes) == 10
    levels = pd.concat(
        [rows(name, AS_DRAWN, 0, 0.5).drop(columns="way").assign(level=n) for name in MEMBERS for n in (-1, 0)]
    )
    drawn = figures.bias_lines(levels)
    assert [line.get_label() for line in drawn.axes[0].lines if not line.get_label().startswith("_")] == list(MEMBERS)
    plt.close("all")
