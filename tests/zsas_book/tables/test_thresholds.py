"""Tables and sentences about probabilities and thresholds that were set elsewhere, from scores made by hand."""

import numpy as np
import pandas as pd
import pytest

from zsas_book import figures
from zsas_book.tables import thresholds as tables
from zsas_lib.robustness import thresholds as study


def scores(shift: float, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    labels = np.tile([True, True, False, False], 30)
    logit = np.where(labels, 1.0, -1.0) + rng.normal(size=120) + shift
    facts = {"category": np.repeat(["a", "b", "c"], 40), "path": [f"{n}.png" for n in range(120)]}
    return pd.DataFrame(facts | {"is_anomalous": labels, "image_score": 1 / (1 + np.exp(-logit))})


@pytest.fixture(scope="module")
def made():
    targets = {"winclip": scores(0), "local-contrast": scores(0, 1)}
    auxiliary = {"winclip": scores(1.5, 2), "local-contrast": scores(0, 3)}
    native = {"winclip": True, "local-contrast": False}
    return targets, auxiliary, native, tables.calibrated(targets, auxiliary, native)


@pytest.mark.slow
def test_every_way_that_makes_a_probability_has_a_row(made):
    targets, _, _, found = made
    table = tables.calibration_table(found)
    rows = table.groupby("model", sort=False).size()
    assert rows["winclip"] == 1 + 4 + 3 and rows["local-contrast"] == 2 + 1
    first = table.iloc[0]
    assert (first["probability"], first["fitted on"]) == ("as it is", "")
    known = study.calibration(targets["winclip"], targets["winclip"].image_score.to_numpy())
    assert first["ECE"] == pytest.approx(100 * known["ECE"].values[0]) and first["NLL"] == known["NLL"].values[0]
    assert (table[[f"{name}_se" for name in study.MEASURES]] > 0).all(axis=None)


def test_words_compare_pair_by_pair(made):
    _, _, native, found = made
    said, none = tables.mended_in_words(found, native)
    gap = (
        found[("winclip", "auxiliary", "Platt")]["NLL"].values[0] - found[("winclip", "", "as it is")]["NLL"].values[0]
    )
    error = 100 * found[("winclip", "", "as it is")]["ECE"].values[0]
    assert f"Platt {gap:+.3f}" in said
    assert said.startswith(f"WinCLIP as it comes has a calibration error of {error:.0f} %. Fitted on") and error > 1
    assert none.endswith("only Platt's sigmoid makes one: local contrast.")


@pytest.mark.slow
def test_thresholds_that_do_not_fit_give_alarms(made):
    targets, auxiliary, _, _ = made
    table = tables.behind_thresholds(targets, auxiliary)
    rows = table.set_index(["model", "threshold", "set on"]).sort_index()
    own = rows.loc[("winclip", "largest F1", study.OWN)]
    assert own.F1 >= rows.loc[("winclip", "largest F1")].F1.max() - 1e-9 and own.above == pytest.approx(
        own.F1 - 200 / 3
    )
    sound = ~targets["winclip"].is_anomalous
    assert rows.loc[("winclip", "5 % false alarms", study.OWN), "false alarms"] <= 5 and sound.sum() == 60
    first, _ = tables.carried_in_words(table)
    alarms = rows.loc[("winclip", "5 % false alarms", "auxiliary"), "false alarms"]
    assert first.startswith(f"WinCLIP: set for 5 % false alarms on the auxiliary data, {alarms:.0f} % of the sound")


def test_of_one_category_nothing_is_set_on_the_others():
    one = {"winclip": scores(0).query("category == 'a'")}
    auxiliary = {"winclip": scores(1.5, 2)}
    found = tables.calibrated(one, auxiliary, {"winclip": True})
    assert {source for _, source, _ in found} == {"", "auxiliary"}
    table = tables.behind_thresholds(one, auxiliary)
    assert set(table["set on"]) == {"auxiliary", study.OWN} and table.low.isna().all()
    (said,) = tables.carried_in_words(table)
    assert "within or beyond chance of calling all damaged" in said
    (mended,) = tables.mended_in_words(found, {"winclip": True})
    assert "(within or beyond chance, no interval)" in mended


def test_reliability_is_drawn_in_percent(made):
    targets, _, _, _ = made
    bands = {name: study.reliability_band(own, own.image_score.to_numpy(), 4) for name, own in targets.items()}
    figure = figures.reliability_panels(bands)
    line = figure.axes[0].lines[1]
    assert line.get_ydata() == pytest.approx(100 * bands["winclip"].share) and len(figure.axes) == 2
