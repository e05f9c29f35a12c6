"""The best of several maps as one table."""

import layouts
import numpy as np
import pandas as pd
import pytest
from toy import Glow, toy_dataset

import zsas_lib as zsas
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.evaluation.paired import paired
from zsas_lib.evaluation.replicates import flat
from zsas_lib.evaluation.tables import with_means
from zsas_lib.studies.trivial import CHOSEN, best_of, best_trivial, trivial_maps, trivial_tables
from zsas_lib.studies.vcp_protocol import SCORES, protocol_table


@pytest.fixture
def pictures(tmp_path):
    kinds = {"good": 2, "dent": 2}
    return zsas.load_dataset("mvtec", layouts.write_mvtec(tmp_path / "mvtec", {"cap": kinds, "nut": kinds}))


@pytest.mark.slow
def test_every_map_is_measured_with_masks_of_the_whole_data_set(pictures, tmp_path):
    tables = trivial_tables(evaluate, pictures.select(["cap"]), resamples=5, store=tmp_path / "store")
    assert list(tables) == zsas.list_trivial_maps()
    assert list(tables["mean-ground-truth"].index) == ["cap", "mean"]
    # nut's masks are in the same corner, a quarter of each picture, which in the two sound ones of cap's four is normal
    assert tables["mean-ground-truth"].loc["cap", "pixel_auroc"] == pytest.approx(
        1 - 0.5 * 2 / (2 * 4 + 2 * 3), abs=2e-3
    )


def test_of_one_category_there_is_no_mean_of_others(pictures):
    assert "mean-ground-truth" not in trivial_maps(pictures.select(["cap"])) and len(trivial_maps(pictures)) == 4


@pytest.mark.slow
def test_each_metric_is_that_of_the_map_with_the_best_mean(tmp_path):
    dataset = toy_dataset(tmp_path, {"lamp": 3, "star": 3})
    red, blue = (evaluate(Glow(channel), dataset, resamples=20) for channel in (0, 2))
    blue["image_ap"] = red["image_ap"] + 0.1
    best = best_of({"red": red, "blue": blue})
    assert best.attrs[CHOSEN] == {name: "blue" if name == "image_ap" else "red" for name in red}
    assert best.image_ap.equals(blue.image_ap) and best.aupro.equals(red.aupro) and list(best) == list(red)
    assert best.spread.pixel_auroc.equals(red.spread.pixel_auroc)
    assert best.replicates.image_ap.equals(blue.replicates.image_ap)
    gaps = paired([red], [best]).set_index("metric").gap
    assert (gaps.drop("image_ap") == 0).all() and gaps["image_ap"].to_numpy() == pytest.approx(-0.1)


def long_table(mean: float, tpr: float, settings=("own", "top 1")) -> pd.DataFrame:
    rows = [
        {
            "category": category,
            "score": score,
            "aupro": mean,
            "image_auroc": mean + shift,
            "image_auroc_se": mean,
            "tpr": tpr,
        }
        for category, shift in (("cap", 0.0), ("nut", 0.1))
        for score in settings
    ]
    return with_means(pd.DataFrame(rows), by=["score"])


def test_rows_with_settings_are_chosen_within_each():
    one, other = long_table(0.5, 0.9), long_table(0.6, 0.1)
    top = one.score == "top 1"
    one.loc[top, ["image_auroc", "image_auroc_se"]] += 0.3
    best = best_of({"one": one, "other": other}, by=["score"])
    assert best[["category", "score"]].equals(one[["category", "score"]])
    assert best.image_auroc[top].equals(one.image_auroc[top]) and best.image_auroc[~top].equals(other.image_auroc[~top])
    assert best.image_auroc_se[top].equals(one.image_auroc_se[top]) and (best.aupro == 0.6).all()
    assert best.tpr.isna().all()  # a rate at a threshold has no best
    assert best_of({"one": one, "other": other}).image_auroc.equals(one.image_auroc)
    assert best.attrs[CHOSEN] == {"aupro": "other", "image_auroc": "other"}


def test_what_is_nan_in_one_map_is_that_of_another_and_nan_where_it_is_in_all():
    one, other = long_table(0.5, 0.9), long_table(0.6, 0.1)
    other["aupro"] = np.nan
    assert best_of({"one": one, "other": other}).aupro.equals(one.aupro)
    one["aupro"] = np.nan
    assert best_of({"one": one, "other": other}).aupro.isna().all()


def test_tables_with_other_rows_are_refused():
    with pytest.raises(ValueError, match="Expected tables with the same rows, category, score"):
        best_of({"one": long_table(0.5, 0.5), "other": long_table(0.5, 0.5, ("own", "top 2000"))})


@pytest.mark.slow
def test_any_function_of_the_store_has_a_best(pictures, tmp_path):
    pictures = zsas.load_dataset("mvtec", pictures.root, image_size=20)
    best = best_trivial(protocol_table, pictures, by=["score"], store=tmp_path / "store")
    assert best.category.tolist() == ["cap"] * 3 + ["nut"] * 3 + ["mean"] * 3 and best.score.tolist() == [*SCORES] * 3
    assert best.pixel_auroc.between(0.9, 1).all()
    whole = flat(best)  # each metric's replicates are those of its map, apart for each score
    itself = whole[whole.replicate < 0].set_index(["category", "score"])
    assert itself.image_auroc.to_dict() == best.set_index(["category", "score"]).image_auroc.to_dict()
    own = protocol_table(trivial_maps(pictures)[best.attrs[CHOSEN]["pixel_auroc"]], pictures).replicates
    for score in SCORES:
        rows, expected = (part[part.score == score].pixel_auroc.to_numpy() for part in (best.replicates, own))
        np.testing.assert_allclose(rows, expected, atol=1e-12)
