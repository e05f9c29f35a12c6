"""Tables and sentences about maps that follow their pictures, from numbers made by hand."""

import pandas as pd
import pytest

from zsas_book.tables import equivariance as tables
from zsas_lib.evaluation.paired import over_categories

CATEGORIES = ["a", "b", "c", "d"]


def table(cosines, lost, before=0.8) -> pd.DataFrame:
    rows = [
        {"category": name, "placement": place, "cosine": cosine - 0.1 * (place == "mirror"), "overlap": cosine / 2}
        | {"pixel_ap": before - loss, "pixel_ap_before": before, "pictures": 4}
        for place in ("rotation(15)", "mirror")
        for name, cosine, loss in zip(CATEGORIES, cosines, lost)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def found():
    return {
        "winclip": [table([0.9, 0.8, 0.7, 0.6], [0.11, 0.12, 0.13, 0.14])],
        "local-contrast": [table([1.0] * 4, [0.0] * 4)],
    }


@pytest.mark.slow
def test_means_and_intervals_are_those_of_categories(found):
    rows = tables.followed(found, "pixel_ap").set_index(["model", "placement"])
    row = rows.loc[("winclip", "turned by 15 degrees")]
    assert row.cosine == pytest.approx(75) and row.overlap == pytest.approx(37.5) and row.lost == pytest.approx(12.5)
    assert 0 < row.low < 12.5 < row.high
    cosine, loss = (over_categories(pd.Series(own)) for own in ([0.9, 0.8, 0.7, 0.6], [0.11, 0.12, 0.13, 0.14]))
    assert row.cosine_se == pytest.approx(100 * cosine.se) and row.overlap_se == pytest.approx(50 * cosine.se)
    assert (row.low, row.high) == pytest.approx((100 * loss.low, 100 * loss.high))
    assert rows.loc[("winclip", "mirrored"), "cosine"] == pytest.approx(65)
    alone = tables.followed({"winclip": [found["winclip"][0].query("category == 'a'")]}, "pixel_ap")
    assert alone[["low", "high", "cosine_se"]].isna().all(axis=None)
    values, errors = tables.panels_of(rows.reset_index(), ["winclip"])
    assert list(values["winclip"]) == list(errors["winclip"]) == ["cosine", "overlap"]


@pytest.mark.slow
def test_words_say_what_is_lost_and_what_the_cosine_tells(found):
    rows, told = tables.followed(found, "pixel_ap"), tables.told_before(found, "pixel_ap")
    assert told.set_index(["model", "agreement"]).loc[("winclip", "cosine"), "rank correlation"] == pytest.approx(1)
    first, second = tables.followed_in_words(rows, told, ["local-contrast"], "pixel_ap")
    assert "WinCLIP (70); of maps without a model: local contrast (95)" in first
    assert (
        "WinCLIP loses most" in second
        and "beyond chance it loses when turned by 15 degrees (+12.5) and mirrored (+12.5), of 2 placements" in second
    )
    assert "the cosine tells beyond chance which categories lose (rank correlation 1.00" in second
    slight = tables.followed_in_words(rows.assign(low=[0.1, -0.1] * 2, high=99.0), told, ["local-contrast"], "pixel_ap")
    assert "beyond chance it loses when turned by 15 degrees (+12.5), of 2 placements" in slight[1]
    gaining = rows.assign(lost=-rows.lost, low=-rows.high, high=-rows.low)
    _, second = tables.followed_in_words(gaining, told, ["local-contrast"], "pixel_ap")
    assert "WinCLIP nowhere loses but gains least pixel AP when turned by 15 degrees (+12.5 points); " in second
    assert "it loses in no way and gains when turned by 15 degrees (+12.5) and mirrored (+12.5), of 2" in second


def test_the_chance_of_trainings_is_in_the_intervals(found):
    one, other = table([0.9, 0.8, 0.7, 0.6], [0.1] * 4), table([0.7, 0.6, 0.5, 0.4], [0.2] * 4)
    row = tables.followed({"winclip": [one, other]}, "pixel_ap").iloc[0]
    assert row.cosine == pytest.approx(65) and row.lost == pytest.approx(15)
    assert row.low < 0 < row.high  # of two trainings ten points apart
    assert row.cosine_se > 10 > tables.followed({"winclip": [one]}, "pixel_ap").iloc[0].cosine_se
    told = tables.told_before({"winclip": [found["winclip"][0], table([0.9, 0.8, 0.7, 0.6], [4, 3, 2, 1])]}, "pixel_ap")
    assert told["rank correlation"].tolist() == pytest.approx([0, 0])
    assert told[["low", "high"]].to_numpy().tolist() == [[-1, 1], [-1, 1]]


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_categories_have_no_rank(found, count):
    few = {name: [own[0][own[0].category.isin(CATEGORIES[:count])]] for name, own in found.items()}
    told = tables.told_before(few, "pixel_ap")
    assert told[["rank correlation", "low", "high"]].isna().all(axis=None)
    said = tables.followed_in_words(tables.followed(few, "pixel_ap"), told, ["local-contrast"], "pixel_ap")
    assert "so few categories do not show whether the cosine tells which lose (no rank)" in said[1]
    assert ("whether that is beyond chance, one category does not tell, of 2 placements" in said[1]) == (count == 1)
    assert "loses in no way" not in said[1] and "does not tell beyond chance" not in said[1]


def test_where_nothing_is_lost_nothing_is_gained_either(found):
    same = {"winclip": found["local-contrast"]}
    rows, told = tables.followed(same, "pixel_ap"), tables.told_before(same, "pixel_ap")
    _, said = tables.followed_in_words(rows, told, [], "pixel_ap")
    assert said.startswith("WinCLIP loses no pixel AP in any placement; beyond chance it loses in no way, of 2")
