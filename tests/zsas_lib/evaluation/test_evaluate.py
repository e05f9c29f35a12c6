"""Evaluation of a toy model against the metrics themselves and against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score
from toy import Glow, toy_dataset

from zsas_lib import metrics
from zsas_lib.evaluation import tables
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.evaluation.tables import ResultTable
from zsas_lib.metrics import metric
from zsas_lib.models.prediction import Prediction
from zsas_lib.robustness.sweeps import uniform_sweep


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("toy"), {"lamp": 3, "star": 2})


@pytest.fixture(scope="module")
def table(dataset) -> ResultTable:
    return evaluate(Glow(), dataset, batch_size=2, resamples=50)


def test_rows_are_categories_then_their_mean(table):
    assert list(table.index) == ["lamp", "star", "mean"] and table.index.name == "category"
    assert list(table.columns) == [
        "pixel_auroc",
        "pixel_ap",
        "pixel_f1_max",
        "pixel_iou",
        "aupro",
        "aupro_200",
        "image_auroc",
        "image_ap",
        "image_f1_max",
    ]
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
    kept = round(2000 * map_.size / 518**2)
    assert rows["map_top"][4] == pytest.approx(np.sort(map_.ravel())[-kept:].mean())
    assert rows["anomalous_fraction"][4] == pytest.approx(sample.mask.numpy().mean())
    assert rows["pixel_auroc"].isna().tolist() == [not anomalous for anomalous in rows["is_anomalous"]]


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_seed_decides_the_spread_and_nothing_else(table, dataset):
    again, other = (evaluate(Glow(), dataset, seed=seed, resamples=50) for seed in (0, 1))
    pd.testing.assert_frame_equal(again, table)
    pd.testing.assert_frame_equal(again.spread, table.spread)
    pd.testing.assert_frame_equal(other, table)
    assert (other.spread["pixel_auroc"] != table.spread["pixel_auroc"]).all()


def test_pictures_of_several_sizes_are_pooled(tmp_path):
    dataset = toy_dataset(tmp_path, {"lamp": 3}, sizes=(32, 40))
    assert evaluate(Glow(), dataset, resamples=10).loc["lamp", "pixel_auroc"] > 0.5


@pytest.mark.slow
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


def gap(scores, truth) -> float:
    """The mean score of what is anomalous above that of what is not."""
    scores, truth = (np.concatenate([np.ravel(one) for one in part]) for part in (scores, truth))
    return float(scores[truth].mean() - scores[~truth].mean())


@pytest.fixture
def new_metrics(monkeypatch):
    """Two metrics that nothing outside the registry has heard of."""
    registered = dict(metric._registered)
    monkeypatch.setattr(metric, "_registered", registered)
    for module in (metric, tables):
        monkeypatch.setattr(module, "METRICS", registered)
    for level in ("pixel", "image"):
        metric.register(metric.Metric(f"{level}_gap", f"{level} gap", level=level, function=gap))


@pytest.mark.slow
def test_registered_metrics_are_computed_beside_the_others_and_averaged(dataset, table, new_metrics):
    samples = list(dataset.select(["star"]))
    images, masks = (torch.stack([getattr(sample, part) for sample in samples]) for part in ("image", "mask"))
    maps = Glow()(images, "star").anomaly_map.detach()
    labels = masks.flatten(1).any(1)
    further = evaluate(Glow(), dataset, resamples=50)
    assert list(further.columns) == [*table.columns[:6], "pixel_gap", *table.columns[6:], "image_gap"]
    assert further.loc["star", "pixel_gap"] == pytest.approx(float(maps[masks].mean() - maps[~masks].mean()))
    scores = maps.amax((1, 2))
    assert further.loc["star", "image_gap"] == pytest.approx(float(scores[labels].mean() - scores[~labels].mean()))
    np.testing.assert_allclose(further.loc["mean"], further.loc[["lamp", "star"]].mean())
    pd.testing.assert_frame_equal(pd.DataFrame(further[list(table)]), pd.DataFrame(table))
    pd.testing.assert_frame_equal(further.spread, table.spread)
    swept = uniform_sweep(Glow(), dataset, "hue", [0.0], resamples=50).set_index("category")
    pd.testing.assert_frame_equal(swept[list(further)], pd.DataFrame(further))


def test_metrics_of_several_sizes_get_every_picture_at_its_own(tmp_path, new_metrics):
    dataset = toy_dataset(tmp_path, {"lamp": 3}, sizes=(32, 40))
    assert 0 < evaluate(Glow(), dataset, resamples=10).loc["lamp", "pixel_gap"] < 1
