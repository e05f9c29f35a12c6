"""Tables and sentences about means over changed copies."""

import pandas as pd
import pytest

import zsas_lib as zsas
from zsas_book.tables import averaging as tables
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.evaluation.paired import over_categories


@pytest.fixture(scope="module")
def runs():
    names = ["ceramic_ring", "leather_sheet", "rubber_gear", "woven_sheet"]
    pictures = zsas.load_dataset("embedded-b", categories=names, image_size=36).select(per_category=4)
    one, other = (evaluate(zsas.load_model(n), pictures, resamples=6) for n in ("local-contrast", "median-colour"))
    return {"winclip": {"single pass": [one], "turned": [other]}}


def test_ways_are_paired_with_the_single_pass(runs):
    one, other = (own[0] for own in runs["winclip"].values())
    rows = tables.means(runs, "aupro").set_index("way")
    assert rows.passes.tolist() == [1, 4] and rows.gap["single pass"] == 0
    assert rows.gap["turned"] == pytest.approx(100 * (other.aupro["mean"] - one.aupro["mean"]))
    (said,) = tables.means_in_words(rows.reset_index(), "aupro")
    assert said.startswith(f"WinCLIP, {100 * one.aupro['mean']:.1f} % AUPRO in a single pass: turned ")
    assert "points for 4 passes, " in said
    both = tables.means_in_words(tables.means(runs | {"anomalyclip": runs["winclip"]}, "aupro"), "aupro")
    assert [own.split(",")[0] for own in both] == ["WinCLIP", "AnomalyCLIP"], "as they came"


@pytest.mark.slow
def test_kinds_of_objects_are_told_apart(runs):
    fit = pd.Series({"ceramic_ring": True, "leather_sheet": True, "rubber_gear": False, "woven_sheet": False})
    rows = tables.categories(runs, "aupro", fit)
    one, other = (own[0] for own in runs["winclip"].values())
    assert rows.way.unique().tolist() == ["turned"] and rows.turns.tolist() == fit.tolist()
    gaps = 100 * (other.aupro - one.aupro).drop("mean")
    assert rows.gap.tolist() == pytest.approx(gaps.tolist())
    values, errors = tables.panels_of(rows)
    assert values["turned"].winclip["rubber_gear"] == pytest.approx(gaps["rubber_gear"])
    assert list(errors["turned"].index) == sorted(fit.index)
    which, said = tables.kinds_in_words(runs, "aupro", fit)
    assert which == (
        "May be turned by any angle: ceramic ring and leather sheet; may not: rubber gear and woven sheet."
    )
    assert said.startswith("WinCLIP, turned: ") and "in 2 categories that may be turned (" in said
    assert "in 2 categories that may not (" in said
    (nobody,) = tables.kinds_in_words(runs, "aupro", pd.Series(None, index=fit.index, dtype=object))
    assert nobody == "Nobody says which of these products may be turned by any angle."
    kinds, few = tables.kinds_in_words(runs, "aupro", fit.iloc[1:3])
    assert kinds == "May be turned by any angle: leather sheet; may not: rubber gear." and few.startswith(
        "Neither kind"
    )
    parts = {"winclip": {"single pass": [one], "parts": [other]}}
    assert tables.kinds_in_words(parts, "aupro", fit) == [which]
    _, three = tables.kinds_in_words(runs, "aupro", fit[1:])
    assert "categories that may be turned" not in three, "one alone has no interval"
    assert "in 2 categories that may not (" in three
    trained = {"winclip": {"single pass": [one, one], "turned": [other, one]}}
    _, both = tables.kinds_in_words(trained, "aupro", fit)
    sure = over_categories(gaps[["ceramic_ring", "leather_sheet"]], 0 * gaps[["ceramic_ring", "leather_sheet"]])
    assert f"turned: {gaps[:2].mean() / 2:+.1f} points" in both and f"({sure.low:+.1f} to {sure.high:+.1f})" in both
