"""Differences between towers, with tables of results made by hand."""

from dataclasses import replace

import pandas as pd
import pytest

import zsas_lib as zsas
from zsas_book.figures import quality_and_cost
from zsas_book.tables import towers as tables
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.studies.towers import RANDOM, Entry, entry_table

METRICS = ["pixel_auroc", "aupro"]


@pytest.fixture(scope="module")
def entries():
    """Two towers with both kinds of windows and one with pooled ones alone, whose maps are trivial ones."""
    names = ["ceramic_ring", "woven_sheet"]
    pictures = zsas.load_dataset("embedded-b", categories=names, image_size=36).select(per_category=4)
    one, other = (evaluate(zsas.load_model(name), pictures, resamples=6) for name in zsas.list_trivial_maps()[:2])
    cost = {"GFLOP": 8.0, "ms": 4.0, "MB": 1.0}
    first = Entry("first", "", "class token", 10**6, (36, 36), 3, "winclip", "encoded", one, cost)
    pooled = replace(first, windows="pooled", table=other, cost={"GFLOP": 2.0, "ms": 2.0, "MB": 1.0})
    drawn = [replace(entry, variant=RANDOM, table=one) for entry in (first, pooled)]
    return [first, pooled, *drawn, replace(pooled, tower="second", family="hierarchical", table=one)]


@pytest.mark.slow
def test_differences_are_those_of_the_same_windows(entries):
    found = tables.against_first(entries, METRICS)
    assert list(found.tower) == [f"first, {RANDOM}"] * 4 + ["second"] * 2
    one, other = entries[0].table, entries[1].table
    gaps = found.set_index(["tower", "windows", "metric"]).gap
    assert gaps[f"first, {RANDOM}", "encoded", "aupro"] == 0
    expected = 100 * (one.loc["mean", "aupro"] - other.loc["mean", "aupro"])
    assert gaps["second", "pooled", "aupro"] == pytest.approx(expected)
    assert list(tables.against_first(entries[:1], METRICS)) == list(found)


@pytest.mark.slow
def test_what_pooled_windows_save_and_cost(entries):
    found = tables.pooled_for_encoded(entries, METRICS)
    assert list(found.tower.unique()) == ["first", f"first, {RANDOM}"]
    row = found.set_index(["tower", "metric"]).loc[("first", "pixel_auroc")]
    one, other = (entry.table.loc["mean", "pixel_auroc"] for entry in entries[:2])
    assert (row.saved, row.faster) == (4, 2) and row.gap == pytest.approx(100 * (other - one))
    (sentence,) = tables.pooled_in_words(found, METRICS)
    assert sentence.startswith("first, 3 x 3 patches: pooled windows take 25 % of the operations")
    same = found.assign(**{name: found[name].where(found.metric != "aupro", 0.0) for name in tables.POINTS})
    first, sentence = tables.pooled_in_words(same, METRICS)
    assert first == "The same for both kinds of windows, which take no part in it: AUPRO." and "AUPRO" not in sentence
    assert "No trained tower" in tables.pooled_in_words(found.iloc[:0], METRICS)[0]


@pytest.mark.slow
def test_words_name_the_best_and_the_floor(entries):
    table = entry_table(entries, METRICS)
    differences = tables.against_first(entries, METRICS)
    said = " ".join(tables.towers_in_words(table, differences, "aupro"))
    trained = table[~table.tower.str.contains(RANDOM)]
    best = trained.loc[trained.aupro.idxmax()]
    assert "that were trained, on" not in said  # one grid is no choice
    assert f"{best.tower} with {best.windows} windows has the highest AUPRO, {best.aupro:.1f} %" in said
    low, high = (getattr(table.aupro[table.tower.str.contains(RANDOM)], end)() for end in ("min", "max"))
    assert f"Random weights, of one draw each, give {low:.1f} to {high:.1f} %: the floor" in said
    known = differences[differences.tower == "second"].assign(low=1.0, high=3.0, gap=2.0)
    known = pd.concat([known, known.assign(tower="third", low=-3.0, high=-1.0, gap=-2.0)])
    assert tables.towers_in_words(table, known, "aupro")[1].endswith(
        "in AUPRO and points: clearly above second (3 x 3 patches, pooled windows, +2.0), clearly below third (3 x 3 "
        "patches, pooled windows, -2.0); the rest is within its interval."
    )
    alone = tables.towers_in_words(table, differences.assign(low=float("nan"), high=float("nan")), "aupro")[1]
    assert alone.endswith("in AUPRO and points: whether any differs beyond chance, one category does not tell.")
    assert "Random weights, of one draw each" in said
    for names, begin in (
        ("a", "Of what the one trained tower gives, a with"),
        ("ab", "Of 2 towers and variants that were"),
    ):
        some = trained.head(2).assign(tower=list(names.ljust(2, "a")))
        assert tables.towers_in_words(some, tables.against_first([entries[0]], METRICS), "aupro")[0].startswith(begin)


def test_the_best_map_without_a_model_is_the_last_row(entries):
    best = entries[0].table
    table = tables.with_trivial(entry_table(entries, METRICS), best, METRICS)
    assert table.model.iloc[-1] == "best_trivial_map" and table.aupro.iloc[-1] == 100 * best.loc["mean", "aupro"]
    figure = quality_and_cost(entry_table(entries, METRICS), "aupro", 50.0)
    drawn = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    hollow = [line.get_markerfacecolor() == "none" for line in drawn]
    assert hollow == [False, False, True, True, False]
    one_family = quality_and_cost(entry_table(entries, METRICS).assign(family="class token"), "aupro", 50.0)
    assert [
        "class token" in [text.get_text() for text in own.legends[0].get_texts()] for own in (figure, one_family)
    ] == [
        True,
        False,
    ]


def test_towers_that_are_absent_are_named_with_the_first_sentence_of_why():
    assert tables.absent_in_words({"x": "Cannot fetch it (no network). Do this."}) == [
        "x is not at hand: Cannot fetch it (no network)."
    ]
    assert tables.absent_in_words({}) == ["Every tower on this page's list was at hand."]
    errors = tables.errors_of(pd.DataFrame({"se": [1.0]}))
    assert list(errors) == ["gap"]
