"""Evaluation of a toy model against the metrics themselves and against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score
from toy import Glow, toy_dataset

from zsas_lib import metrics
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.evaluation.tables import METRICS, ResultTable, joined, with_means
from zsas_lib.models.prediction import Prediction


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("toy"), {"lamp": 3, "star": 2})


@pytest.fixture(scope="module")
def table(dataset) -> ResultTable:
    return evaluate(Glow(), dataset, batch_size=2, resamples=50)


def test_rows_are_categories_then_their_mean(table):
    assert list(table.index) == ["lamp", "star", "mean"] and table.index.name == "category"
    assert tuple(table.columns) == METRICS
    np.testing.assert_allclose(table.loc["mean"], table.loc[["lamp", "star"]].mean())
    assert 0.6 < table.loc["mean", "pixel_auroc"] < 1


def test_numbers_are_those_of_scikit_learn(table, dataset):
    samples = list(dataset.select(["lamp"]))
    maps = Glow()(torch.stack([sample.image for sample in samples]), "lamp").anomaly_map.detach().numpy()
    masks = np.stack([sample.mask.numpy() for sample in samples])
    labels = [sample.is_anomalous for sample in samples]
    assert table.loc["lamp", "pixel_auroc"] == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()))
    assert table.loc["lamp", "image_auroc"] == pytest.approx(roc_auc_score(labels, maps.max((1, 2))))
    assert table.loc["lamp", "aupro"] == metrics.aupro(maps, masks)


def test_per_image_rows_describe_every_picture(table, dataset):
    rows = table.per_image
    assert list(rows["path"][:4]) == ["lamp/0.png", "lamp/1.png", "lamp/2.png", "lamp/3.png"] and len(rows) == 11
    assert list(rows["is_anomalous"]) == [sample.is_anomalous for sample in dataset]
    assert list(rows["category"].unique()) == ["lamp", "star"] and set(rows["defect"]) == {"good", "glow"}
    sample = dataset[4]
    map_ = Glow()(sample.image[None], "lamp").anomaly_map[0].detach().numpy()
    assert rows["pixel_auroc"][4] == pytest.approx(roc_auc_score(sample.mask.numpy().ravel(), map_.ravel()))
    assert rows["map_max"][4] == rows["image_score"][4] == pytest.approx(map_.max())
    assert rows["anomalous_fraction"][4] == pytest.approx(sample.mask.numpy().mean())
    assert rows["pixel_auroc"].isna().tolist() == [not anomalous for anomalous in rows["is_anomalous"]]


def test_spread_is_a_bootstrap_over_images(table, dataset):
    """Against the bootstrap in plain words, with another random state: agreement up to its own noise."""
    samples = list(dataset.select(["lamp"]))
    maps = Glow()(torch.stack([sample.image for sample in samples]), "lamp").anomaly_map.detach().numpy()
    masks = np.stack([sample.mask.numpy() for sample in samples])
    rng, drawn = np.random.default_rng(7), []
    while len(drawn) < 200:
        chosen = rng.integers(0, len(maps), len(maps))
        if masks[chosen].any():
            drawn.append(roc_auc_score(masks[chosen].ravel(), maps[chosen].ravel()))
    assert list(table.spread.index) == list(table.index)
    assert table.spread.loc["lamp", "pixel_auroc"] == pytest.approx(np.std(drawn), rel=0.5)
    expected = np.sqrt((table.spread.loc[["lamp", "star"]] ** 2).sum()) / 2
    np.testing.assert_allclose(table.spread.loc["mean"], expected)


def test_the_seed_decides_the_spread_and_nothing_else(table, dataset):
    again, other = (evaluate(Glow(), dataset, seed=seed, resamples=50) for seed in (0, 1))
    pd.testing.assert_frame_equal(again, table)
    pd.testing.assert_frame_equal(again.spread, table.spread)
    pd.testing.assert_frame_equal(other, table)
    assert (other.spread["pixel_auroc"] != table.spread["pixel_auroc"]).all()


def test_pictures_of_several_sizes_are_pooled(tmp_path):
    dataset = toy_dataset(tmp_path, {"lamp": 3}, sizes=(32, 40))
    assert evaluate(Glow(), dataset, resamples=10).loc["lamp", "pixel_auroc"] > 0.5


def test_a_category_of_one_class_has_no_weight_in_the_mean(tmp_path):
    dataset = toy_dataset(tmp_path, {"lamp": 3, "star": 0})
    table = evaluate(Glow(), dataset, resamples=10)
    assert table.loc["star"].isna().all()
    np.testing.assert_array_equal(table.loc["mean"], table.loc["lamp"])
    assert table.spread.loc["mean", "pixel_auroc"] == pytest.approx(table.spread.loc["lamp", "pixel_auroc"])


@pytest.mark.parametrize("part", ["anomaly_map", "image_score"])
def test_nan_names_the_picture(dataset, part):
    class Broken(Glow):
        def forward(self, images, class_names):
            prediction = super().forward(images, class_names)
            parts = {"anomaly_map": prediction.anomaly_map.clone(), "image_score": prediction.image_score.clone()}
            parts[part][-1:] = torch.nan
            return Prediction(**parts)

    with pytest.raises(ValueError, match=r"glow returned NaN or infinity for .*lamp/3\.png"):
        evaluate(Broken(), dataset, batch_size=4)


def test_parts_join_to_the_whole(table, dataset):
    parts = [evaluate(Glow(), dataset.select([category]), resamples=50) for category in dataset.categories]
    whole = joined(parts)
    pd.testing.assert_frame_equal(whole, table)
    pd.testing.assert_frame_equal(whole.per_image, table.per_image)
    pd.testing.assert_frame_equal(whole.spread, table.spread)


def test_means_are_taken_per_setting():
    rows = pd.DataFrame(
        {
            "category": ["a", "a", "b", "b", "mean"],
            "value": [0.0, 1.0, 0.0, 1.0, 0.0],
            "aupro": [0.1, 0.2, 0.3, np.nan, 9.0],
            "pixel_auroc_se": [0.3, 0.3, 0.4, 0.4, 9.0],
        }
    )
    means = with_means(rows).query("category == 'mean'")
    assert list(means["value"]) == [0, 1] and list(means["aupro"]) == pytest.approx([0.2, 0.2])
    assert list(means["pixel_auroc_se"]) == pytest.approx([0.25, 0.25])
    assert len(with_means(rows)) == 6


def test_a_table_of_results_stays_one_when_cut(table):
    part = table.loc[["lamp"], ["aupro"]]
    assert isinstance(part, ResultTable) and part.per_image is table.per_image
