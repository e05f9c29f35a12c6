"""Paper K's comparison in words, and its means beside a page's."""

import numpy as np
import pandas as pd
import pytest
from flats import flat_of
from tiny_clip import tiny_backbone
from toy import toy_dataset

from zsas_book.tables import kakda
from zsas_book.tables.kakda import (
    beside_k_means,
    comparison_in_words,
    gain_in_words,
    groups_in_words,
    means_in_words,
)
from zsas_lib.evaluation.tables import joined, result_table


def run(first: float, second: float, pixel: float):
    """Image AUROC of two categories, and pixel AUROC, which is the same in both."""
    rows = {"category": ["ring", "star", "mean"], "image_auroc": [first, second, (first + second) / 2]}
    table = pd.DataFrame(rows)
    table = table.assign(pixel_auroc=pixel, image_ap=table.image_auroc, aupro=table.image_auroc)
    pictures = pd.DataFrame({"path": list("abcd"), "category": ["ring"] * 2 + ["star"] * 2})
    columns = {"replicate": range(40), "draw": range(40), "pictures": 7, "units": 2, "freedom": 1}
    drawn = [
        pd.DataFrame({"category": name, **columns, "image_auroc": value, "pixel_auroc": pixel})
        for name, value in (("ring", first), ("star", second))
    ]
    errors = {"image_auroc_se": 0.03, "pixel_auroc_se": 0.0}
    return result_table(table.assign(**errors), pictures, pd.concat(drawn, ignore_index=True))


def only_ring(table):
    rows = pd.DataFrame(table.join(table.spread.add_suffix("_se"))).loc[["ring", "mean"]].reset_index()
    parts = (part[part.category == "ring"] for part in (table.per_image, table.replicates))
    return result_table(rows, *(part.reset_index(drop=True) for part in parts))


@pytest.fixture
def runs():
    return {"winclip": [run(0.5, 0.7, 0.6)], "anomalyclip": [run(0.55, 0.75, 0.7), run(0.65, 0.75, 0.7)]}


@pytest.mark.slow
def test_a_gain_is_judged_by_the_paired_difference(runs):
    """Image AUROC gains 10 and 5 points: a standard error of 2.5 over the two categories, and of 2.5 over the two
    trainings; pixel AUROC gains 10 everywhere."""
    said = gain_in_words(runs, "image_auroc")
    assert said.startswith(
        "no difference beyond chance in the mean image AUROC (AnomalyCLIP +7.5 points, up in 2 of 2 categories, "
        "from 5.0 (star) to 10.0 (ring); 95 % interval -"
    )
    low = float(said.split("interval ")[1].split(" to")[0])
    assert low == pytest.approx(7.5 - 4.303 * np.hypot(2.5, 2.5), abs=1.0)  # t of 2 degrees of freedom
    assert said.endswith("; 5.0 between trainings)") and "% of resamples agree in sign, power 1" in said
    assert gain_in_words(runs, "pixel_auroc").startswith("AnomalyCLIP leads in the mean pixel AUROC")
    one = joined([run(0.5, 0.7, 0.6).pipe(only_ring)])
    assert "; no interval)" in gain_in_words({"winclip": [one], "anomalyclip": [one]}, "image_auroc")
    runs = {"winclip": runs["anomalyclip"][1:], "anomalyclip": runs["winclip"]}
    assert gain_in_words(runs, "pixel_auroc").startswith("WinCLIP leads in the mean pixel AUROC (AnomalyCLIP -10.0")
    assert "between trainings" not in gain_in_words(runs, "pixel_auroc")


@pytest.mark.slow
def test_the_comparison_has_paper_k_s_gains_and_the_spans(runs):
    said = comparison_in_words(runs)
    assert said[1].startswith("In paper K's rows AnomalyCLIP is ahead by 30.3 points of image and 18.4 of pixel AUROC.")
    assert "its image AUROC spans 15.0 points here, WinCLIP's 20.0, a difference of -5.0 points (95 %" in said[2]


@pytest.mark.slow
def test_what_learning_adds_to_groups():
    index = pd.Index(["texture", "object"])
    before = pd.DataFrame({"image_auroc": [0.5, 0.6], "pixel_auroc": [0.5, 0.6]}, index=index)
    grouped = {"winclip": before, "anomalyclip": before + pd.DataFrame({"image_auroc": [0.1, -0.02]}, index=index)}
    grouped["anomalyclip"]["pixel_auroc"] = before.pixel_auroc
    numbers = {(name, group): table.image_auroc[group] for name, table in grouped.items() for group in index}
    replicates = flat_of(numbers, ["model", "group"], own=0.001).drop(columns="run").assign(pixel_auroc=0.5)
    here, of_k, best = groups_in_words(grouped, replicates)
    assert here.startswith("What learning adds, category by category, in image AUROC: texture +10.0 points (95 % ")
    assert ", object -2.0 points (" in here and "; in pixel AUROC: texture 0.0 points (95 % interval 0.0 to 0.0" in here
    assert "rigid +20.8 and +18.2" in of_k
    assert best == "The group with the best change of image AUROC is texture here and texture in paper K."
    assert len(groups_in_words({name: table.head(1) for name, table in grouped.items()}, replicates)) == 2


@pytest.mark.slow
def test_five_printed_means_do_not_follow_and_all_rows_are_the_log_s():
    wrong, log = means_in_words()
    assert wrong.startswith("5 of 16 printed means do not follow: WinCLIP image rigid (0.684, rows give 0.672)")
    assert log.startswith("All of the 30 numbers")


def test_printed_means_stand_beside_both_models(runs, tmp_path):
    pictures, tower = toy_dataset(tmp_path, {"ring": 1, "star": 1}), tiny_backbone()
    table = beside_k_means(runs, pictures, {"winclip": tower, "anomalyclip": tower}, {"training": {"epochs": 1}})
    rows = table.set_index("claim")
    ours = rows.loc["K Table 4, AnomalyCLIP: image AUROC"]
    assert (ours.reported, ours.reproduced) == pytest.approx((91.6, 67.5))
    assert (ours["± pictures"], ours["± seeds"]) == pytest.approx((3.0, 5 / 2**0.5))
    assert rows.loc["K Table 2, WinCLIP: pixel AUPRO", ["reported", "reproduced"]].tolist() == pytest.approx([67.9, 60])
    assert len(rows) == 8 and set(rows.verdict) == {"not comparable: toy, tiny"}


def test_only_what_learns_is_judged_by_what_it_learned_from(runs, tmp_path, monkeypatch):
    pictures, tower = toy_dataset(tmp_path, {"ring": 1, "star": 1}), tiny_backbone()
    learned = {"auxiliary": pictures, "training": {"epochs": 1}}
    monkeypatch.setattr(kakda, "comparable", lambda paper, number, *_, **given: f"{number}: {', '.join(given)}")
    table = beside_k_means(runs, pictures, {"winclip": tower, "anomalyclip": tower}, learned)
    assert set(table.verdict) == {"not comparable: 2: ", "not comparable: 4: auxiliary, training"}
