"""Tables and sentences about cues and sentences."""

import pandas as pd
import pytest

import zsas_lib as zsas
from zsas_book.tables import cues as tables
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.robustness.cues import REMOVALS
from zsas_lib.robustness.thresholds import calibration

LOSSES = {"grey": 0.2, "hue": 0.2, "smooth": 0.0, "shuffled": 0.6}


def losses(factor: float = 1.0) -> pd.DataFrame:
    rows = []
    for place, category in enumerate(["a", "b", "c", "d"]):
        for removal, lost in LOSSES.items():
            facts = {"category": category, "removal": removal, "cue": REMOVALS[removal].cue, "pixel_ap_before": 0.9}
            rows.append(facts | {"pixel_ap": 0.9 - factor * lost * (1 + 0.01 * place)})
    return pd.DataFrame(rows)


def test_profiles_are_in_points_and_percent():
    rows = tables.profiles({"winclip": [losses()], "local-contrast": [losses(0)]}, "pixel_ap")
    own = rows[rows.model == "winclip"].set_index("cue")
    assert own.lost.tolist() == pytest.approx([20.3, 0, 60.9]) and own.share.tolist() == pytest.approx([25, 0, 75])
    (said,) = tables.profiles_in_words(rows, ["local-contrast"], "pixel_ap")
    assert (
        "WinCLIP loses most" in said and "without the whole's shape (+60.9 points, 75 % of all that it loses)" in said
    )
    assert said.endswith("beyond chance it loses without: colour (+20.3) and the whole's shape (+60.9).")
    values, errors = tables.panels_of(rows, ["winclip"])
    assert list(values["winclip"]) == list(errors["winclip"]) == ["lost", "share"]


def profiles_said(table: pd.DataFrame) -> str:
    (said,) = tables.profiles_in_words(tables.profiles({"winclip": [table]}, "pixel_ap"), [], "pixel_ap")
    return said


def test_gains_are_no_losses():
    gaining = losses(-0.5)
    gaining.loc[gaining.removal == "smooth", "pixel_ap"] += 0.02
    said = profiles_said(gaining)
    assert said.startswith("WinCLIP loses nothing but gains least pixel AP without fine texture (+2.0 points); ")
    assert "it loses without: none; it gains: colour (+10.2), fine texture (+2.0) and the whole's shape" in said
    assert profiles_said(losses(0)).startswith("WinCLIP loses no pixel AP without any cue; beyond chance it loses")


def test_of_one_category_nothing_is_said_of_chance():
    said = profiles_said(losses().query("category == 'a'"))
    assert said.endswith("; whether that is beyond chance, one category does not tell.")


def test_the_chance_of_trainings_is_in_the_profiles():
    rows = tables.profiles({"winclip": [losses(0.5), losses()]}, "pixel_ap").set_index("cue")
    assert rows.lost.tolist() == pytest.approx([15.225, 0, 45.675]) and rows.share.tolist() == pytest.approx(
        [25, 0, 75]
    )
    assert (rows.lost_low["colour"] < 0) and rows.lost_se["colour"] == pytest.approx(5.075, rel=0.01)


@pytest.mark.slow
def test_fewer_sentences_are_paired_with_the_first_set():
    names = ["ceramic_ring", "woven_sheet"]
    pictures = zsas.load_dataset("embedded-b", categories=names, image_size=36).select(per_category=4)
    whole, pair = (evaluate(zsas.load_model(n), pictures, resamples=6) for n in ("local-contrast", "median-colour"))
    rows = tables.fewer_sentences({"all": whole, "one pair": pair}, ["aupro"]).set_index(["sentences", "metric"])
    expected = 100 * (pair.loc["mean", "aupro"] - whole.loc["mean", "aupro"])
    assert rows.loc[("one pair", "aupro"), "gap"] == pytest.approx(expected) and rows.loc[("all", "aupro"), "gap"] == 0
    error = calibration(pair.per_image, pair.per_image.image_score.to_numpy())["ECE"].values[0]
    assert rows.loc[("one pair", "ECE"), "mean"] == pytest.approx(100 * error)
    (said,) = tables.sentences_in_words(rows.reset_index(), "aupro")
    assert said.startswith("one pair, 2 sentences for 242: AUPRO") and "calibration error" in said


@pytest.mark.slow
def test_a_model_is_set_against_the_line_of_maps_without_a_model():
    trivial = ["centre-distance", "local-contrast", "median-colour"]
    found = {
        name: [losses(0).assign(pixel_ap_before=before, pixel_ap=before)]
        for name, before in zip(trivial, [0.2, 0.3, 0.4])
    }
    found["winclip"] = [losses(0).assign(pixel_ap_before=0.5, pixel_ap=0.4)]
    rows = tables.above_the_line(found, trivial, "pixel_ap")
    assert rows.effective.tolist() == pytest.approx([-10] * 4, abs=1e-3) and rows.expected.tolist() == pytest.approx(
        [50] * 4, abs=1e-3
    )
    (said,) = tables.line_in_words(rows)
    assert said.startswith("WinCLIP is above the line beyond chance: none; below: grey (-10.0), hue (-10.0), smooth")
    found["winclip"].append(losses(0).assign(pixel_ap_before=0.5, pixel_ap=0.5))
    both = tables.above_the_line(found, trivial, "pixel_ap")
    assert both.effective.tolist() == pytest.approx([-5] * 4, abs=1e-3)
    assert (both.low < -60).all() and (both.high > 50).all()  # of two trainings ten points apart
    assert "Too few" in tables.line_in_words(tables.above_the_line(found, trivial[:2], "pixel_ap"))[0]
    for known, rows in (("ab", 4), ("a", 0)):  # categories with damaged pictures, which alone have the metric
        columns = ["pixel_ap", "pixel_ap_before"]
        some = {
            name: [own.assign(**{c: own[c].where(own.category.isin([*known])) for c in columns}) for own in tables_]
            for name, tables_ in found.items()
        }
        assert len(tables.above_the_line(some, trivial, "pixel_ap")) == rows
