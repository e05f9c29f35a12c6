"""What is left above the best trivial map: the numbers, and the words that follow from them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from toy import Glow, toy_dataset

from zsas_book.tables import trivial
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.models import BEST_TRIVIAL
from zsas_lib.papers.rivals import printed_rivals
from zsas_lib.studies.trivial import best_of


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("toy"), {"lamp": 3, "star": 3})


@pytest.fixture(scope="module")
def runs(dataset):
    return {"winclip": [evaluate(Glow(0), dataset, resamples=40)]}


@pytest.fixture(scope="module")
def maps(dataset):
    return {
        name: evaluate(Glow(channel), dataset, resamples=40)
        for channel, name in ((1, "local-contrast"), (2, "median-colour"))
    }


@pytest.fixture(scope="module")
def left(runs, maps):
    return trivial.what_is_left(runs, best_of(maps))


def test_means_of_models_and_maps_stand_in_one_table(runs, maps):
    table = trivial.mean_scores(runs, maps)
    assert list(table.index) == ["winclip", "local-contrast", "median-colour"]
    assert list(table) == [
        "pixel_auroc",
        "pixel_ap",
        "pixel_f1_max",
        "aupro",
        "image_auroc",
        "image_ap",
        "image_f1_max",
    ]
    assert table.loc["winclip", "aupro"] == pytest.approx(100 * runs["winclip"][0].loc["mean", "aupro"])


@pytest.mark.slow
def test_what_is_left_is_the_score_less_the_best_map_s(runs, maps, left):
    row = left.set_index(["category", "metric"]).loc[("mean", "aupro")]
    best = max(table.loc["mean", "aupro"] for table in maps.values())
    score = runs["winclip"][0].loc["mean", "aupro"]
    assert (row.trivial, row.score, row.above) == pytest.approx((100 * best, 100 * score, 100 * (score - best)))
    assert row.left == pytest.approx(100 * (score - best) / score) and row.low < row.above < row.high
    assert set(left.category) == {"lamp", "star", "mean"} and not {"pixel_iou", "aupro_200"} & set(left.metric)
    one = trivial.what_is_left(runs, best_of(maps), ["aupro"])
    assert set(one.metric) == {"aupro"}


def test_the_mean_s_rows_name_the_map(maps, left):
    rows = trivial.left_in_mean(left, best_of(maps))
    assert len(rows) == 7 and set(rows["best trivial map"]) <= set(maps)


def cells(**above: float) -> pd.DataFrame:
    """Rows of one model in two categories and their mean, the trivial map at 50 % everywhere."""
    rows = [
        {
            "category": category,
            "metric": metric,
            "model": "winclip",
            "trivial": 50.0,
            "score": 50 + value,
            "above": value,
        }
        | {"low": value - 3, "high": value + 3}
        for metric, value in above.items()
        for category in ("lamp", "star", "mean")
    ]
    return pd.DataFrame(rows)


def test_metrics_are_sorted_by_what_a_trivial_map_has_of_them():
    left = cells(aupro=50.0, pixel_auroc=12.5, image_auroc=0.0)
    assert trivial.fooled(left).to_dict() == {"aupro": 50, "pixel_auroc": 80, "image_auroc": 100}
    order, place, absent = trivial.fooled_in_words(left)
    assert order.endswith("to the easiest: AUPRO (50 %), pixel AUROC (80 %) and image AUROC (100 %).")
    assert place == "Pixel AUROC is number 2 of 3." and absent == ""


def test_a_model_at_0_has_nothing_that_a_map_could_have_a_share_of(runs, maps):
    left = pd.concat([cells(aupro=50.0, image_auroc=-50.0), cells(aupro=50.0, image_auroc=50.0).assign(model="clip")])
    assert trivial.fooled(left).to_dict() == {"aupro": 50, "image_auroc": 50}
    order, _, absent = trivial.fooled_in_words(left)
    assert "inf" not in order and absent == "A model with a mean of 0 takes no part: WinCLIP (image AUROC)."
    assert trivial.fooled(cells(aupro=50.0, image_auroc=-50.0)).to_dict() == {"aupro": 50}
    one = runs["winclip"][0].copy()
    one["image_auroc"] = 0.0
    left = trivial.what_is_left({"winclip": [one]}, best_of(maps)).set_index(["category", "metric"])
    assert np.isnan(left.left["mean", "image_auroc"]) and left.score["mean", "image_auroc"] == 0


def test_words_say_what_is_beyond_chance(maps):
    best = best_of(maps)
    best.attrs["chosen"] = {"aupro": "local-contrast", "pixel_auroc": "median-colour"}
    (said,) = trivial.above_in_words(cells(aupro=5.0, pixel_auroc=-1.0), best, ["aupro", "pixel_auroc"])
    assert said == (
        "WinCLIP against the best trivial map: +5.0 points of AUPRO over local contrast (95 % interval +2.0 to "
        "+8.0; above it beyond chance in 2 and below in 0 of 2 categories); -1.0 points of pixel AUROC over median "
        "colour distance (95 % interval -4.0 to +2.0, within chance; above it beyond chance in 0 and below in 0 of "
        "2 categories)."
    )


def test_printed_numbers_are_set_above_a_trivial_map_of_the_same_pictures_only(runs, maps, dataset, monkeypatch):
    arguments = printed_rivals("mvtec"), runs, best_of(maps), dataset, {"winclip": "another backbone"}
    table = trivial.printed_above(*arguments).set_index("claim")
    assert table["reported above it"].isna().all() and len(table) > 20
    row = table.loc["WinCLIP, pixel AUROC"]
    assert row.reported == 81.3 and row.verdict == "not comparable: another backbone"
    assert row.reproduced == pytest.approx(100 * runs["winclip"][0].loc["mean", "pixel_auroc"])
    assert table.loc["AdaCLIP, pixel AUROC", "verdict"] == "not measured"
    monkeypatch.setattr(trivial, "comparable", lambda *_: "")
    row = trivial.printed_above(*arguments).set_index("claim").loc["WinCLIP, pixel AUROC"]
    assert row["reported above it"] == pytest.approx(81.3 - row["best trivial map"])


def test_a_table_of_categories_gets_the_best_map_s_mean_as_its_last_row(runs, maps):
    table, best = runs["winclip"][0], best_of(maps)
    shown = trivial.with_best(table, best)
    assert list(shown.index) == ["lamp", "star", "mean", BEST_TRIVIAL] and list(shown) == list(table)
    assert shown.loc[BEST_TRIVIAL].equals(best.loc["mean"].rename(BEST_TRIVIAL))


@pytest.mark.slow
def test_without_masks_only_images_are_spoken_of(tmp_path):
    dataset = toy_dataset(tmp_path, {"lamp": 3, "star": 3})
    dataset = dataset.part([replace(record, mask_path=None) for record in dataset.records])
    one, other = (evaluate(Glow(channel), dataset, resamples=20) for channel in (0, 2))
    best = best_of({"median-colour": other})
    left = trivial.what_is_left({"winclip": [one]}, best)
    assert set(left.metric) == {"image_auroc", "image_ap", "image_f1_max"}
    (said,) = trivial.above_in_words(left, best, ["pixel_auroc", "image_auroc"])
    assert "image AUROC" in said and "pixel" not in said
    assert trivial.fooled_in_words(left)[1] == ""
