"""Tables and sentences of what corruptions leave, from sweeps of a toy model."""

import pandas as pd
import pytest
from toy import Glow, toy_dataset

from zsas_book.tables import corruptions
from zsas_book.tables.corruptions import (
    by_severity,
    effects_table,
    in_words,
    mean_of,
    parameters_table,
    whole_effects,
    with_reach,
)
from zsas_lib.evaluation.paired import samples
from zsas_lib.robustness.corruptions import corruption_sweep


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory):
    pictures = toy_dataset(tmp_path_factory.mktemp("toy"), {"lamp": 3, "star": 3})
    runs = {"winclip": [Glow()], "local-contrast": [Glow(0), Glow(1)]}
    settings = (pictures, ["fog", "jpeg"], [2, 5])
    return {name: [corruption_sweep(own, *settings, resamples=8) for own in models] for name, models in runs.items()}


def row(sweep, corruption, severity):
    return sweep.set_index(["category", "corruption", "severity"]).loc[("mean", corruption, severity)]


@pytest.mark.slow
def test_a_row_for_each_corruption_and_model(sweeps):
    table = effects_table(whole_effects(sweeps, "pixel_ap"))
    assert list(zip(table.corruption, table.model)) == [
        (corruption, model) for corruption in ("fog", "jpeg") for model in sweeps
    ]
    own, sweep = table.iloc[0], sweeps["winclip"][0]
    kept = [row(sweep, "fog", severity)["pixel_ap"] / row(sweep, "none", 0)["pixel_ap"] for severity in (2, 5)]
    assert own["left (%)"] == pytest.approx(100 * sum(kept) / 2)
    alarms = [row(sweep, "none", 0)["tnr"] - row(sweep, "fog", severity)["tnr"] for severity in (2, 5)]
    assert own["more false alarms (points)"] == pytest.approx(100 * sum(alarms) / 2)
    numbers, reach = with_reach(table)
    column = "left (%)"
    assert numbers.loc[("fog", "winclip"), column] == own[column]
    assert reach.loc[("fog", "winclip"), column] == pytest.approx(own[column] - own["left (%), low"])
    assert own["left (%), low"] <= own["left (%)"] <= own["left (%), high"]


@pytest.mark.slow
def test_severities_in_percent_in_the_mean_over_trainings(sweeps):
    table = by_severity(sweeps, "pixel_ap").set_index(["model", "corruption", "severity"])
    own = [row(sweep, "jpeg", 5) for sweep in sweeps["local-contrast"]]
    found = table.loc[("local-contrast", "jpeg", 5)]
    assert found["pixel_ap"] == pytest.approx(50 * sum(one["pixel_ap"] for one in own))
    assert found["false_alarms"] == pytest.approx(100 - 50 * sum(one["tnr"] for one in own))
    assert len(table) == 2 * 5


def test_parameters_are_those_of_the_records():
    table = parameters_table(["jpeg", "fog"])
    assert list(table.loc[0, ["1", "5"]]) == ["25", "7"] and table.loc[1, "3"] == "0.5"
    assert list(table["values of"]) == ["Hendrycks and Dietterich 2019", "this book"]


@pytest.mark.slow
def test_sentences_say_what_is_kept_and_who_keeps_more(sweeps):
    whole = whole_effects(sweeps, "pixel_ap")
    first, second, gap = in_words(whole, sweeps, "pixel_ap")
    left = samples(whole[whole.model == "winclip"], "retained", "corruption")
    mean = (left["fog"].values[0] + left["jpeg"].values[0]) / 2
    assert mean_of(left).values[0] == pytest.approx(mean)
    assert first.startswith(
        f"WinCLIP keeps {100 * mean:.0f} % of its pixel AP in the mean over corruptions, least under"
    )
    assert "points on corrupted ones, most under fog, by " in first
    other = whole[(whole.model == "local-contrast") & (whole.replicate == -1)]
    difference = 100 * (other.retained.mean() - mean)
    assert second.startswith("Local contrast keeps")
    assert f"differs from what is left of WinCLIP by {difference:+.1f} points (95 % interval" in gap
    assert isinstance(whole, pd.DataFrame) and list(whole.columns[:2]) == ["model", "corruption"]


@pytest.mark.slow
def test_of_nothing_nothing_is_left(sweeps):
    whole = whole_effects(sweeps, "pixel_ap")
    lacking = whole.assign(retained=whole["retained"].mask(whole["model"] == "winclip"))
    first, second = in_words(lacking, sweeps, "pixel_ap")  # and no difference from it
    said = (
        "WinCLIP has pixel AP of 0 on clean pictures (in one run at least), of which nothing can be left. At its clean"
    )
    assert first.startswith(said) and second.startswith("Local contrast keeps")


@pytest.mark.slow
def test_the_largest_change_counts_whichever_way_it_goes(sweeps):
    of = samples(whole_effects(sweeps, "pixel_ap").query("model == 'winclip'"), "alarms", "corruption")
    of = {name: of["fog"] - (of["fog"].values[0] - gap) for name, gap in (("fog", -0.625), ("sensor_noise", 0.333))}
    assert "by -14.6 points on corrupted ones, most under fog, by -62.5 points (" in corruptions._more(of)
